//! One host: a folder, a real router, a real agent, a channel in a directory, and somebody to publish to it.

use crate::http;
use crate::registry::Registry;
use channel::Channel;
use contract::{
    AppName, CONTRACT_VERSION, ChannelPlace, ContainerConfig, Cpus, Desired, Drain, Envelope, EnvironmentName,
    Fallback, Generation, HealthGate, HostConfig, HostName, ImageConfig, Keep, KeySet, Observed, PortRange, ReleaseId,
    Replicas, RolloutId, RouterConfig, SecretName, SecretRef, SecretsPlace, SigningKey, Task, TaskId, Version, Weight,
};
use docker::{ContainerSummary, Docker};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use store::Revision;

pub const SECRET: &str = "correct horse battery staple";
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Host {
    pub docker: Docker,
    pub registry: Registry,
    pub channel: Channel,
    pub listen: SocketAddr,
    pub key: SigningKey,
    /// The key set that documents name.
    pub keys: u32,
    images: ImageConfig,
    name: String,
    dir: tempfile::TempDir,
    revision: Option<Revision>,
    generation: u64,
    /// Unlike any other test's: the engine knows a task's container by it.
    task: TaskId,
    agent: Option<Child>,
    router: Option<Child>,
}

impl Host {
    /// Router and agent run, nothing is desired yet.
    pub async fn start() -> Self {
        Self::start_with(ImageConfig::default()).await
    }

    pub async fn start_with(images: ImageConfig) -> Self {
        let mut host = Self::lay_out(images).await;
        host.start_router();
        host.start_agent();
        host
    }

    /// Nothing runs yet.
    pub async fn lay_out(images: ImageConfig) -> Self {
        static COUNT: AtomicU16 = AtomicU16::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("agent-test-{}-{count}", std::process::id());
        // Short: it holds a unix socket.
        let dir = tempfile::tempdir().unwrap();
        let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let channel = Channel::directory(dir.path().join("channel"), &app(), &environment());
        let host = Self {
            docker: Docker::connect().await.unwrap(),
            registry: Registry::start(&name).await,
            channel,
            listen,
            key: SigningKey::from_seed([7; 32]),
            keys: 1,
            images,
            name,
            dir,
            revision: None,
            generation: 0,
            task: TaskId::from_parts(1, u128::from(std::process::id()) << 16 | u128::from(count)),
            agent: None,
            router: None,
        };
        host.write_config(count);
        host
    }

    fn write_config(&self, count: u16) {
        let config = HostConfig {
            contract: CONTRACT_VERSION,
            app: app(),
            environment: environment(),
            host: host_name(),
            listen: self.listen,
            admin_socket: "router.sock".into(),
            router_state: "router-state.json".into(),
            agent_state: "agent".into(),
            channel: ChannelPlace::Directory("channel".into()),
            poll_interval_ms: 50,
            trusted_keys: "keys.json".into(),
            secrets: SecretsPlace::Directory("secrets".into()),
            containers: ContainerConfig {
                network: None,
                // Below the ports that the system gives out by itself.
                hosts: BTreeMap::new(),
                ports: PortRange {
                    first: 22_000 + (std::process::id() % 400) as u16 * 20 + count % 20 * 8,
                    count: 8,
                },
                labels: [("xtask.test", "1"), ("xtask.test.host", &self.name)]
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
            },
            router: RouterConfig::default(),
            images: self.images,
        };
        let keys = KeySet {
            version: 1,
            keys: vec![self.key.public()],
        };
        std::fs::write(self.path("host.json"), serde_json::to_vec(&config).unwrap()).unwrap();
        std::fs::write(self.path("keys.json"), serde_json::to_vec(&keys).unwrap()).unwrap();
        std::fs::create_dir(self.path("secrets")).unwrap();
        self.write_secret(0o600);
    }

    pub fn write_secret(&self, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path("secrets/DB_PASSWORD@1");
        std::fs::write(&path, format!("{SECRET}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The agent is another one, which is told this of images.
    pub fn restart_with(&mut self, images: ImageConfig) {
        self.restart_as(|config| config.images = images);
    }

    pub fn poll_every(&mut self, poll_interval_ms: u64) {
        self.restart_as(|config| config.poll_interval_ms = poll_interval_ms);
    }

    fn restart_as(&mut self, change: impl FnOnce(&mut HostConfig)) {
        self.kill_agent();
        self.configure("host.json", change);
        self.start_agent();
    }

    /// Writes `host.json` with this change under a name.
    pub fn configure(&self, name: &str, change: impl FnOnce(&mut HostConfig)) {
        let text = std::fs::read(self.path("host.json")).unwrap();
        let mut config: HostConfig = serde_json::from_slice(&text).unwrap();
        change(&mut config);
        std::fs::write(self.path(name), serde_json::to_vec(&config).unwrap()).unwrap();
    }

    /// Its processes' names and ids.
    pub fn programs(&self) -> [(&'static str, u32); 2] {
        [("agent", &self.agent), ("router", &self.router)].map(|(name, child)| (name, child.as_ref().unwrap().id()))
    }

    // Its processes.

    pub fn start_agent(&mut self) {
        self.start_agent_told("host.json", &[]);
    }

    /// By this configuration, with these variables besides.
    pub fn start_agent_told(&mut self, config: &str, variables: &[(&str, String)]) {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_agent")), "agent.log");
        command.arg(self.path(config)).envs(variables.iter().cloned());
        self.agent = Some(command.spawn().unwrap());
    }

    pub fn start_router(&mut self) {
        let mut command = self.command(router_binary(), "router.log");
        self.start_router_by(command.arg(self.path("host.json")));
    }

    /// Returns its process id.
    pub fn start_router_by(&mut self, command: &mut Command) -> u32 {
        self.router.insert(command.spawn().unwrap()).id()
    }

    /// What it says goes to this log.
    pub fn command(&self, program: &Path, log: &str) -> Command {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path(log))
            .unwrap();
        let mut command = Command::new(program);
        command.stderr(log);
        command
    }

    pub fn kill_agent(&mut self) {
        kill(self.agent.take());
    }

    pub fn kill_router(&mut self) {
        kill(self.router.take());
    }

    /// How long it took to end.
    pub fn terminate_agent(&mut self) -> Duration {
        let mut agent = self.agent.take().unwrap();
        let since = Instant::now();
        kill_process(Pid::from_child(&agent), Signal::TERM).unwrap();
        assert!(agent.wait().unwrap().success());
        since.elapsed()
    }

    pub fn agent_log(&self) -> String {
        std::fs::read_to_string(self.path("agent.log")).unwrap_or_default()
    }

    // What it is told.

    /// Version `n`, in a container that behaves like this.
    pub fn version(&self, n: u64, behave: &str) -> Version {
        Version {
            release: release(n),
            commit: format!("commit-{n}"),
            image: self.registry.image(n),
            image_bytes: None,
            port: 8080,
            env: BTreeMap::from([("BEHAVE".to_owned(), behave.to_owned())]),
            secrets: vec![SecretRef {
                name: SecretName::parse("DB_PASSWORD").unwrap(),
                version: 1,
            }],
            replicas: Replicas::ONE,
            memory_mb: Some(64),
            cpus: Cpus::milli(500),
        }
    }

    /// Version 1 alone, in rollout 1.
    pub fn settled(&self) -> Desired {
        Desired {
            contract: CONTRACT_VERSION,
            app: app(),
            environment: environment(),
            generation: Generation(0),
            rollout: rollout(1),
            issued_at: "2025-01-02T03:04:05Z".parse().unwrap(),
            keys: self.keys,
            hosts: vec![host_name()],
            release: Some(self.version(1, "well")),
            weight: Weight::ALL,
            fallback: None,
            shield: true,
            gate: HealthGate {
                live_path: "/healthz".to_owned(),
                ready_path: "/readyz".to_owned(),
                interval_ms: 100,
                timeout_ms: 1_000,
                passes: 2,
                deadline_ms: 4_000,
            },
            drain: Drain {
                requests_ms: 5_000,
                stop_ms: 500,
            },
            lease_ttl_ms: None,
            task: None,
        }
    }

    /// Version 2 with this share and behaviour, version 1 warm beside it, in rollout 2.
    pub fn canary(&self, per_mille: u16, behave: &str) -> Desired {
        Desired {
            rollout: rollout(2),
            release: Some(self.version(2, behave)),
            weight: Weight::per_mille(per_mille).unwrap(),
            fallback: Some(Fallback {
                version: self.version(1, "well"),
                keep: Keep::Warm,
            }),
            lease_ttl_ms: Some(60_000),
            ..self.settled()
        }
    }

    /// Version 2 alone, version 1 pinned.
    pub fn promoted(&self) -> Desired {
        let fallback = Some(Fallback {
            version: self.version(1, "well"),
            keep: Keep::Pinned,
        });
        Desired {
            weight: Weight::ALL,
            fallback,
            lease_ttl_ms: None,
            ..self.canary(1000, "well")
        }
    }

    /// Version 3 alone, version 2 pinned, in rollout 3.
    pub fn third(&self) -> Desired {
        let fallback = Some(Fallback {
            version: self.version(2, "well"),
            keep: Keep::Pinned,
        });
        Desired {
            rollout: rollout(3),
            release: Some(self.version(3, "well")),
            fallback,
            ..self.settled()
        }
    }

    pub fn with_task(&self, command: &[&str], timeout_ms: u64) -> Desired {
        let task = Task {
            id: self.task,
            host: host_name(),
            version: self.version(2, "well"),
            command: command.iter().map(|part| (*part).to_owned()).collect(),
            timeout_ms,
        };
        Desired {
            rollout: rollout(2),
            task: Some(task),
            ..self.settled()
        }
    }

    /// Publishes as the next generation, and returns that.
    pub async fn publish(&mut self, desired: Desired) -> Generation {
        self.generation += 1;
        let generation = Generation(self.generation);
        let envelope = self.key.seal(&Desired { generation, ..desired }).unwrap();
        self.publish_sealed(&envelope).await;
        generation
    }

    pub async fn publish_sealed(&mut self, envelope: &Envelope) {
        self.revision = Some(self.channel.publish(envelope, self.revision.as_ref()).await.unwrap());
    }

    /// Publishes, and waits until the host has acknowledged it.
    pub async fn bring(&mut self, desired: Desired) -> Observed {
        let generation = self.publish(desired).await;
        self.sees("the generation is acknowledged", |seen| {
            let trouble = seen.failure.is_some() || seen.refused.is_some();
            assert!(
                !trouble || seen.accepted != generation,
                "{:#?} {:?}",
                seen.failure,
                seen.refused
            );
            seen.generation == generation
        })
        .await
    }

    // What it says and does.

    pub async fn observed(&self) -> Option<Observed> {
        self.channel.read_observed().await.unwrap().remove(&host_name())
    }

    /// The first report of which this holds.
    pub async fn sees(&self, what: &str, mut holds: impl FnMut(&Observed) -> bool) -> Observed {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = self.observed().await;
            if let Some(seen) = seen.clone().filter(|seen| holds(seen)) {
                return seen;
            }
            assert!(
                Instant::now() < deadline,
                "not within {PATIENCE:?}: {what}\n{seen:#?}\n{}",
                self.agent_log()
            );
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// The failure of rollout 2.
    pub async fn sees_failure(&self) -> contract::Failure {
        let seen = self.sees("a failure is reported", |seen| seen.failure.is_some()).await;
        let failure = seen.failure.unwrap();
        assert_eq!(failure.rollout, rollout(2));
        failure
    }

    /// Which release answers through the router.
    pub async fn serves(&self) -> String {
        let (status, body) = http::get(self.listen, "/version").await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// While a container comes back, the router may find nobody ready.
    pub async fn eventually_serves(&self, n: u64) {
        let deadline = Instant::now() + PATIENCE;
        while http::try_get(self.listen, "/version").await != Some((200, release(n).to_string())) {
            assert!(
                Instant::now() < deadline,
                "version {n} is not served\n{}",
                self.agent_log()
            );
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Asks a version's container itself.
    pub async fn tell(&self, n: u64, path: &str) -> Option<(u16, String)> {
        let seen = self.observed().await.unwrap();
        let address = seen.version(release(n)).unwrap().replicas[0].address;
        http::try_get(address, path).await
    }

    pub async fn containers(&self) -> Vec<ContainerSummary> {
        self.docker.list(&[("xtask.test.host", &self.name)]).await.unwrap()
    }

    /// The containers of version `n`, as ids.
    pub async fn of_version(&self, n: u64) -> Vec<String> {
        let release = release(n).to_string();
        let own = self.containers().await.into_iter();
        own.filter(|found| found.labels.get("xtask.release") == Some(&release))
            .map(|found| found.id)
            .collect()
    }

    pub async fn sees_containers(&self, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.containers().await.len() != count {
            assert!(
                Instant::now() < deadline,
                "not {count} containers\n{}",
                self.agent_log()
            );
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    pub async fn eventually_has_image(&self, n: u64, wanted: bool) {
        let image = self.registry.image(n).to_string();
        let deadline = Instant::now() + PATIENCE;
        while self.docker.has_image(&image).await.unwrap() != wanted {
            assert!(
                Instant::now() < deadline,
                "image {n}: expected {wanted}\n{}",
                self.agent_log()
            );
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    pub async fn eventually_prints(&self, id: &str) {
        let deadline = Instant::now() + PATIENCE;
        // The engine lists a container a moment before it knows its log.
        let prints = async || self.docker.logs_tail(id, 1).await.is_ok_and(|lines| !lines.is_empty());
        while !prints().await {
            assert!(Instant::now() < deadline, "`{id}` prints nothing\n{}", self.agent_log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn eventually_logs(&self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.agent_log().contains(words) {
            assert!(Instant::now() < deadline, "`{words}` is not in\n{}", self.agent_log());
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    async fn clean_up(&self) {
        for container in self.containers().await {
            self.docker.remove(&container.id).await.unwrap();
        }
        for image in self.registry.images() {
            self.docker.remove_image(&image.to_string()).await.unwrap();
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill_agent();
        self.kill_router();
        // A runtime of its own: the test's may be gone, and a drop cannot await.
        std::thread::scope(|scope| {
            scope.spawn(|| tokio::runtime::Runtime::new().unwrap().block_on(self.clean_up()));
        });
    }
}

fn kill(child: Option<Child>) {
    if let Some(mut child) = child {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

pub fn app() -> AppName {
    AppName::parse("shop").unwrap()
}

pub fn environment() -> EnvironmentName {
    EnvironmentName::parse("staging").unwrap()
}

pub fn host_name() -> HostName {
    HostName::parse("host-1").unwrap()
}

pub fn release(n: u64) -> ReleaseId {
    ReleaseId::from_parts(n, 0)
}

pub fn rollout(n: u64) -> RolloutId {
    RolloutId::from_parts(n, 0)
}

/// Cargo gives a test its own package's programs only.
pub fn router_binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "router"]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "the router does not build");
        Path::new(env!("CARGO_BIN_EXE_agent")).with_file_name("router")
    })
}
