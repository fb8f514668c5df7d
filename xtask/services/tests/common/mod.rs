//! A place for one test on the real engine. Everything made is removed, also when the test fails; only the database image
//! stays, because it takes long to build and others use it.

#![allow(dead_code, reason = "every test binary uses a part of this")]

use contract::SecretName;
use docker::{BuildOptions, Docker, Executed, Labels, Restart};
use pipeline::model::{Service, ServiceHealth};
use services::{Secret, ServiceImage, StartService};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Refuses connections, also on machines that reach real registries.
pub const NOWHERE: &str = "127.0.0.1:1/library/mysql:8.4";

pub struct Bench {
    pub docker: Docker,
    /// Starts every name made here.
    pub name: String,
    pub volume: String,
    images: Mutex<Vec<String>>,
}

impl Bench {
    pub async fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let docker = Docker::connect().await.unwrap();
        let name = format!(
            "xtask-test-services-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        docker.ensure_network(&name, &Self::labels()).await.unwrap();
        Self {
            docker,
            volume: format!("{name}-data"),
            name,
            images: Mutex::default(),
        }
    }

    pub fn labels() -> Labels {
        Labels::from([("xtask.test".to_owned(), "1".to_owned())])
    }

    /// The substitute, built if it is not there yet.
    pub async fn substitute(&self) -> ServiceImage {
        let service = service(NOWHERE);
        services::resolve_image(&self.docker, "db", &service, true, &mut |_| ())
            .await
            .unwrap()
    }

    pub fn order(&self, image: ServiceImage, spec: Service, password: &Secret) -> StartService {
        StartService {
            name: "db".to_owned(),
            container_name: format!("{}-db", self.name),
            network: self.name.clone(),
            image,
            spec,
            password: password.clone(),
            volume: None,
            labels: Self::labels(),
            restart: Restart::No,
        }
    }

    /// What the server answers to this account over the network, by the service's own host name.
    pub async fn ask(&self, account: (&str, &str), sql: &str) -> Executed {
        let client = [
            "/usr/bin/mariadb",
            "--no-defaults",
            "--protocol=tcp",
            "--host=db",
            "--user",
            account.0,
        ];
        let command: Vec<&str> = client
            .into_iter()
            .chain(["--skip-column-names", "--execute", sql])
            .collect();
        let env = BTreeMap::from([("MYSQL_PWD".to_owned(), account.1.to_owned())]);
        let container = format!("{}-db", self.name);
        self.docker
            .exec(&container, &command, &env, Duration::from_secs(20))
            .await
            .unwrap()
    }

    /// An image of the stand-in program, under a name that no registry serves.
    pub async fn stand_in(&self) -> String {
        let tag = format!("127.0.0.1:1/{}/mysql:8.4", self.name);
        let dir = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/common/stand_in.rs");
        let binary = dir.path().join("stand-in");
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
        let dockerfile = b"FROM scratch\nCOPY stand-in /stand-in\nENTRYPOINT [\"/stand-in\"]\n";
        let binary = std::fs::read(binary).unwrap();
        let context = tar_of(&[("Dockerfile", dockerfile, 0o644), ("stand-in", &binary, 0o755)]);
        let options = BuildOptions {
            dockerfile: "Dockerfile".to_owned(),
            tag: tag.clone(),
            labels: Self::labels(),
            ..Default::default()
        };
        self.docker.build(context, options, |_| ()).await.image.unwrap();
        self.forget_later(&tag);
        tag
    }

    /// Has an image removed at the end of the test.
    pub fn forget_later(&self, image: &str) {
        self.images.lock().unwrap().push(image.to_owned());
    }

    async fn clean_up(&self) {
        for container in self.docker.list(&[("xtask.test", "1")]).await.unwrap() {
            if container.name.starts_with(&format!("{}-", self.name)) {
                self.docker.remove(&container.id).await.unwrap();
            }
        }
        self.docker.remove_network(&self.name).await.unwrap();
        self.docker.remove_volume(&self.volume).await.unwrap();
        let images = self.images.lock().unwrap().clone();
        for image in images {
            self.docker.remove_image(&image).await.unwrap();
        }
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

/// A service as a pipeline would have it.
pub fn service(image: &str) -> Service {
    Service {
        image: image.to_owned(),
        port: 3306,
        database: "shop_test".to_owned(),
        username: "shop".to_owned(),
        password: SecretName::parse("DB_PASSWORD").unwrap(),
        health: ServiceHealth {
            command: vec!["/stand-in".to_owned(), "health".to_owned()],
            interval: Duration::from_millis(500),
            timeout: Duration::from_secs(5),
            deadline: Duration::from_secs(60),
        },
        command: Vec::new(),
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
