//! A command run inside a running container.

use crate::Docker;
use anyhow::{Context, Result};
use bollard::exec::{CreateExecOptions, StartExecResults};
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is kept of the output; the rest is read and dropped, so that the command never blocks on it.
const KEPT_OUTPUT_BYTES: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    pub exit_code: i64,
    /// stdout and stderr as they came.
    pub output: String,
}

impl Docker {
    /// Runs a command to its end, without a shell; an error if it still runs at the deadline (and it runs on).
    pub async fn exec(
        &self,
        id: &str,
        command: &[&str],
        env: &BTreeMap<String, String>,
        deadline: Duration,
    ) -> Result<Executed> {
        let program = command.first().copied().unwrap_or_default();
        let run = async {
            let options = CreateExecOptions {
                cmd: Some(command.iter().map(|word| (*word).to_owned()).collect()),
                env: Some(
                    env.iter()
                        .map(|(name, value)| format!("{name}={value}"))
                        .collect::<Vec<String>>(),
                ),
                attach_stdout: Some(true),
                attach_stderr: Some(true),
                ..Default::default()
            };
            let exec = self.api().create_exec(id, options).await?.id;
            let mut kept = Vec::new();
            if let StartExecResults::Attached { mut output, .. } = self.api().start_exec(&exec, None).await? {
                while let Some(part) = output.next().await {
                    let bytes = part?.into_bytes();
                    kept.extend_from_slice(&bytes[..bytes.len().min(KEPT_OUTPUT_BYTES - kept.len())]);
                }
            }
            let exit_code = self.api().inspect_exec(&exec).await?.exit_code;
            let exit_code = exit_code.context("the engine does not know its exit code")?;
            anyhow::Ok(Executed {
                exit_code,
                output: String::from_utf8_lossy(&kept).into_owned(),
            })
        };
        let done = tokio::time::timeout(deadline, run).await;
        let done = done.with_context(|| format!("`{program}` in container `{id}` ran longer than {deadline:?}"))?;
        done.with_context(|| format!("running `{program}` in container `{id}`"))
    }
}
