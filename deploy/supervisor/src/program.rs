//! One of the two programs that are kept running.

use crate::backoff::Backoff;
use crate::{log, record};
use anyhow::{Context, Result};
use command_fds::{CommandFdExt, FdMapping};
use contract::ProcessRecord;
use rustix::process::{Pid, Signal, kill_process};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// Where the `LISTEN_FDS` protocol puts the first socket.
const FIRST_SOCKET: i32 = 3;
/// A router drains for 30 s.
const GRACE: Duration = Duration::from_secs(35);

#[derive(Debug)]
pub struct Program {
    pub name: &'static str,
    path: PathBuf,
    config: PathBuf,
    /// Handed down to each of its processes.
    socket: Option<TcpListener>,
    process: Option<Process>,
    backoff: Backoff,
    /// When it is started next, while no process runs.
    due: Instant,
}

#[derive(Debug)]
pub struct Process {
    child: Child,
    began: Instant,
}

/// What happens to a program next.
#[derive(Debug)]
pub enum Turn {
    Ended(std::io::Result<ExitStatus>),
    Due,
}

impl Program {
    pub fn new(name: &'static str, path: PathBuf, config: PathBuf, socket: Option<TcpListener>) -> Self {
        Self {
            name,
            path,
            config,
            socket,
            process: None,
            backoff: Backoff::default(),
            due: Instant::now(),
        }
    }

    pub fn log(&self) -> PathBuf {
        PathBuf::from(format!("{}.log", self.name))
    }

    pub fn record(&self) -> Option<ProcessRecord> {
        record::process(self.process.as_ref()?.child.id()?)
    }

    /// Waits for the next turn; may be given up and called again.
    pub async fn turn(&mut self) -> Turn {
        match &mut self.process {
            Some(process) => Turn::Ended(process.child.wait().await),
            None => {
                tokio::time::sleep_until(self.due).await;
                Turn::Due
            }
        }
    }

    /// The process is gone, or could not be waited for, which a new one does not make worse.
    pub fn ended(&mut self, how: &std::io::Result<ExitStatus>) {
        let life = self
            .process
            .take()
            .map_or(Duration::ZERO, |process| process.began.elapsed());
        let pause = self.backoff.pause_after(life);
        let how = how.as_ref().map_or_else(ToString::to_string, ToString::to_string);
        tracing::warn!(
            program = self.name,
            how,
            life_s = life.as_secs(),
            pause_ms = pause.as_millis(),
            "ended"
        );
        self.due = Instant::now() + pause;
    }

    pub fn start(&mut self) {
        match self.spawn() {
            Ok(child) => {
                tracing::info!(program = self.name, pid = child.id(), "started");
                self.process = Some(Process {
                    child,
                    began: Instant::now(),
                });
            }
            Err(error) => {
                let pause = self.backoff.pause_after(Duration::ZERO);
                tracing::error!(program = self.name, why = format!("{error:#}"), "cannot be started");
                self.due = Instant::now() + pause;
            }
        }
    }

    fn spawn(&self) -> Result<Child> {
        let out = log::open(&self.log()).with_context(|| format!("cannot open `{}`", self.log().display()))?;
        let mut command = Command::new(&self.path);
        command
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out);
        // Ctrl-C on the supervisor's terminal is for the supervisor, which ends the others in order.
        command.process_group(0);
        if let Some(socket) = &self.socket {
            // The one that speaks to users gets no credentials by the way: the environment may hold the agent's.
            command.env_clear().env("LISTEN_FDS", "1");
            let parent_fd = OwnedFd::from(socket.try_clone().context("cannot copy the listening socket")?);
            command.fd_mappings(vec![FdMapping {
                parent_fd,
                child_fd: FIRST_SOCKET,
            }])?;
        }
        command
            .spawn()
            .with_context(|| format!("cannot run `{}`", self.path.display()))
    }

    /// The running process, no longer this program's: a new one can be started beside it.
    pub fn release(&mut self) -> Option<Process> {
        self.due = Instant::now();
        self.process.take()
    }

    /// Connections that come from here on are refused as soon as the last router has closed its copy.
    pub fn close_socket(&mut self) {
        self.socket = None;
    }
}

impl Process {
    pub fn terminate(&self) {
        // An id only while it has not been waited for, so it cannot be another's.
        if let Some(pid) = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()))
            && let Err(error) = kill_process(pid, Signal::TERM)
        {
            tracing::warn!(%error, "cannot terminate process {pid:?}");
        }
    }

    /// Waits for one that was told to end, and kills it when it takes too long.
    pub async fn wait(mut self) {
        if tokio::time::timeout(GRACE, self.child.wait()).await.is_err() {
            tracing::warn!(
                pid = self.child.id(),
                "did not end within {} s; killing it",
                GRACE.as_secs()
            );
            if let Err(error) = self.child.kill().await {
                tracing::warn!(%error, "cannot be killed");
            }
        }
    }
}
