//! What the ground keeps between runs: its id and its ports, chosen once.

use super::port;
use crate::failure::{Failure, OrFail, Result};
use crate::files;
use crate::ids;
use crate::plan;
use crate::project::Project;
use contract::{EnvironmentName, HostName, PortRange};
use pipeline::model::{Ground as Wanted, Pipeline};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

const CONTAINER_PORTS_FIRST: u16 = 20_000;
const CONTAINER_PORTS_PER_HOST: u16 = 20;
/// Below what the kernel hands out by itself.
const LAST_PORT: u16 = 32_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroundState {
    /// In the name of every container, network and volume.
    pub id: String,
    pub site: SocketAddr,
    pub admin: SocketAddr,
    pub registry: SocketAddr,
    pub bucket: SocketAddr,
    pub environments: BTreeMap<EnvironmentName, EnvironmentState>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentState {
    pub balancer: SocketAddr,
    pub hosts: BTreeMap<HostName, HostState>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostState {
    pub listen: SocketAddr,
    pub containers: PortRange,
}

/// Where the ground's own files are.
pub fn folder(project: &Project) -> PathBuf {
    project.state().join("ground")
}

pub fn host_folder(project: &Project, environment: &EnvironmentName, host: &HostName) -> PathBuf {
    project
        .state()
        .join("hosts")
        .join(environment.as_str())
        .join(host.as_str())
}

impl GroundState {
    pub fn load(project: &Project) -> Result<Option<Self>> {
        files::read_json(&folder(project).join("state.json")).or_fail(|| "the ground's state cannot be read".to_owned())
    }

    /// The kept one, completed for hosts and fixed ports that pipeline.yaml names; else a new one.
    pub fn load_or_choose(project: &Project, pipeline: &Pipeline, wanted: &Wanted) -> Result<Self> {
        let kept = Self::load(project)?;
        let state = Self::choose(kept.as_ref(), pipeline, wanted)?;
        if kept.as_ref() != Some(&state) {
            files::write_json(&folder(project).join("state.json"), &state)
                .or_fail(|| "the ground's state cannot be written".to_owned())?;
        }
        Ok(state)
    }

    fn choose(kept: Option<&Self>, pipeline: &Pipeline, wanted: &Wanted) -> Result<Self> {
        let mut ports = Ports::default();
        kept.into_iter()
            .flat_map(Self::addresses)
            .for_each(|address| ports.taken.extend([address.port()]));
        // The ports people type come first and stay where they like them.
        let site = ports.pick(wanted.site, kept.map(|kept| kept.site), 8080)?;
        let production = kept.and_then(|kept| kept.environments.get(&pipeline.production.name));
        let production = ports.pick(wanted.production, production.map(|kept| kept.balancer), 8081)?;
        let staging = kept.and_then(|kept| kept.environments.get(&pipeline.staging.name));
        let staging = ports.pick(wanted.staging, staging.map(|kept| kept.balancer), 8082)?;
        let registry = ports.pick(wanted.registry, kept.map(|kept| kept.registry), 5000)?;
        let bucket = ports.pick(wanted.bucket, kept.map(|kept| kept.bucket), 9000)?;
        let admin = ports.pick(None, kept.map(|kept| kept.admin), 18_000)?;
        let mut environments = BTreeMap::new();
        for environment in plan::environments(pipeline) {
            let kept = kept.and_then(|kept| kept.environments.get(&environment.name));
            let mut hosts = BTreeMap::new();
            for host in &environment.hosts {
                let state = match kept.and_then(|kept| kept.hosts.get(host)) {
                    Some(kept) => kept.clone(),
                    None => HostState {
                        listen: ports.pick(None, None, 18_100)?,
                        containers: ports.range()?,
                    },
                };
                ports.ranges.insert(state.containers.first);
                hosts.insert(host.clone(), state);
            }
            let balancer = if environment.name == pipeline.production.name {
                production
            } else {
                staging
            };
            environments.insert(environment.name.clone(), EnvironmentState { balancer, hosts });
        }
        let id = kept.map_or_else(ids::new_ground, |kept| kept.id.clone());
        Ok(Self {
            id,
            site,
            admin,
            registry,
            bucket,
            environments,
        })
    }

    /// Everything that is listened on.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let mut addresses = vec![self.site, self.admin, self.registry, self.bucket];
        for environment in self.environments.values() {
            addresses.push(environment.balancer);
            addresses.extend(environment.hosts.values().map(|host| host.listen));
        }
        addresses
    }
}

/// Ports given out so far.
#[derive(Debug, Default)]
struct Ports {
    taken: BTreeSet<u16>,
    ranges: BTreeSet<u16>,
}

impl Ports {
    /// The fixed one, the kept one, or the first free one from `from` on.
    fn pick(&mut self, fixed: Option<u16>, kept: Option<SocketAddr>, from: u16) -> Result<SocketAddr> {
        let port = match (fixed, kept) {
            (Some(fixed), _) => fixed,
            (None, Some(kept)) => kept.port(),
            (None, None) => (from..LAST_PORT)
                .find(|port| !self.taken.contains(port) && port::is_free(*port))
                .ok_or_else(|| Failure::failed(format!("no free port between {from} and {LAST_PORT} on 127.0.0.1")))?,
        };
        self.taken.insert(port);
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// A block of ports for one host's containers.
    fn range(&mut self) -> Result<PortRange> {
        let count = CONTAINER_PORTS_PER_HOST;
        let free = |first: &u16| !self.ranges.contains(first) && (*first..first + count).all(port::is_free);
        let mut blocks = (CONTAINER_PORTS_FIRST..LAST_PORT - count).step_by(usize::from(count));
        let first = blocks.find(free).ok_or_else(|| {
            Failure::failed(format!(
                "no {count} free ports in a row from {CONTAINER_PORTS_FIRST} to {LAST_PORT}"
            ))
        })?;
        self.ranges.insert(first);
        Ok(PortRange { first, count })
    }
}
