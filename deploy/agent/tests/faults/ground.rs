//! A host with its supervisor, which holds the listening socket and starts the router again: while none runs, users queue.

use crate::host::{Host, release, router_binary};
use contract::{ImageConfig, Observed, ProcessRecord, SupervisorRecord, Weight};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

pub struct Ground {
    pub host: Host,
    supervisor: Child,
    /// What the supervisor runs: it starts whatever lies beside it.
    _programs: tempfile::TempDir,
}

impl Ground {
    pub async fn start() -> Self {
        Self::start_on(Host::lay_out(ImageConfig::default()).await).await
    }

    /// Version 1 has all traffic.
    pub async fn settled() -> Self {
        let mut ground = Self::start().await;
        ground.host.bring(ground.host.settled()).await;
        ground
    }

    /// Version 2 has this share.
    pub async fn on_trial(per_mille: u16) -> Self {
        let mut ground = Self::settled().await;
        ground.host.bring(ground.host.canary(per_mille, "well")).await;
        ground
    }

    /// A host that was laid out and configured.
    pub async fn start_on(mut host: Host) -> Self {
        host.start_agent();
        Self::without_agent(host)
    }

    pub fn without_agent(host: Host) -> Self {
        let programs = programs();
        let supervisor = host
            .command(&programs.path().join("supervisor"), "supervisor.log")
            .arg(host.path("host.json"))
            .spawn()
            .unwrap();
        Self {
            host,
            supervisor,
            _programs: programs,
        }
    }

    fn record(&self) -> Option<SupervisorRecord> {
        serde_json::from_slice(&std::fs::read(self.host.path("supervisor.json")).ok()?).ok()
    }

    pub fn router(&self) -> Option<ProcessRecord> {
        self.record()?.router.filter(is_running)
    }

    /// Returns once the supervisor has started the next one.
    pub async fn kill_router(&self) {
        let router = self.router().expect("a router runs");
        signal(router.pid, Signal::KILL);
        eventually("a new router runs", || self.router().is_some_and(|now| now != router)).await;
    }

    /// By whatever binary lies there now; returns once the old one has answered what it had in hand, and ended.
    pub async fn replace_router(&self) {
        let before = self.host.observed().await.and_then(|seen| epoch(&seen));
        let router = self.router().expect("a router runs");
        self.begin_replacing_router();
        eventually("the old router is gone", || !is_running(&router)).await;
        self.host
            .sees("the new router is known", |seen| epoch(seen) > before)
            .await;
    }

    pub fn begin_replacing_router(&self) {
        signal(self.supervisor.id(), Signal::HUP);
    }

    pub fn router_log(&self) -> String {
        std::fs::read_to_string(self.host.path("router.log")).unwrap_or_default()
    }

    pub async fn router_logs(&self, words: &str) {
        eventually(words, || self.router_log().contains(words)).await;
    }

    /// How many keys were written to a version's container, and how often in all.
    pub async fn written(&self, n: u64) -> (u64, u64) {
        let (_, text) = self.host.tell(n, "/written").await.expect("the version answers");
        let (keys, times) = text.split_once(' ').unwrap();
        (keys.parse().unwrap(), times.parse().unwrap())
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // First, so that it starts nothing again; a router without it drains for longer than anybody here waits.
        self.supervisor.kill().unwrap();
        self.supervisor.wait().unwrap();
        let record = self.record();
        let others = record.into_iter().flat_map(|record| [record.router, record.agent]);
        for process in others.flatten().filter(is_running) {
            signal(process.pid, Signal::KILL);
        }
    }
}

/// What each version has of the traffic; 0 for what is not there.
pub fn weights(seen: &Observed) -> (u16, u16) {
    let weight = |n| seen.version(release(n)).map_or(Weight::NONE, |version| version.weight);
    (weight(1).as_per_mille(), weight(2).as_per_mille())
}

/// Version 1 has all traffic, and nothing else is here.
pub fn is_back(seen: &Observed) -> bool {
    weights(seen) == (1000, 0) && seen.versions.len() == 1
}

pub fn epoch(seen: &Observed) -> Option<u64> {
    seen.router.as_ref().map(|router| router.epoch)
}

pub fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

fn is_running(process: &ProcessRecord) -> bool {
    machine::start_time(process.pid) == Some(process.start_time)
}

pub async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Supervisor and router as they were built; for the agent, which a test runs and kills by itself, a stand-in that does
/// nothing.
fn programs() -> tempfile::TempDir {
    // On the file system that the binaries lie on, so that they can be linked.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for program in [supervisor_binary(), router_binary()] {
        std::fs::hard_link(program, folder.path().join(program.file_name().unwrap())).unwrap();
    }
    let agent = folder.path().join("agent");
    std::fs::write(&agent, "#!/bin/sh\nexec sleep 3600\n").unwrap();
    std::fs::set_permissions(&agent, PermissionsExt::from_mode(0o755)).unwrap();
    folder
}

fn supervisor_binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "supervisor"]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "the supervisor does not build");
        Path::new(env!("CARGO_BIN_EXE_agent")).with_file_name("supervisor")
    })
}
