//! What the processes of one host need to know to do their work. Supervisor, agent and router read the same file.

use crate::{AppName, EnvironmentName, HostName, ImageConfig, RouterConfig, SecretsPlace};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// `host.json`. Relative paths are relative to the folder that holds it, which is also where the processes run: a unix
/// socket's path may hold no more than about 100 bytes, however deep the folder lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostConfig {
    pub contract: u32,
    pub app: AppName,
    pub environment: EnvironmentName,
    pub host: HostName,
    /// Where users' requests arrive. The supervisor binds it and hands it to the router as file descriptor 3.
    pub listen: SocketAddr,
    /// The router's admin socket.
    pub admin_socket: PathBuf,
    /// The router's table and epoch.
    pub router_state: PathBuf,
    /// A folder: what the agent remembers.
    #[serde(default = "agent_state")]
    pub agent_state: PathBuf,
    pub channel: ChannelPlace,
    pub poll_interval_ms: u64,
    /// The key set whose signatures count.
    pub trusted_keys: PathBuf,
    #[serde(alias = "secrets_dir")]
    pub secrets: SecretsPlace,
    pub containers: ContainerConfig,
    #[serde(default)]
    pub images: ImageConfig,
    #[serde(default)]
    pub router: RouterConfig,
}

fn agent_state() -> PathBuf {
    "agent".into()
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ChannelPlace {
    Directory(PathBuf),
    S3 {
        bucket: String,
        prefix: String,
        region: String,
        endpoint: Option<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerConfig {
    /// The Docker network containers join, where the environment's own services are.
    pub network: Option<String>,
    /// Names by which containers reach this machine, and at which of its addresses.
    #[serde(default)]
    pub hosts: BTreeMap<String, IpAddr>,
    /// Loopback ports to publish containers on. Fixed, so that an engine restart changes no address.
    pub ports: PortRange,
    /// Put on every container besides the agent's own labels.
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortRange {
    pub first: u16,
    pub count: u16,
}

impl PortRange {
    pub fn ports(self) -> impl Iterator<Item = u16> {
        (0..self.count).filter_map(move |offset| self.first.checked_add(offset))
    }
}
