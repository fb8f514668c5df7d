//! Debian's docker-registry on a free loopback port, ended with the value that stands for it.

use oci::Repository;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const START_DEADLINE: Duration = Duration::from_secs(20);

/// `ann:correct horse`, hashed as `htpasswd -B` does at the lowest cost.
const HTPASSWD: &str = "ann:$2b$04$oQkOjzoZXcX7dC.K5QXhzu8CIHyx2l1X4fPr3jUr9eeWoHEGhPdxi\n";

pub enum Access<'a> {
    Open,
    Password,
    /// Tokens from this address, signed under this certificate.
    Token {
        realm: &'a str,
        certificate: &'a Path,
    },
    /// Over TLS, with this certificate and key.
    Tls {
        certificate: &'a Path,
        key: &'a Path,
    },
}

pub struct Registry {
    pub address: String,
    child: Child,
    _directory: tempfile::TempDir,
}

impl Registry {
    pub fn start(access: Access<'_>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("config.yml");
        std::fs::write(&config, config_text(directory.path(), access)).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.unwrap_or_else(|error| {
            panic!("install docker-registry (`apt-get install -y docker-registry`) and run this again: {error}")
        });
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (found, address) = mpsc::channel();
        // Reads to the end, so that the registry never waits for room in the pipe.
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("listening on ") {
                    let _ = found.send(rest.split(['"', ',']).next().unwrap_or(rest).to_owned());
                }
            }
        });
        let address = address
            .recv_timeout(START_DEADLINE)
            .expect("docker-registry did not say where it listens");
        Self {
            address,
            child,
            _directory: directory,
        }
    }

    pub fn repository(&self, path: &str) -> Repository {
        Repository::parse(&format!("{}/{path}", self.address)).unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config_text(directory: &Path, access: Access<'_>) -> String {
    let storage = directory.join("data");
    let mut text = format!(
        "version: 0.1\nlog: {{ level: info }}\nstorage: {{ filesystem: {{ rootdirectory: '{}' }}, delete: {{ enabled: true }} }}\n\
         http: {{ addr: '127.0.0.1:0', secret: test",
        storage.display()
    );
    if let Access::Tls { certificate, key } = &access {
        let _ = write!(
            text,
            ", tls: {{ certificate: '{}', key: '{}' }}",
            certificate.display(),
            key.display()
        );
    }
    text.push_str(" }\n");
    match access {
        Access::Open | Access::Tls { .. } => {}
        Access::Password => {
            let htpasswd = directory.join("htpasswd");
            std::fs::write(&htpasswd, HTPASSWD).unwrap();
            let _ = writeln!(
                text,
                "auth: {{ htpasswd: {{ realm: shops, path: '{}' }} }}",
                htpasswd.display()
            );
        }
        Access::Token { realm, certificate } => {
            let certificate = certificate.display();
            let _ = writeln!(
                text,
                "auth: {{ token: {{ realm: '{realm}', service: shops, issuer: shops-tokens, rootcertbundle: '{certificate}' }} }}"
            );
        }
    }
    text
}
