//! How a router is replaced by whatever binary lies there now, while it serves: SIGUSR2 (`systemctl reload`).
//!
//! The successor is started by the router itself, with the same listening socket, and waits for the state file. Once it
//! has that it accepts, answers the agent, and tells systemd that it serves; the old router has named it to systemd as
//! the service's main process, answers what it has in hand, and ends. Connections that come in between wait in the socket's queue, for milliseconds.

use anyhow::{Context, Result, bail};
use command_fds::{CommandFdExt, FdMapping};
use host::{Given, notify};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Reading a file and leaving takes milliseconds.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
const CHECK_PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub struct Successor {
    program: PathBuf,
    configs: Vec<PathBuf>,
    socket: TcpListener,
}

impl Successor {
    pub fn prepare(hosts: &[Given], socket: &TcpListener) -> Result<Self> {
        Ok(Self {
            // Looked up once: after an upgrade in place, the kernel calls our own binary deleted.
            program: std::env::current_exe().context("cannot tell where this program lies")?,
            configs: hosts.iter().map(|host| host.path.clone()).collect(),
            socket: socket.try_clone().context("cannot copy the listening socket")?,
        })
    }

    /// Starts it, if it could begin at all: this router must not give way to a file that is no program of this machine,
    /// or that does not understand the configuration.
    pub fn start(&self) -> Result<()> {
        self.check()?;
        let mut command = Command::new(&self.program);
        // The socket is not under that process id's name, and neither is the watchdog.
        command
            .args(&self.configs)
            .env("LISTEN_FDS", "1")
            .env_remove("LISTEN_PID")
            .env_remove("WATCHDOG_PID")
            .stdin(Stdio::null());
        let parent_fd = OwnedFd::from(self.socket.try_clone().context("cannot copy the listening socket")?);
        command.fd_mappings(vec![FdMapping { parent_fd, child_fd: 3 }])?;
        let child = command.spawn();
        let child = child.with_context(|| format!("cannot run `{}`", self.program.display()))?;
        // Before this router ends, which with nothing in hand is at once.
        notify::succeeded_by(child.id());
        tracing::info!(pid = child.id(), "handing over");
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let name = self.program.display();
        let mut command = Command::new(&self.program);
        command.arg("--check").args(&self.configs).stdin(Stdio::null());
        let mut child = command.spawn().with_context(|| format!("cannot run `{name}`"))?;
        let deadline = Instant::now() + CHECK_TIMEOUT;
        loop {
            match child.try_wait().with_context(|| format!("cannot wait for `{name}`"))? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("`{name} --check` ended with {status}; what it said is above"),
                None if Instant::now() < deadline => std::thread::sleep(CHECK_PAUSE),
                None => {
                    child.kill().and_then(|()| child.wait()).context("cannot end it")?;
                    bail!("`{name} --check` did not end within {} s", CHECK_TIMEOUT.as_secs());
                }
            }
        }
    }
}
