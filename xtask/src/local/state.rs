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
    /// From its file or, where that is damaged or gone, from the copy beside it.
    pub fn load(project: &Project) -> Result<Option<Self>> {
        let [path, copy] = Self::paths(project);
        let read = files::read_json(&path);
        if let Ok(Some(state)) = read {
            return Ok(Some(state));
        }
        match (read, files::read_json(&copy)) {
            (Ok(_), Ok(None)) => Ok(None),
            (_, Ok(Some(state))) => {
                tracing::warn!("`{}` is damaged or gone; its copy is used", path.display());
                Ok(Some(state))
            }
            (Err(error), _) | (_, Err(error)) => {
                let label = crate::local::GROUND_LABEL;
                Err(Failure::bad_input("the ground's state cannot be read")
                    .why(format!("{error:#}"))
                    .why(format!("nor its copy `{}`", copy.display()))
                    .next(format!(
                        "put one of both back; `docker ps --all --filter label={label}` shows what is there of it"
                    )))
            }
        }
    }

    fn save(&self, project: &Project) -> Result<()> {
        Self::paths(project).iter().try_for_each(|path| {
            files::write_json(path, self)
                .or_fail(|| format!("the ground's state cannot be written to `{}`", path.display()))
        })
    }

    fn paths(project: &Project) -> [PathBuf; 2] {
        ["state.json", "state-copy.json"].map(|name| folder(project).join(name))
    }

    /// The kept one, completed for hosts and fixed ports that pipeline.yaml names; else a new one.
    pub fn load_or_choose(project: &Project, pipeline: &Pipeline, wanted: &Wanted) -> Result<Self> {
        let kept = Self::load(project)?;
        let state = Self::choose(kept.as_ref(), pipeline, wanted)?;
        if kept.as_ref() != Some(&state) {
            state.save(project)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_state_is_read_from_its_copy_and_refused_where_that_is_damaged_too() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project {
            root: folder.path().to_owned(),
        };
        assert_eq!(GroundState::load(&project).unwrap(), None);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        let state = GroundState {
            id: "2a6024c3".to_owned(),
            site: address,
            admin: address,
            registry: address,
            bucket: address,
            environments: BTreeMap::new(),
        };
        state.save(&project).unwrap();
        let [path, copy] = GroundState::paths(&project);
        std::fs::write(&path, "{\"id\": \"2a6").unwrap();
        assert_eq!(GroundState::load(&project).unwrap(), Some(state.clone()));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(GroundState::load(&project).unwrap(), Some(state));
        std::fs::write(&copy, "").unwrap();
        let failure = GroundState::load(&project).unwrap_err();
        assert!(failure.to_string().contains("state-copy.json"), "{failure}");
    }
}
