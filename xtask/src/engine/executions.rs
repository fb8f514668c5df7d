//! Commands that somebody had run in an environment, once, beside what it runs: who asked, for what, and how it ended.

use super::records::{Records, executions_key};
use crate::failure::Result;
use contract::{EnvironmentName, HostName, ReleaseId, TaskId, TaskResult};
use jiff::Timestamp;
use pipeline::Identity;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Executions {
    /// Newest last.
    pub executions: Vec<Execution>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Execution {
    pub task: TaskId,
    pub release: ReleaseId,
    pub host: HostName,
    pub command: Vec<String>,
    pub by: Identity,
    pub at: Timestamp,
    /// `None` until its end was seen.
    pub ended: Option<Ended>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    pub exit_code: i64,
    pub timed_out: bool,
    pub took_ms: u64,
}

impl Executions {
    const KEPT: usize = 50;

    pub async fn load(records: &Records, environment: &EnvironmentName) -> Result<Self> {
        let found = records.read(&executions_key(environment)).await?;
        Ok(found.map(|(executions, _)| executions).unwrap_or_default())
    }

    /// Under the environment's lease.
    pub async fn begin(records: &Records, environment: &EnvironmentName, execution: Execution) -> Result<()> {
        let begin = |known: &mut Self| {
            known.executions.push(execution);
            let surplus = known.executions.len().saturating_sub(Self::KEPT);
            known.executions.drain(..surplus);
        };
        records.change(environment, &executions_key(environment), begin).await
    }

    /// Notes the ends that a host tells of, also of commands that nobody waited for.
    pub async fn note(records: &Records, environment: &EnvironmentName, results: &[TaskResult]) -> Result<()> {
        let note = |known: &mut Self| {
            for execution in known.executions.iter_mut().filter(|known| known.ended.is_none()) {
                let result = results.iter().find(|result| result.id == execution.task);
                execution.ended = result.map(Ended::of);
            }
        };
        records.change(environment, &executions_key(environment), note).await
    }
}

impl Execution {
    /// As one would type it, more or less.
    pub fn line(&self) -> String {
        self.command.join(" ")
    }
}

impl Ended {
    pub fn of(result: &TaskResult) -> Self {
        Self {
            exit_code: result.exit_code,
            timed_out: result.timed_out,
            took_ms: result.took_ms,
        }
    }

    pub fn is_good(&self) -> bool {
        self.exit_code == 0 && !self.timed_out
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = crate::report::seconds(Duration::from_millis(self.took_ms));
        match self.timed_out {
            true => write!(f, "took too long and was stopped after {took}"),
            false => write!(f, "exited with {} after {took}", self.exit_code),
        }
    }
}
