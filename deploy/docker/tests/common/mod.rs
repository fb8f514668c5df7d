//! A place for one test on the real engine: unique names, and everything made is removed, also when the test fails.

#![allow(dead_code, reason = "every test binary uses a part of this")]

use docker::{BuildOptions, ContainerSpec, Docker, Labels};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub struct Bench {
    pub docker: Docker,
    /// Starts every name made here.
    pub name: String,
    pub image: String,
}

impl Bench {
    pub async fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let docker = Docker::connect().await.unwrap();
        let name = format!(
            "xtask-test-docker-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let image = format!("{name}:probe");
        let options = BuildOptions {
            dockerfile: "Dockerfile".to_owned(),
            tag: image.clone(),
            labels: Self::labels(),
            ..Default::default()
        };
        // Unique from its first layer on: the engine loses track when one test removes what another's build found cached.
        let dockerfile = b"FROM scratch\nCOPY unique /unique\nCOPY probe /probe\nENTRYPOINT [\"/probe\"]\n";
        let context = tar_of(&[
            ("Dockerfile", dockerfile, 0o644),
            ("unique", name.as_bytes(), 0o644),
            ("probe", probe(), 0o755),
        ]);
        docker.build(context, options, |_| ()).await.image.unwrap();
        Self { docker, name, image }
    }

    pub fn labels() -> Labels {
        Labels::from([("xtask.test".to_owned(), "1".to_owned())])
    }

    /// A container of the probe with these arguments.
    pub fn spec(&self, suffix: &str, command: &[&str]) -> ContainerSpec {
        ContainerSpec {
            name: format!("{}-{suffix}", self.name),
            image: self.image.clone(),
            command: Some(command.iter().map(|arg| (*arg).to_owned()).collect()),
            labels: Self::labels(),
            ..Default::default()
        }
    }

    pub async fn run(&self, spec: &ContainerSpec) -> String {
        let id = self.docker.create(spec).await.unwrap();
        self.docker.start(&id).await.unwrap();
        id
    }

    pub async fn until_logged(&self, id: &str, line: &str) {
        let limit = Instant::now() + Duration::from_secs(20);
        while !self
            .docker
            .logs_tail(id, 10)
            .await
            .unwrap()
            .iter()
            .any(|found| found == line)
        {
            assert!(Instant::now() < limit, "container `{id}` never printed `{line}`");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn clean_up(&self) {
        for container in self.docker.list(&[("xtask.test", "1")]).await.unwrap() {
            if container.name.starts_with(&format!("{}-", self.name)) {
                self.docker.remove(&container.id).await.unwrap();
            }
        }
        self.docker.remove_network(&format!("{}-net", self.name)).await.unwrap();
        self.docker
            .remove_volume(&format!("{}-volume", self.name))
            .await
            .unwrap();
        self.docker.remove_image(&self.image).await.unwrap();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // A runtime of its own: the test's may be gone, and a drop cannot await.
        std::thread::scope(|scope| {
            scope.spawn(|| tokio::runtime::Runtime::new().unwrap().block_on(self.clean_up()));
        });
    }
}

/// A tar archive of these files: name, content, mode.
pub fn tar_of(files: &[(&str, &[u8], u32)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes, mode) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        archive.append_data(&mut header, name, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

/// A static binary, compiled once per test run.
pub fn probe() -> &'static [u8] {
    static PROBE: OnceLock<Vec<u8>> = OnceLock::new();
    PROBE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/common/probe.rs");
        let binary = dir.path().join("probe");
        let status = Command::new("rustc")
            .args([
                "--edition=2024",
                "-Ctarget-feature=+crt-static",
                "--target=x86_64-unknown-linux-gnu",
            ])
            .args(["-Cstrip=symbols", "-o"])
            .args([&binary, &source])
            .status();
        assert!(
            status.unwrap().success(),
            "rustc could not compile {}",
            source.display()
        );
        std::fs::read(binary).unwrap()
    })
}
