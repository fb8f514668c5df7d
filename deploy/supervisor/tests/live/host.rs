//! A host's folder, its programs and its processes.

use crate::http::Client;
use contract::{
    Backend, Generation, ProcessRecord, ReleaseId, Replica, Role, RouterStatus, SupervisorRecord, Table, Weight,
};
use rustix::process::{Pid, Signal, kill_process};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

pub struct Host {
    pub listen: SocketAddr,
    dir: tempfile::TempDir,
    supervisor: Option<Child>,
}

impl Host {
    /// A supervisor that keeps a router and a stand-in for the agent running.
    pub async fn start() -> Self {
        let mut host = Self::lay_out();
        host.start_supervisor();
        eventually("router and agent run", async || {
            host.record()
                .is_some_and(|record| record.router.is_some() && record.agent.is_some())
                && host.router_status().await.is_some()
        })
        .await;
        host
    }

    /// Nothing runs yet.
    pub fn lay_out() -> Self {
        // On the file system that the binaries lie on, so that they can be linked.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let listen = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        std::fs::write(dir.path().join("host.json"), host_json(listen)).unwrap();
        std::fs::hard_link(env!("CARGO_BIN_EXE_supervisor"), dir.path().join("supervisor")).unwrap();
        std::fs::hard_link(router_binary(), dir.path().join("router")).unwrap();
        let agent = dir.path().join("agent");
        std::fs::write(&agent, "#!/bin/sh\necho started\nexec sleep 600\n").unwrap();
        std::fs::set_permissions(&agent, PermissionsExt::from_mode(0o755)).unwrap();
        Self {
            listen,
            dir,
            supervisor: None,
        }
    }

    pub fn start_supervisor(&mut self) {
        self.supervisor = Some(self.supervisor_command().spawn().unwrap());
    }

    pub async fn start_another_supervisor(&self) -> Output {
        let mut command = self.supervisor_command();
        command.stderr(Stdio::piped());
        tokio::time::timeout(Duration::from_secs(10), command.output())
            .await
            .expect("it stays")
            .unwrap()
    }

    fn supervisor_command(&self) -> Command {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("supervisor.log"))
            .unwrap();
        let mut command = Command::new(self.path("supervisor"));
        command.arg(self.path("host.json")).stderr(log);
        command
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn record(&self) -> Option<SupervisorRecord> {
        serde_json::from_slice(&std::fs::read(self.path("supervisor.json")).ok()?).ok()
    }

    pub fn signal_supervisor(&self, signal: Signal) {
        let pid = self.supervisor.as_ref().and_then(Child::id).unwrap();
        kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
    }

    pub async fn supervisor_ends(&mut self) -> std::process::ExitStatus {
        let mut supervisor = self.supervisor.take().unwrap();
        tokio::time::timeout(Duration::from_secs(40), supervisor.wait())
            .await
            .expect("it does not end")
            .unwrap()
    }

    /// Gives one version all the traffic.
    pub async fn route_to(&self, address: SocketAddr) {
        let release = ReleaseId::from_parts(1, 0);
        let backend = Backend {
            release,
            role: Role::Stable,
            weight: Weight::ALL,
            replicas: vec![Replica { address, ready: true }],
        };
        let table = Table {
            generation: Generation(1),
            backends: vec![backend],
            lease: None,
            shield: false,
        };
        let stream = tokio::net::UnixStream::connect(self.path("admin.sock")).await.unwrap();
        let body = serde_json::to_vec(&table).unwrap().into();
        let (status, text, _) = Client::on(stream).await.send("PUT", "/table", body).await.unwrap();
        assert_eq!(status, 200, "{text:?}");
    }

    pub async fn router_status(&self) -> Option<RouterStatus> {
        let stream = tokio::net::UnixStream::connect(self.path("admin.sock")).await.ok()?;
        let (_, body, _) = Client::on(stream)
            .await
            .send("GET", "/status", Default::default())
            .await
            .ok()?;
        serde_json::from_slice(&body).ok()
    }
}

impl Drop for Host {
    /// Whatever a test left running, and only that.
    fn drop(&mut self) {
        let Some(record) = self.record() else { return };
        let still_ours = |process: &ProcessRecord| machine::start_time(process.pid) == Some(process.start_time);
        let processes = [Some(record.supervisor), record.agent, record.router];
        processes
            .into_iter()
            .flatten()
            .filter(still_ours)
            .for_each(|process| signal(process, Signal::KILL));
    }
}

pub fn signal(process: ProcessRecord, signal: Signal) {
    kill_process(Pid::from_raw(process.pid.cast_signed()).unwrap(), signal).unwrap();
}

pub fn is_running(process: ProcessRecord) -> bool {
    machine::start_time(process.pid) == Some(process.start_time)
}

/// Cargo builds only this package's programs for its tests.
fn router_binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut command = std::process::Command::new(env!("CARGO"));
        command.args(["build", "--quiet", "--package", "router"]);
        if !cfg!(debug_assertions) {
            command.arg("--release");
        }
        assert!(command.status().unwrap().success(), "the router does not build");
        Path::new(env!("CARGO_BIN_EXE_supervisor")).with_file_name("router")
    })
}

fn host_json(listen: SocketAddr) -> String {
    format!(
        r#"{{"contract": 1, "app": "shop", "environment": "staging", "host": "one", "listen": "{listen}",
            "admin_socket": "admin.sock", "router_state": "router.json", "channel": {{"directory": "channel"}},
            "poll_interval_ms": 1000, "trusted_keys": "keys.json", "secrets_dir": "secrets",
            "containers": {{"network": null, "ports": {{"first": 1, "count": 1}}, "labels": {{}}}}}}"#
    )
}

/// Polls until it holds, for at most fifteen seconds.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !holds().await {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
