//! What hosts are told, under the lease and with a generation above all before.

use super::{Phase, Published, Rollout};
use crate::clock;
use crate::failure::{Exit, Failure, OrFail, Result};
use crate::rollout::document::{Turn, document};
use channel::PublishError;
use contract::Generation;
use tokio::time::Instant;

impl Rollout<'_> {
    pub(super) async fn renew(&mut self) -> Result<()> {
        let Some(phase) = self.published.as_ref().map(|published| published.phase.clone()) else {
            return Ok(());
        };
        self.tell(&phase).await?;
        if let Some(published) = &mut self.published {
            published.renewed = Instant::now();
        }
        Ok(())
    }

    pub(super) async fn publish(&mut self, phase: Phase) -> Result<()> {
        let generation = self.tell(&phase).await?;
        let now = Instant::now();
        self.published = Some(Published {
            phase,
            generation,
            since: now,
            renewed: now,
        });
        Ok(())
    }

    async fn tell(&mut self, phase: &Phase) -> Result<Generation> {
        self.start.lease.expect_held()?;
        self.sequence += 1;
        let generation = Generation::new(self.start.lease.fence, self.sequence);
        let turn = Turn {
            generation,
            rollout: self.id,
            keys: self.start.key.set(),
            issued_at: clock::now(),
            phase: phase.clone(),
        };
        let desired = document(self.start.pipeline, self.start.environment, &self.versions, &turn);
        let name = &self.start.environment.name;
        let failed = || format!("the desired state of `{name}` cannot be published");
        let envelope = self.start.key.seal(&desired).or_fail(failed)?;
        let published = self.start.channel.publish(&envelope, self.revision.as_ref()).await;
        let revision = match published {
            Ok(revision) => revision,
            Err(conflict @ PublishError::Conflict(_)) => {
                return Err(
                    Failure::new(Exit::Locked, format!("another release changes `{name}` in this moment"))
                        .why(conflict.to_string())
                        .next("cargo xtask status"),
                );
            }
            Err(PublishError::Failed(error)) => return Err(error).or_fail(failed),
        };
        self.revision = Some(revision);
        Ok(generation)
    }
}
