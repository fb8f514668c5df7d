//! One-shot tasks: run once, whatever happens to the agent meanwhile.

use crate::containers;
use crate::secrets;
use crate::start::{Tools, Trouble};
use anyhow::{Context as _, Result};
use contract::{FailureKind, Task, TaskResult};
use docker::{ContainerState, Status};
use jiff::Timestamp;
use std::time::Duration;

const OUTPUT_LINES: usize = 100;
/// Of all lines together. A report holds eight results, and has to stay a document however they are spelled.
const OUTPUT_BYTES: usize = 16 * 1024;
/// For a process that does not end by itself in time.
const STOP_GRACE: Duration = Duration::from_secs(5);

impl Tools {
    /// The result, whether this agent started the task or an earlier one did. The container stays: it goes once the
    /// result is on disk.
    pub async fn run_task(&self, task: &Task) -> Result<TaskResult, Trouble> {
        let name = containers::task_name(&self.config, task.id);
        let existing = match self.docker.inspect(&name).await {
            Ok(found) => found,
            Err(error) => return Err(self.trouble(FailureKind::Task, error).await),
        };
        // One that was created and never started has done nothing yet; all others have, and are only waited for.
        let is_fresh = existing.as_ref().is_none_or(|found| found.status == Status::Created);
        if existing.is_none()
            && let Err((kind, error)) = self.create_task(task).await
        {
            return Err(self.trouble(kind, error).await);
        }
        match self.wait_for_task(task, &name, is_fresh).await {
            Ok(result) => Ok(result),
            Err(error) => Err(self.trouble(FailureKind::Task, error).await),
        }
    }

    async fn create_task(&self, task: &Task) -> Result<(), (FailureKind, anyhow::Error)> {
        let version = &task.version;
        self.fetch(version).await?;
        let secrets = secrets::read_all(&self.config.secrets, &version.secrets).await;
        let secrets = secrets.map_err(|error| (FailureKind::Start, error))?;
        let spec = containers::task_spec(&self.config, version, task.id, task.command.clone(), secrets);
        let created = self.docker.create(&spec).await;
        created.map(drop).map_err(|error| (FailureKind::Task, error))
    }

    async fn wait_for_task(&self, task: &Task, name: &str, is_fresh: bool) -> Result<TaskResult> {
        if is_fresh {
            tracing::info!(task = %task.id, command = ?task.command, "running a task");
            self.docker.start(name).await?;
        }
        let timeout = Duration::from_millis(task.timeout_ms);
        let before = self.age(&self.task_state(name).await?);
        let exit_code = self.docker.wait(name, timeout.saturating_sub(before)).await?;
        let timed_out = exit_code.is_none();
        if timed_out {
            tracing::warn!(task = %task.id, "the task took longer than {} ms and is stopped", task.timeout_ms);
            self.docker.stop(name, STOP_GRACE).await?;
        }
        let ended = self.task_state(name).await?;
        // One more than is kept, to learn whether there are more.
        let (output, left_out) = last_of(self.docker.logs_tail(name, OUTPUT_LINES + 1).await?);
        let took = self.age(&ended).min(timeout + STOP_GRACE);
        Ok(TaskResult {
            id: task.id,
            exit_code: exit_code.or(ended.exit_code).unwrap_or(-1),
            timed_out,
            output,
            left_out,
            took_ms: took.as_millis() as u64,
        })
    }

    async fn task_state(&self, name: &str) -> Result<ContainerState> {
        let found = self.docker.inspect(name).await?;
        found.with_context(|| format!("the task's container `{name}` was removed by somebody else"))
    }
    /// Since it was started. By the wall clock, which is all the engine tells; so never negative, and bounded by the caller.
    fn age(&self, state: &ContainerState) -> Duration {
        let started = state.started_at.as_ref().and_then(|at| at.parse::<Timestamp>().ok());
        started
            .and_then(|at| Duration::try_from(self.reach.now().duration_since(at)).ok())
            .unwrap_or_default()
    }
}

/// As many of the last lines as a result may hold, and whether there were more.
fn last_of(mut lines: Vec<String>) -> (Vec<String>, bool) {
    let mut room = OUTPUT_BYTES;
    let fits = |line: &&String| {
        let rest = room.checked_sub(line.len());
        room = rest.unwrap_or_default();
        rest.is_some()
    };
    let kept = lines.iter().rev().take(OUTPUT_LINES).take_while(fits).count();
    let output = lines.split_off(lines.len() - kept);
    (output, !lines.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: Vec<String>, kept: usize, left_out: bool) {
        let last = lines.last().cloned();
        let (output, is_cut) = last_of(lines);
        assert_eq!((output.len(), is_cut), (kept, left_out));
        assert_eq!(output.last(), last.as_ref());
    }

    #[test]
    fn the_last_lines_are_kept_and_it_is_known_whether_there_were_more() {
        let short = |count: usize| (0..count).map(|number| format!("line {number}")).collect();
        check(short(0), 0, false);
        check(short(OUTPUT_LINES), OUTPUT_LINES, false);
        check(short(OUTPUT_LINES + 1), OUTPUT_LINES, true);
    }

    #[test]
    fn however_long_its_lines_are_a_result_fits_into_a_report() {
        check(vec!["x".repeat(OUTPUT_BYTES / 4); 5], 4, true);
    }
}
