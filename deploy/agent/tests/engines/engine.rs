//! A Docker engine that belongs to one machine of a test alone.

use crate::namespace::{Namespace, OWN};
use crate::wait::{PATIENCE, soon};
use docker::Docker;
use std::fs::File;
use std::process::{Child, Stdio};

#[derive(Debug)]
pub struct Engine {
    /// What its command line says besides.
    args: Vec<String>,
    process: Option<Child>,
}

impl Engine {
    /// Containers are reached by rules of the kernel, as on hosts that `deploy/ec2` sets up: the proxy that the engine has
    /// otherwise ends with it, whatever happens to containers.
    pub fn new(namespace: &Namespace, registries: &str, live_restore: bool) -> Self {
        let [socket, pid] = ["docker.sock", "docker.pid"].map(|name| format!("{OWN}/{name}"));
        let parent = format!("/{}", namespace.name());
        let mut args: Vec<String> = [
            ("--config-file", format!("{OWN}/daemon.json")),
            ("--host", format!("unix://{socket}")),
            ("--pidfile", pid),
            ("--data-root", format!("{OWN}/data")),
            ("--exec-root", format!("{OWN}/exec")),
            ("--cgroup-parent", parent),
            ("--insecure-registry", registries.to_owned()),
            ("--storage-driver", "overlay2".to_owned()),
            ("--userland-proxy", "false".to_owned()),
        ]
        .map(|(flag, value)| format!("{flag}={value}"))
        .into();
        args.extend(live_restore.then(|| "--live-restore".to_owned()));
        std::fs::write(namespace.path("daemon.json"), "{}").unwrap();
        Self { args, process: None }
    }

    pub async fn start(&mut self, namespace: &Namespace) {
        let mut log = File::options();
        let log = log
            .create(true)
            .append(true)
            .open(namespace.path("dockerd.log"))
            .unwrap();
        let mut command = namespace.command("dockerd");
        command.args(&self.args).stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().unwrap());
        soon(PATIENCE, "the engine answers", async || {
            self.connect(namespace).await.is_some()
        })
        .await;
    }

    pub async fn connect(&self, namespace: &Namespace) -> Option<Docker> {
        let socket = namespace.path("docker.sock");
        Docker::connect_to(&format!("unix://{}", socket.display())).await.ok()
    }

    /// Until it has ended, which takes as long as its containers take.
    pub async fn end(&mut self, namespace: &Namespace, signal: &str) {
        let process = std::fs::read_to_string(namespace.path("docker.pid")).unwrap();
        namespace.signal(process.trim().parse().unwrap(), signal);
        let Some(mut child) = self.process.take() else { return };
        soon(PATIENCE, "the engine has ended", async || {
            matches!(child.try_wait(), Ok(Some(_)))
        })
        .await;
    }
}
