//! A command that one host runs once: a migration before a candidate, or what somebody asks for beside what is settled.

use super::explain::evidence_lines;
use super::{Phase, Rollout, SILENT_AFTER, START_MARGIN};
use crate::failure::{Failure, Result};
use crate::ids;
use crate::rollout::next::Reason;
use contract::{FailureKind, Task, TaskResult};
use std::time::Duration;
use tokio::time::Instant;

/// What a host says of a task.
#[derive(Debug)]
pub enum Told {
    Ended(TaskResult),
    /// Nor will it be: the host has given it up.
    NotRun(Failure),
}

impl Rollout<'_> {
    /// What is settled stays as it is, and a host runs this beside it. Whoever asked may stop waiting at any time.
    pub async fn exec(&mut self, task: &Task) -> Result<Told> {
        self.publish(Phase::SettledWith(Box::new(task.clone()))).await?;
        let interrupt = self.start.report.interrupt.clone();
        interrupt
            .cuts(self.wait_for_task(task, "the command", "runs the command"))
            .await
    }

    /// What is settled, without the task. Nothing of what runs changes by it, so that nobody needs to wait for hosts.
    pub async fn forget_task(&mut self) -> Result<()> {
        // A host that could not run the task has given the rollout up that said so.
        self.id = ids::new_rollout();
        self.publish(Phase::Settled).await
    }

    pub(super) async fn wait_for_task(&mut self, task: &Task, what: &str, does: &str) -> Result<Told> {
        let deadline = START_MARGIN + Duration::from_millis(task.timeout_ms);
        let generation = self.published.as_ref().map(|published| published.generation);
        let since = Instant::now();
        loop {
            let (fleet, ages) = self.observe().await?;
            if let Some(observed) = fleet.get(&task.host) {
                if let Some(result) = observed.tasks.iter().find(|result| result.id == task.id) {
                    return Ok(Told::Ended(result.clone()));
                }
                if let Some(failure) = observed.failure.as_ref().filter(|failure| failure.rollout == self.id) {
                    let told = Failure::failed(format!("{} on {}", failure.summary, task.host))
                        .why(evidence_lines(&failure.evidence));
                    // Any other may have come about while it ran.
                    return match failure.kind {
                        FailureKind::Pull | FailureKind::Start => Ok(Told::NotRun(told)),
                        _ => Err(told),
                    };
                }
                if let Some(refused) = observed
                    .refused
                    .as_ref()
                    .filter(|_| Some(observed.accepted) < generation)
                {
                    let (host, reason) = (task.host.clone(), refused.reason.clone());
                    return Ok(Told::NotRun(self.explain(&Reason::Refused { host, reason })));
                }
            }
            let silent = ages.get(&task.host).copied().unwrap_or(since.elapsed());
            if since.elapsed() > deadline || (silent > SILENT_AFTER && since.elapsed() > SILENT_AFTER) {
                return Err(Failure::failed(format!("{} did not run {what}", task.host))
                    .why(format!(
                        "expected a result within {} s, heard from it {} s ago",
                        deadline.as_secs(),
                        silent.as_secs()
                    ))
                    .next("cargo xtask status"));
            }
            self.start.report.progress(format!("{} {does}", task.host));
            tokio::time::sleep(self.tick()).await;
        }
    }
}
