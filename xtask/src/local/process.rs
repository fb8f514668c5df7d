//! Processes that outlive this one. A process id alone may be anyone's by now: a process is known by its id and the time
//! it was started, and only such a one is ever signalled.

use crate::failure::{Failure, OrFail, Result};
use crate::files;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub pid: u32,
    /// In clock ticks since the machine started.
    pub start_time: u64,
    /// Which build of the program it is.
    #[serde(default)]
    pub program: String,
}

impl Identity {
    pub fn of(pid: u32, program: String) -> Option<Self> {
        machine::start_time(pid).map(|start_time| Self {
            pid,
            start_time,
            program,
        })
    }

    pub fn is_running(&self) -> bool {
        machine::start_time(self.pid) == Some(self.start_time)
    }

    /// Asks it to end, insists after `grace`, and returns once it is gone.
    pub async fn end(&self, grace: Duration) {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return;
        };
        let since = Instant::now();
        let mut signal = Signal::TERM;
        while self.is_running() {
            // It may end between the question and the signal; that is what we want.
            let _ = kill_process(pid, signal);
            let patience = if signal == Signal::TERM {
                grace
            } else {
                Duration::from_secs(5)
            };
            let asked = Instant::now();
            while self.is_running() && asked.elapsed() < patience {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            signal = Signal::KILL;
            if since.elapsed() > grace + Duration::from_secs(10) {
                return;
            }
        }
    }

    pub fn load(path: &Path) -> Option<Self> {
        files::read_json(path).ok().flatten()
    }
}

/// Starts `program CONFIG` in a process group of its own, so that Ctrl-C here does not reach it.
pub fn spawn(program: &Path, config: &Path, log: &Path, envs: &[(String, String)]) -> Result<Identity> {
    let failed = || format!("`{}` cannot be started", program.display());
    let out = OpenOptions::new().create(true).append(true).open(log).or_fail(failed)?;
    let err = out.try_clone().or_fail(failed)?;
    let mut command = Command::new(program);
    command
        .arg(config)
        .envs(envs.iter().cloned())
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .process_group(0);
    let child = command.spawn().or_fail(failed)?;
    Identity::of(child.id(), String::new())
        .ok_or_else(|| Failure::failed(failed()).why("it ended at once").why(tail(log, 12)))
}

/// The last lines of a log file, however large it is.
pub fn tail(log: &Path, lines: usize) -> String {
    let text = read_end(log).unwrap_or_default();
    let found: Vec<&str> = text.lines().collect();
    let from = found.len().saturating_sub(lines);
    found[from..]
        .iter()
        .map(|line| format!("| {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn read_end(log: &Path) -> std::io::Result<String> {
    const MOST: u64 = 256 * 1024;
    let mut file = fs::File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MOST)))?;
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_is_ended_and_another_with_its_id_is_not() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let identity = Identity::of(child.id(), String::new()).unwrap();
        let earlier = Identity {
            start_time: identity.start_time - 1,
            ..identity.clone()
        };
        assert!(identity.is_running() && !earlier.is_running());
        earlier.end(Duration::from_secs(1)).await;
        assert!(identity.is_running(), "a process that only shares the id was ended");
        identity.end(Duration::from_secs(1)).await;
        assert!(!identity.is_running());
        child.wait().unwrap();
    }
}
