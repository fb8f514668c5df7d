//! A router that is handed its listening socket by this test, as by systemd, and may be told what the supervisor would not
//! pass on: to give way to a successor, or what time it is.

use crate::host::{Host, router_binary};
use command_fds::{CommandFdExt as _, FdMapping};
use rustix::process::Signal;
use std::cell::Cell;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

pub struct Socket {
    /// Users queue in here while no router runs.
    _listener: TcpListener,
    first: u32,
    latest: Cell<u32>,
}

impl Socket {
    pub fn start(host: &mut Host, variables: &[(&str, String)]) -> Self {
        let listener = TcpListener::bind(host.listen).unwrap();
        let mut command = host.command(router_binary(), "router.log");
        let parent_fd = OwnedFd::from(listener.try_clone().unwrap());
        command
            .arg(host.path("host.json"))
            .env("LISTEN_FDS", "1")
            .env_remove("LISTEN_PID");
        command.envs(variables.iter().cloned());
        command.fd_mappings(vec![FdMapping { parent_fd, child_fd: 3 }]).unwrap();
        let first = host.start_router_by(&mut command);
        Self {
            _listener: listener,
            first,
            latest: Cell::new(first),
        }
    }

    pub fn router(&self) -> u32 {
        self.latest.get()
    }

    /// Whether the latest router has named another, which is then the latest.
    pub fn find_successor(&self, host: &Host) -> bool {
        let log = std::fs::read_to_string(host.path("router.log")).unwrap();
        let mut lines = log.lines().filter(|line| line.contains("\"handing over\""));
        let line: Option<serde_json::Value> = lines.next_back().and_then(|line| serde_json::from_str(line).ok());
        let named = line
            .and_then(|line| line["fields"]["pid"].as_u64())
            .map(|pid| pid as u32);
        named.is_some_and(|named| self.latest.replace(named) != named)
    }
}

/// Somebody may still have to take note of its end.
pub fn has_ended(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

impl Drop for Socket {
    fn drop(&mut self) {
        let latest = self.latest.get();
        // By its name, too: a process id may be another's by now.
        let command = std::fs::read_to_string(format!("/proc/{latest}/cmdline")).unwrap_or_default();
        if latest != self.first && command.contains("host.json") {
            crate::ground::signal(latest, Signal::KILL);
        }
    }
}
