//! A router process in a folder of its own, with a socket that outlives it, as under a supervisor.

use crate::backend::Backend;
use crate::client::{self, Reply};
use command_fds::{CommandFdExt, FdMapping};
use contract::{Generation, ReleaseId, Replica, Role, RolloutId, RouterStatus, Table, TableLease, Weight};
use serde_json::json;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

pub struct Router {
    pub dir: tempfile::TempDir,
    pub address: SocketAddr,
    socket: std::net::TcpListener,
    child: Child,
}

impl Router {
    pub async fn start() -> Self {
        Self::told(|_| json!({})).await
    }

    /// Told this under `router` in its configuration, in the folder given.
    pub async fn told(router: impl FnOnce(&Path) -> serde_json::Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let router = router(dir.path());
        Self::start_in(dir, router, &[]).await
    }

    /// With these environment variables besides.
    pub async fn start_in(dir: tempfile::TempDir, told: serde_json::Value, environment: &[(&str, &str)]) -> Self {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let mut config: serde_json::Value = serde_json::from_str(&host_json(address)).unwrap();
        config["router"] = told;
        std::fs::write(dir.path().join("host.json"), config.to_string()).unwrap();
        let child = spawn(&dir, &socket, environment);
        let router = Self {
            dir,
            address,
            socket,
            child,
        };
        router.wait_until_it_answers().await;
        router
    }

    /// With one ready backend that has all the traffic.
    pub async fn serving(backend: &Backend) -> Self {
        Self::start().await.with(backend).await
    }

    pub async fn with(self, backend: &Backend) -> Self {
        self.put(&table(1, &[(backend, 1000)])).await.expect_status(200);
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub async fn put(&self, table: &Table) -> Reply {
        self.admin("PUT", "/table", &serde_json::to_vec(table).unwrap()).await
    }

    pub async fn admin(&self, method: &str, path: &str, body: &[u8]) -> Reply {
        let stream = tokio::net::UnixStream::connect(self.path("admin.sock")).await.unwrap();
        client::request_on(stream, method, path, &[], body.to_vec())
            .await
            .unwrap()
    }

    pub async fn status(&self) -> RouterStatus {
        serde_json::from_slice(&self.admin("GET", "/status", b"").await.expect_status(200).body).unwrap()
    }

    pub async fn get(&self, path: &str) -> Reply {
        client::get(self.address, path, &[]).await
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    pub fn terminate(&self) {
        let pid = rustix::process::Pid::from_raw(self.child.id().unwrap() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    pub async fn wait(&mut self) -> std::process::ExitStatus {
        tokio::time::timeout(Duration::from_secs(40), self.child.wait())
            .await
            .expect("the router does not end")
            .unwrap()
    }

    /// A second process on the same socket and folder; returns the first.
    pub fn start_successor(&mut self) -> Child {
        let successor = spawn(&self.dir, &self.socket, &[]);
        std::mem::replace(&mut self.child, successor)
    }

    pub async fn wait_until_it_answers(&self) {
        eventually("the router's admin socket answers", async || {
            tokio::net::UnixStream::connect(self.path("admin.sock")).await.is_ok()
        })
        .await;
    }
}

pub fn host_json(listen: SocketAddr) -> String {
    format!(
        r#"{{"contract": 1, "app": "shop", "environment": "staging", "host": "one", "listen": "{listen}",
            "admin_socket": "admin.sock", "router_state": "router.json", "channel": {{"directory": "channel"}},
            "poll_interval_ms": 1000, "trusted_keys": "keys.json", "secrets_dir": "secrets",
            "containers": {{"network": null, "ports": {{"first": 1, "count": 1}}, "labels": {{}}}}}}"#
    )
}

/// With the configuration in its folder, and in the folders in there where several apps share the socket.
fn spawn(dir: &tempfile::TempDir, socket: &std::net::TcpListener, environment: &[(&str, &str)]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_router"));
    let parent_fd = OwnedFd::from(socket.try_clone().unwrap());
    let others = std::fs::read_dir(dir.path()).unwrap();
    let others = others.map(|entry| entry.unwrap().path().join("host.json"));
    command
        .arg(dir.path().join("host.json"))
        .args(others.filter(|path| path.exists()))
        .env("LISTEN_FDS", "1")
        .env_remove("LISTEN_PID")
        .envs(environment.iter().copied())
        .kill_on_drop(true);
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(dir.path().join("router.log"))
        .unwrap();
    command
        .stderr(log)
        .fd_mappings(vec![FdMapping { parent_fd, child_fd: 3 }])
        .unwrap();
    command.spawn().unwrap()
}

/// The first backend is the stable one.
pub fn table(generation: u64, backends: &[(&Backend, u16)]) -> Table {
    let backends = backends
        .iter()
        .enumerate()
        .map(|(index, (backend, weight))| contract::Backend {
            release: backend.release,
            role: if index == 0 { Role::Stable } else { Role::Candidate },
            weight: Weight::per_mille(*weight).unwrap(),
            replicas: vec![Replica {
                address: backend.address,
                ready: true,
            }],
        });
    Table {
        generation: Generation(generation),
        backends: backends.collect(),
        lease: None,
        shield: false,
    }
}

pub fn with_lease(table: Table, rollout: u64, ttl_ms: u64) -> Table {
    Table {
        lease: Some(TableLease {
            rollout: RolloutId::from_parts(rollout, 0),
            ttl_ms,
        }),
        ..table
    }
}

pub fn release(number: u64) -> ReleaseId {
    ReleaseId::from_parts(number, 0)
}

/// Polls until it holds, for at most ten seconds.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
