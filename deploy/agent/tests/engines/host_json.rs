//! What one machine is told of itself: `host.json`.

use crate::bucket::{BUCKET, REGION};
use crate::controller::PREFIX;
use crate::versions::{app, environment};
use contract::{
    CONTRACT_VERSION, ChannelPlace, ContainerConfig, HostConfig, HostName, ImageConfig, KeySet, PortRange,
    RouterConfig, SecretsPlace,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;

const FIRST_PORT: u16 = 22_000;

/// What one machine has otherwise than most.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    pub live_restore: bool,
    /// How many containers may be published at once.
    pub ports: u16,
    /// What its engine's disk holds.
    pub data_mb: u32,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            live_restore: false,
            ports: 8,
            data_mb: 2048,
        }
    }
}

/// Where everybody is, and whom they trust.
#[derive(Debug, Clone)]
pub struct Surroundings {
    pub endpoint: String,
    pub keys: KeySet,
}

pub fn host_json(host: &HostName, listen: SocketAddr, setup: Setup, around: &Surroundings) -> HostConfig {
    HostConfig {
        contract: CONTRACT_VERSION,
        app: app(),
        environment: environment(),
        host: host.clone(),
        listen,
        admin_socket: "router.sock".into(),
        router_state: "router.json".into(),
        agent_state: "memory".into(),
        channel: ChannelPlace::S3 {
            bucket: BUCKET.to_owned(),
            prefix: PREFIX.to_owned(),
            region: REGION.to_owned(),
            endpoint: Some(around.endpoint.clone()),
        },
        poll_interval_ms: 300,
        trusted_keys: "keys.json".into(),
        secrets: SecretsPlace::Directory("secrets".into()),
        containers: ContainerConfig {
            network: None,
            hosts: BTreeMap::new(),
            ports: PortRange {
                first: FIRST_PORT,
                count: setup.ports,
            },
            labels: BTreeMap::new(),
        },
        router: RouterConfig::default(),
        images: ImageConfig {
            reserve_mb: 64,
            stall_ms: 2_000,
            ..ImageConfig::default()
        },
    }
}
