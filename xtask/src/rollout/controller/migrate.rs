//! The candidate's migration: one host runs it, once, while the stable version serves.

use super::task::Told;
use super::{Phase, Rollout};
use crate::failure::{Failure, Result};
use crate::ids;
use contract::{Task, TaskResult};
use pipeline::model::Migrate;

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
        let told = self.wait_for_task(&task, "the migration", "migrates the database");
        let result = match told.await? {
            Told::Ended(result) => result,
            Told::NotRun(failure) => return Err(failure),
        };
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
}
