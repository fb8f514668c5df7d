//! The embedded registry: the `ground` program, of which only that part is used.

use super::run;
use contract::{BalancerConfig, BucketConfig, EdgeConfig, EnvironmentName, GroundConfig, RegistryConfig};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub struct Ground {
    pub registry: SocketAddr,
    child: Child,
    _directory: tempfile::TempDir,
}

impl Ground {
    pub fn start() -> Self {
        run(Command::new(env!("CARGO")).args(["build", "--quiet", "--package", "ground"]));
        let directory = tempfile::tempdir().unwrap();
        let [registry, bucket, site, admin, balancer] = free_addresses();
        let keys = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(directory.path().join("keys"));
        keys.unwrap().write_all(b"access-key\nsecret-key\n").unwrap();
        let staging = EnvironmentName::parse("staging").unwrap();
        let balancer = BalancerConfig {
            listen: balancer,
            hosts: Vec::new(),
            health_path: "/".into(),
        };
        let config = GroundConfig {
            registry: RegistryConfig {
                listen: vec![registry],
                dir: "registry".into(),
            },
            bucket: BucketConfig {
                listen: vec![bucket],
                dir: "bucket".into(),
                buckets: vec!["site".into()],
                keys: "keys".into(),
                guests: Vec::new(),
            },
            edge: EdgeConfig {
                site,
                admin,
                bucket: "site".into(),
                entry: "index.html".into(),
                api_prefix: "/api/".into(),
                api_environment: staging.clone(),
                balancers: BTreeMap::from([(staging, balancer)]),
            },
        };
        let path = directory.path().join("ground.json");
        std::fs::write(&path, serde_json::to_vec(&config).unwrap()).unwrap();
        // Beside the folder that this test's own program is in.
        let built = std::env::current_exe().unwrap();
        let program = built.parent().and_then(Path::parent).unwrap().join("ground");
        let mut child = Command::new(program).arg(&path).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ground ready\n");
        Self {
            registry,
            child,
            _directory: directory,
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bound all at once, so that they differ.
fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}
