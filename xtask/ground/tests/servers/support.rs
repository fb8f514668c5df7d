//! Starting a ground in a folder of its own.

use contract::{BalancerConfig, BucketConfig, BucketGuest, EdgeConfig, EnvironmentName, GroundConfig, RegistryConfig};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

pub const BUCKET: &str = "site-files";
const DEADLINE: Duration = Duration::from_secs(20);

pub struct Ground {
    pub config: GroundConfig,
    dir: tempfile::TempDir,
    child: Child,
}

impl Ground {
    pub fn start() -> Self {
        Self::with_hosts(&[])
    }

    /// Production has these hosts.
    pub fn with_hosts(hosts: &[SocketAddr]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        Self::of(dir, config(hosts))
    }

    /// Besides the ground itself, whoever has these keys may use this bucket.
    pub fn with_guest(bucket: &str, access_key: &str, secret_key: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (dir, mut config) = (tempfile::tempdir().unwrap(), config(&[]));
        std::fs::write(dir.path().join("access"), access_key).unwrap();
        std::fs::write(dir.path().join("secret"), format!("{secret_key}\n")).unwrap();
        config.bucket.guests.push(BucketGuest {
            bucket: bucket.into(),
            access_key: "access".into(),
            secret_key: "secret".into(),
        });
        Self::of(dir, config)
    }

    fn of(dir: tempfile::TempDir, config: GroundConfig) -> Self {
        let child = spawn_until_ready(dir.path(), &config);
        Self { config, dir, child }
    }

    pub fn registry(&self) -> String {
        format!("http://{}", self.config.registry.listen[0])
    }

    pub fn site(&self) -> String {
        format!("http://{}", self.config.edge.site)
    }

    pub fn admin(&self) -> String {
        format!("http://{}", self.config.edge.admin)
    }

    pub fn production(&self) -> SocketAddr {
        self.config.edge.balancers[&production()].listen
    }

    pub fn s3(&self) -> aws_sdk_s3::Client {
        self.s3_access().client()
    }

    pub fn s3_access(&self) -> store::S3Access {
        let keys = std::fs::read_to_string(self.dir.path().join(&self.config.bucket.keys)).unwrap();
        let mut lines = keys.lines();
        self.access_as(lines.next().unwrap(), lines.next().unwrap())
    }

    pub fn s3_as(&self, access_key: &str, secret_key: &str) -> aws_sdk_s3::Client {
        self.access_as(access_key, secret_key).client()
    }

    fn access_as(&self, access_key: &str, secret_key: &str) -> store::S3Access {
        store::S3Access {
            region: "us-east-1".into(),
            endpoint: Some(format!("http://{}", self.config.bucket.listen[0])),
            keys: store::Keys::given(access_key, secret_key, None),
        }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory it ever held, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    pub fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    pub fn wait(&mut self) -> ExitStatus {
        poll("the ground to exit", || self.child.try_wait().unwrap())
    }

    pub fn restart(&mut self) {
        self.terminate();
        assert!(self.wait().success());
        self.child = spawn_until_ready(self.dir.path(), &self.config);
    }

    /// As a power loss would: nothing is finished.
    pub fn crash(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn_until_ready(self.dir.path(), &self.config);
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn production() -> EnvironmentName {
    EnvironmentName::parse("production").unwrap()
}

pub fn config(hosts: &[SocketAddr]) -> GroundConfig {
    let balancer = BalancerConfig {
        listen: free_address(),
        hosts: hosts.to_vec(),
        health_path: "/readyz".into(),
    };
    GroundConfig {
        registry: RegistryConfig {
            listen: vec![free_address()],
            dir: "data/registry".into(),
        },
        bucket: BucketConfig {
            listen: vec![free_address()],
            dir: "data/bucket".into(),
            buckets: vec![BUCKET.into()],
            keys: "keys".into(),
            guests: Vec::new(),
        },
        edge: EdgeConfig {
            site: free_address(),
            admin: free_address(),
            bucket: BUCKET.into(),
            entry: "index.html".into(),
            api_prefix: "/api/".into(),
            api_environment: production(),
            balancers: BTreeMap::from([(production(), balancer)]),
        },
    }
}

pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub fn spawn(dir: &Path, config: &GroundConfig) -> Child {
    std::fs::create_dir_all(dir.join("data")).unwrap();
    let path = dir.join("ground.json");
    std::fs::write(&path, serde_json::to_vec_pretty(config).unwrap()).unwrap();
    Command::new(env!("CARGO_BIN_EXE_ground"))
        .arg(path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn spawn_until_ready(dir: &Path, config: &GroundConfig) -> Child {
    let mut child = spawn(dir, config);
    // Reads end with the process, which is killed if the line does not come in time.
    let (ready, said) = std::sync::mpsc::channel();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = stdout.read_line(&mut line);
        let _ = ready.send(line);
    });
    let line = said.recv_timeout(DEADLINE).unwrap_or_default();
    if line != "ground ready\n" {
        let _ = child.kill();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        panic!("expected `ground ready`, found {line:?}; stderr: {said}");
    }
    let mut stderr = child.stderr.take().unwrap();
    std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::stderr()));
    child
}

pub fn poll<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(start.elapsed() < DEADLINE, "waited {} s for {what}", DEADLINE.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub async fn poll_async<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = attempt().await {
            return value;
        }
        assert!(start.elapsed() < DEADLINE, "waited {} s for {what}", DEADLINE.as_secs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Sends bytes as they are, which HTTP clients would tidy up, and returns the whole answer.
pub async fn raw(address: SocketAddr, request: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
