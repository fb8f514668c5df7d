//! What a container should be, in this project's words.

use crate::Labels;
use bollard::models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig, NetworkingConfig,
    PortBinding, RestartPolicy, RestartPolicyNameEnum,
};
use contract::Cpus;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Processes and threads of a hardened container: several times what a server with a thread for each connection has, and
/// an eighth of what a kernel gives out by default, so that a container that forks without end takes nothing else with it.
pub const MOST_PROCESSES: i64 = 4096;

/// A container to create. `Default` is the engine's own default: no network but the bridge, nothing published, no restarts.
#[derive(Debug, Clone, Default)]
pub struct ContainerSpec {
    pub name: String,
    pub image: String,
    /// Arguments to the entry point; `None` is the image's own.
    pub command: Option<Vec<String>>,
    pub entrypoint: Option<Vec<String>>,
    /// Visible to anyone who may inspect the container: what must not be goes in by [`put_file`](crate::Docker::put_file).
    pub env: BTreeMap<String, String>,
    pub labels: Labels,
    pub network: Option<String>,
    /// Names under which others on that network reach it.
    pub aliases: Vec<String>,
    /// Names the container knows, besides those on its network.
    pub hosts: BTreeMap<String, IpAddr>,
    pub ports: Vec<PublishedPort>,
    /// Memory and swap together: a container over its limit is killed, not swapped.
    pub memory_mb: Option<u64>,
    /// As much processor time as so many CPUs give. More than the machine has is refused by the engine.
    pub cpus: Option<Cpus>,
    pub user: Option<String>,
    /// Named volume and the path it is mounted on.
    pub volumes: Vec<(String, String)>,
    /// The root file system cannot be written; `/tmp` is in memory.
    pub read_only_root: bool,
    pub restart: Restart,
    pub health: Option<HealthCheck>,
    /// No capabilities, no way to gain any, and no more than [`MOST_PROCESSES`].
    pub hardened: bool,
    /// The engine keeps at most 3 log files of 10 MB.
    pub log_rotation: bool,
}

/// A port of the container, reachable on this machine. Host port 0 lets the engine choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedPort {
    pub host_ip: IpAddr,
    pub host_port: u16,
    pub container_port: u16,
}

impl PublishedPort {
    /// On 127.0.0.1, where only this machine reaches it.
    pub fn on_loopback(host_port: u16, container_port: u16) -> Self {
        Self {
            host_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            host_port,
            container_port,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restart {
    #[default]
    No,
    /// Also when the engine starts, unless it was stopped on purpose.
    UnlessStopped,
}

/// How the engine finds out whether a container is healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// An exec array, run inside the container without a shell.
    pub command: Vec<String>,
    pub interval: Duration,
    pub timeout: Duration,
    /// This many failures in a row make it unhealthy.
    pub retries: u32,
    /// Failures within this time of the start do not count.
    pub start_period: Duration,
}

impl ContainerSpec {
    pub(crate) fn to_api(&self) -> ContainerCreateBody {
        ContainerCreateBody {
            image: Some(self.image.clone()),
            cmd: self.command.clone(),
            entrypoint: self.entrypoint.clone(),
            env: Some(self.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            labels: Some(self.labels.clone().into_iter().collect()),
            user: self.user.clone(),
            exposed_ports: Some(self.ports.iter().map(|port| tcp(port.container_port)).collect()),
            healthcheck: self.health.as_ref().map(HealthCheck::to_api),
            host_config: Some(self.host_config()),
            networking_config: self.network.as_ref().map(|network| {
                let endpoint = EndpointSettings {
                    aliases: Some(self.aliases.clone()),
                    ..Default::default()
                };
                NetworkingConfig {
                    endpoints_config: Some(HashMap::from([(network.clone(), endpoint)])),
                }
            }),
            ..Default::default()
        }
    }

    fn host_config(&self) -> HostConfig {
        let memory = self
            .memory_mb
            .map(|mb| i64::try_from(mb.saturating_mul(1 << 20)).unwrap_or(i64::MAX));
        let restart = match self.restart {
            Restart::No => RestartPolicyNameEnum::NO,
            Restart::UnlessStopped => RestartPolicyNameEnum::UNLESS_STOPPED,
        };
        HostConfig {
            network_mode: self.network.clone(),
            port_bindings: Some(self.port_bindings()),
            extra_hosts: Some(self.hosts.iter().map(|(name, ip)| format!("{name}:{ip}")).collect()),
            memory,
            memory_swap: memory,
            nano_cpus: self.cpus.map(|cpus| i64::from(cpus.as_milli()) * 1_000_000),
            pids_limit: self.hardened.then_some(MOST_PROCESSES),
            binds: Some(
                self.volumes
                    .iter()
                    .map(|(volume, path)| format!("{volume}:{path}"))
                    .collect(),
            ),
            readonly_rootfs: Some(self.read_only_root),
            tmpfs: self
                .read_only_root
                .then(|| HashMap::from([("/tmp".to_owned(), "nosuid,nodev,size=64m".to_owned())])),
            restart_policy: Some(RestartPolicy {
                name: Some(restart),
                maximum_retry_count: None,
            }),
            cap_drop: self.hardened.then(|| vec!["ALL".to_owned()]),
            security_opt: self.hardened.then(|| vec!["no-new-privileges".to_owned()]),
            log_config: self.log_rotation.then(log_rotation),
            ..Default::default()
        }
    }

    fn port_bindings(&self) -> HashMap<String, Option<Vec<PortBinding>>> {
        let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
        for port in &self.ports {
            let binding = PortBinding {
                host_ip: Some(port.host_ip.to_string()),
                host_port: Some(port.host_port.to_string()),
            };
            bindings
                .entry(tcp(port.container_port))
                .or_default()
                .get_or_insert_default()
                .push(binding);
        }
        bindings
    }
}

impl HealthCheck {
    fn to_api(&self) -> HealthConfig {
        let nanoseconds = |time: Duration| Some(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX));
        let test = std::iter::once("CMD".to_owned()).chain(self.command.iter().cloned());
        HealthConfig {
            test: Some(test.collect()),
            interval: nanoseconds(self.interval),
            timeout: nanoseconds(self.timeout),
            retries: Some(i64::from(self.retries)),
            start_period: nanoseconds(self.start_period),
            start_interval: None,
        }
    }
}

fn tcp(port: u16) -> String {
    format!("{port}/tcp")
}

fn log_rotation() -> HostConfigLogConfig {
    let limits = [("max-size", "10m"), ("max-file", "3")];
    let config = limits.map(|(name, value)| (name.to_owned(), value.to_owned()));
    HostConfigLogConfig {
        typ: Some("json-file".to_owned()),
        config: Some(HashMap::from(config)),
    }
}
