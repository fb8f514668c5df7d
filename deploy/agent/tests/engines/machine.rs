//! A host as it is in production: a machine of its own with an engine, a supervisor, a router and an agent.

use crate::bucket::{ACCESS_KEY, SECRET_KEY};
use crate::client::Client;
use crate::engine::Engine;
use crate::host_json::{Setup, Surroundings, host_json};
use crate::namespace::{Namespace, OWN};
use crate::network::Network;
use crate::programs;
use crate::versions::host_name;
use crate::wait::{PATIENCE, soon};
use contract::{HostName, ReleaseId, RouterStatus, SupervisorRecord};
use docker::Docker;
use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Child;

pub struct Machine {
    pub host: HostName,
    pub listen: SocketAddr,
    namespace: Namespace,
    pub engine: Engine,
    supervisor: Option<Child>,
    folder: tempfile::TempDir,
}

/// A container, and what its router makes of it, to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    pub id: String,
    pub running: bool,
    pub port: Option<String>,
    pub release: String,
    pub weight: Option<u16>,
}

impl Machine {
    pub async fn start(network: &Network, number: u8, setup: Setup, around: &Surroundings) -> Self {
        let namespace = Namespace::make(network, number, setup.data_mb).await;
        let mut engine = Engine::new(&namespace, &network.all(), setup.live_restore);
        engine.start(&namespace).await;
        // On the file system that the programs lie on, so that they can be linked.
        let prefix = format!("{}-", namespace.name());
        let folder = tempfile::Builder::new()
            .prefix(&prefix)
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let mut machine = Self {
            host: host_name(number),
            listen: SocketAddr::new(namespace.address, 8080),
            namespace,
            engine,
            supervisor: None,
            folder: folder.unwrap(),
        };
        machine.lay_out(setup, around);
        machine.start_supervisor();
        soon(PATIENCE, "the router answers", async || {
            machine.router().await.is_some()
        })
        .await;
        machine
    }

    fn lay_out(&self, setup: Setup, around: &Surroundings) {
        let config = host_json(&self.host, self.listen, setup, around);
        std::fs::write(self.file("host.json"), serde_json::to_vec(&config).unwrap()).unwrap();
        std::fs::write(self.file("keys.json"), serde_json::to_vec(&around.keys).unwrap()).unwrap();
        for program in ["supervisor", "router", "agent"] {
            self.link(program);
        }
    }

    fn link(&self, program: &str) {
        std::fs::hard_link(programs::built(program), self.file(program)).unwrap();
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start_supervisor(&mut self) {
        let mut log = File::options();
        let log = log.create(true).append(true).open(self.file("supervisor.log")).unwrap();
        let mut command = self.namespace.command(self.file("supervisor").to_str().unwrap());
        command.arg(self.file("host.json")).stderr(log);
        command.env("DOCKER_HOST", format!("unix://{OWN}/docker.sock"));
        command
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        self.supervisor = Some(command.spawn().unwrap());
    }

    /// What its supervisor says runs there, as processes of that machine.
    pub fn record(&self) -> Option<SupervisorRecord> {
        serde_json::from_slice(&std::fs::read(self.file("supervisor.json")).ok()?).ok()
    }

    /// Killed, and nobody finds its program to start it again.
    pub async fn lose_agent(&self) {
        std::fs::remove_file(self.file("agent")).unwrap();
        let process = self.record().and_then(|record| record.agent).unwrap();
        self.namespace.signal(process.pid, "KILL");
        soon(PATIENCE, "the agent is dead", async || {
            !self.namespace.is_running(process.pid)
        })
        .await;
    }

    /// The supervisor finds it when it tries next.
    pub fn return_agent(&self) {
        self.link("agent");
    }

    /// As a machine that is taken out of service.
    pub fn tell_to_end(&self) {
        self.namespace.signal(self.record().unwrap().supervisor.pid, "TERM");
    }

    pub fn has_ended(&mut self) -> bool {
        self.supervisor
            .as_mut()
            .is_none_or(|child| matches!(child.try_wait(), Ok(Some(_))))
    }

    pub fn cut_off(&self, port: u16) {
        self.namespace.cut_off(port);
    }

    pub fn heal(&self, port: u16) {
        self.namespace.heal(port);
    }

    pub async fn end_engine(&mut self, signal: &str) {
        self.engine.end(&self.namespace, signal).await;
    }

    pub async fn start_engine(&mut self) {
        self.engine.start(&self.namespace).await;
    }

    /// In its engine's disk.
    pub fn data(&self, name: &str) -> PathBuf {
        self.namespace.path("data").join(name)
    }

    pub async fn docker(&self) -> Option<Docker> {
        self.engine.connect(&self.namespace).await
    }

    pub async fn router(&self) -> Option<RouterStatus> {
        let stream = tokio::net::UnixStream::connect(self.file("router.sock")).await.ok()?;
        let answer = Client::on(stream).await.ok()?.ask("GET", "/status").await.ok()?;
        serde_json::from_str(&answer.body).ok()
    }

    /// Which release has which share in the router, per mille.
    pub async fn weights(&self) -> BTreeMap<ReleaseId, u16> {
        let versions = self.router().await.into_iter().flat_map(|router| router.versions);
        let weights = versions.map(|version| (version.release, version.weight.as_per_mille()));
        weights.filter(|(_, weight)| *weight > 0).collect()
    }

    /// Asked of router and engine, so that it needs neither agent nor channel.
    pub async fn serving(&self) -> Vec<Serving> {
        let weights = self.weights().await;
        let Some(docker) = self.docker().await else {
            return Vec::new();
        };
        let found = docker
            .list(&[("xtask.host", self.host.as_str())])
            .await
            .unwrap_or_default();
        let mut serving: Vec<Serving> = found
            .into_iter()
            .map(|found| {
                let release = found.labels.get("xtask.release").cloned().unwrap_or_default();
                let weight = ReleaseId::parse(&release)
                    .ok()
                    .and_then(|release| weights.get(&release));
                Serving {
                    id: found.id,
                    running: found.running,
                    port: found.labels.get("xtask.port").cloned(),
                    weight: weight.copied(),
                    release,
                }
            })
            .collect();
        serving.sort_by(|a, b| a.release.cmp(&b.release));
        serving
    }

    /// This release has all the traffic, and nothing else runs.
    pub async fn is_alone(&self, release: ReleaseId) -> bool {
        let serving = self.serving().await;
        let own = |found: &Serving| found.release == release.to_string() && found.running && found.weight == Some(1000);
        serving.len() == 1 && own(&serving[0])
    }

    /// What all its programs have printed lately.
    pub fn said(&self) -> String {
        let mut said = format!("{}:\n", self.host);
        for path in [
            self.file("supervisor.log"),
            self.file("agent.log"),
            self.file("router.log"),
        ] {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let last = &lines[lines.len().saturating_sub(25)..];
            said += &format!("--- {}\n{}\n", path.file_name().unwrap().display(), last.join("\n"));
        }
        said
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.said());
        }
    }
}
