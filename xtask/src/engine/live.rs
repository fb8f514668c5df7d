//! From approved to live: production, front end and bake, one unit under one lease and one rollout.

use super::{Event, Lease, Run};
use crate::failure::{Failure, Result};
use crate::plan::StageName;
use crate::rollout::Rollout;
use crate::stages::environment::{self, Shifted};
use crate::stages::frontend::{self, Baked, Flip, Published};
use contract::ReleaseId;

impl Run<'_> {
    /// `approved_over` is what production ran when the approval was given, where one was asked for.
    pub(super) async fn live(&mut self, approved_over: Option<Option<ReleaseId>>) -> Result<()> {
        let context = self.context;
        let production = &context.pipeline.production;
        if self.journal.outcome(StageName::Bake).is_some() {
            return Ok(());
        }
        let lease = Lease::acquire_above(context, production, self.release.id).await?;
        if let Some(expected) = approved_over {
            environment::expect_unmoved(context, production, expected)?;
        }
        let candidate = environment::version(context, production, &self.release)?;
        let mut rollout = environment::begin(context, production, &lease, candidate).await?;
        self.forget(StageName::Production)?;
        self.forget(StageName::Frontend)?;
        let mut flip = None;
        match self.ascend(&mut rollout, &mut flip, &lease).await {
            Ok(()) => Ok(()),
            Err(failure) => Err(self.undo(&mut rollout, flip, failure).await),
        }
    }

    async fn ascend(&mut self, rollout: &mut Rollout<'_>, flip: &mut Option<Flip>, lease: &Lease) -> Result<()> {
        let context = self.context;
        let production = &context.pipeline.production;
        let _: Shifted = self
            .stage(StageName::Production, async |run| {
                let journal = &mut run.journal;
                let step = |weight| {
                    journal.append(Event::Step {
                        stage: StageName::Production,
                        text: format!("{weight}"),
                    })
                };
                environment::shift(context, production, rollout, step).await
            })
            .await?;
        if let Some(site) = &context.pipeline.frontend {
            let published: Published = self
                .stage(StageName::Frontend, async |run| {
                    rollout
                        .hold(frontend::publish(context, site, run.release.id, lease.fence, flip))
                        .await
                })
                .await?;
            self.release.frontend = Some(published.manifest);
            self.release.save(&context.project)?;
        }
        let release = self.release.clone();
        let _: Baked = self
            .stage(StageName::Bake, async |_| {
                let result = rollout.bake(&production.canary, production.bake).await?;
                rollout.settle().await?;
                environment::remember(context, production, &release)?;
                Ok(Baked { result })
            })
            .await?;
        if let Some(site) = &context.pipeline.frontend {
            frontend::prune(context, site).await;
        }
        Ok(())
    }

    /// The entry document first, because that is one quick write; then traffic; then what takes its time.
    async fn undo(&mut self, rollout: &mut Rollout<'_>, flip: Option<Flip>, failure: Failure) -> Failure {
        let context = self.context;
        let mut because = failure.what.clone();
        if let Some(flip) = &flip
            && let Err(trouble) = flip.back(context).await
        {
            because = format!("{because}; the front end could not be returned: {}", trouble.what);
        }
        let stable = rollout.stable().map(|version| version.release);
        let failure = rollout.revert(failure).await;
        let failure = match &flip {
            Some(flip) => flip.settle_back(context, failure).await,
            None => failure,
        };
        let environment = context.pipeline.production.name.clone();
        if let Err(trouble) = self.journal.append(Event::RolledBack {
            environment,
            to: stable,
            because,
        }) {
            context.report.note(&trouble.to_string());
        }
        match failure.next {
            Some(_) => failure,
            None => failure.next(format!("cargo xtask show {}", self.release.id)),
        }
    }

    /// A finished stage of a unit that was cut off is begun again with it.
    fn forget(&mut self, stage: StageName) -> Result<()> {
        if self.journal.outcome(stage).is_none() {
            return Ok(());
        }
        self.journal.append(Event::StageStarted { stage })
    }
}
