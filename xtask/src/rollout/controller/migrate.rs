//! The candidate's migration: one host runs it, once, while the stable version serves.

use super::explain::evidence_lines;
use super::{Phase, Rollout, SILENT_AFTER, START_MARGIN, TICK};
use crate::failure::{Failure, Result};
use crate::ids;
use contract::{Task, TaskResult};
use pipeline::model::Migrate;
use std::time::Duration;
use tokio::time::Instant;

impl Rollout<'_> {
    /// Runs the candidate's migration once, on the first host, while the stable version serves.
    pub async fn migrate(&mut self, migrate: &Migrate) -> Result<TaskResult> {
        let environment = self.start.environment;
        let host = environment
            .hosts
            .first()
            .ok_or_else(|| Failure::bad_input(format!("`{}` has no hosts", environment.name)))?;
        let task = Task {
            id: ids::new_task(),
            host: host.clone(),
            version: self.start.candidate.clone(),
            command: migrate.command.clone(),
            timeout_ms: migrate.timeout.as_millis() as u64,
        };
        self.publish(Phase::Task(Box::new(task.clone()))).await?;
        let deadline = START_MARGIN + migrate.timeout;
        let result = self.wait_for_task(&task, deadline).await?;
        if result.exit_code == 0 && !result.timed_out {
            return Ok(result);
        }
        let how = if result.timed_out {
            "took too long".to_owned()
        } else {
            format!("exited with {}", result.exit_code)
        };
        let failure = Failure::failed(format!("the migration of `{}` on {host} {how}", environment.name));
        Err(result
            .output
            .iter()
            .fold(failure, |failure, line| failure.why(format!("| {line}"))))
    }

    async fn wait_for_task(&self, task: &Task, deadline: Duration) -> Result<TaskResult> {
        let since = Instant::now();
        loop {
            let (fleet, ages) = self.observe().await?;
            if let Some(observed) = fleet.get(&task.host) {
                if let Some(result) = observed.tasks.iter().find(|result| result.id == task.id) {
                    return Ok(result.clone());
                }
                if let Some(failure) = observed.failure.as_ref().filter(|failure| failure.rollout == self.id) {
                    return Err(Failure::failed(format!("{} on {}", failure.summary, task.host))
                        .why(evidence_lines(&failure.evidence)));
                }
            }
            let silent = ages.get(&task.host).copied().unwrap_or(since.elapsed());
            if since.elapsed() > deadline || (silent > SILENT_AFTER && since.elapsed() > SILENT_AFTER) {
                return Err(Failure::failed(format!("{} did not run the migration", task.host))
                    .why(format!(
                        "expected a result within {} s, heard from it {} s ago",
                        deadline.as_secs(),
                        silent.as_secs()
                    ))
                    .next("cargo xtask status"));
            }
            self.start
                .report
                .progress(format!("{} migrates the database", task.host));
            tokio::time::sleep(TICK).await;
        }
    }
}
