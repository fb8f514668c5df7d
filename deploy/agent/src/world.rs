//! What is the case on this host: all that decisions are made from. Plain data.

use crate::readings::Readings;
use contract::{
    Desired, Digest, HostName, ImageRef, ReleaseId, ReplicaStatus, RolloutId, RouterStatus, Table, TaskId, Version,
};
use docker::Status;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// Moments are durations since this agent began, on the monotonic clock.
pub type Moment = Duration;

#[derive(Debug, Clone)]
pub struct World {
    pub host: HostName,
    /// The engine answered; without it, `containers` are as last seen.
    pub engine: bool,
    pub containers: Vec<Container>,
    /// Containers of one-shot tasks.
    pub tasks: Vec<TaskContainer>,
    /// Tasks whose result is on disk.
    pub results: BTreeSet<TaskId>,
    /// `None` while the router does not answer.
    pub router: Option<RouterStatus>,
    /// What this agent last put into the router, and got confirmed.
    pub confirmed: Option<Confirmed>,
    /// The document whose table was last confirmed.
    pub in_force: Option<Desired>,
    pub failed: Option<Failed>,
    /// Rollouts that this host never follows again: their lease ran out here or in the router.
    pub lapsed: BTreeSet<RolloutId>,
    /// When the lease of the accepted document runs out.
    pub lease_until: Option<Moment>,
    /// Work under way.
    pub jobs: BTreeSet<Job>,
    /// Images this agent pulled, oldest first.
    pub pulled: Vec<PulledImage>,
    /// What they may hold together.
    pub image_budget_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulledImage {
    pub image: ImageRef,
    pub bytes: u64,
}

/// One version's container.
#[derive(Debug, Clone)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub release: ReleaseId,
    /// Which of its release's containers here: counted from 0.
    pub replica: u8,
    pub image: Digest,
    pub address: SocketAddr,
    pub status: Status,
    pub exit_code: Option<i64>,
    pub out_of_memory: bool,
    pub pid: Option<i64>,
    /// It passed its gate once. The engine keeps this mark: only then it restarts the container by itself.
    pub proven: bool,
    /// First seen by this agent.
    pub since: Moment,
    /// Since the rollout began, for what it was restarted in all.
    pub fresh_restarts: u32,
    pub restarts: u32,
    pub readings: Readings,
    pub draining_since: Option<Moment>,
    /// Not to be started or restarted before.
    pub again_at: Moment,
}

/// One of the containers that a version should have on this host.
#[derive(Debug, Clone, Copy)]
pub struct Slot<'a> {
    pub version: &'a Version,
    pub replica: u8,
}

#[derive(Debug, Clone)]
pub struct TaskContainer {
    pub id: String,
    pub task: TaskId,
}

#[derive(Debug, Clone)]
pub struct Confirmed {
    pub epoch: u64,
    pub table: Table,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    pub rollout: RolloutId,
    /// For what was in force before and should be again; `None` is final.
    pub again_at: Option<Moment>,
}

/// Work too long to be done in one turn.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    Start(ReleaseId),
    Task(TaskId),
    /// By container: let it end, keep its last words, remove it.
    Retire(String),
    /// By container: start it again.
    Revive(String),
    Prune,
}

impl Container {
    pub fn is_running(&self) -> bool {
        self.status == Status::Running
    }

    /// Can take traffic now.
    pub fn is_ready(&self) -> bool {
        self.proven && self.is_running() && self.readings.is_ready()
    }
}

impl World {
    /// What the router says of the place where this container listens. An address it does not know of is one it sends
    /// nothing to, and that has answered everything.
    pub fn routing(&self, container: &Container) -> Option<ReplicaStatus> {
        let address = container.address;
        let known = self.router.as_ref()?.replicas.iter();
        let found = known.copied().find(|replica| replica.address == address);
        Some(found.unwrap_or(ReplicaStatus {
            address,
            routed: false,
            in_flight: 0,
        }))
    }

    /// The container that stands in a slot: a proven one before others, a running one before others.
    pub fn container(&self, slot: Slot<'_>) -> Option<&Container> {
        let own = self.containers.iter().filter(|container| {
            container.release == slot.version.release
                && container.replica == slot.replica
                && container.image == slot.version.image.digest
                && !self.jobs.contains(&Job::Retire(container.id.clone()))
        });
        own.max_by_key(|container| {
            (
                container.proven,
                container.is_running(),
                container.draining_since.is_none(),
            )
        })
    }

    /// All that stand for a version, in the order of their slots.
    pub fn replicas(&self, version: &Version) -> impl Iterator<Item = &Container> {
        Slot::of(version).filter_map(|slot| self.container(slot))
    }
}

impl<'a> Slot<'a> {
    pub fn of(version: &'a Version) -> impl Iterator<Item = Self> + use<'a> {
        (0..version.replicas.count()).map(move |replica| Self { version, replica })
    }
}

/// A small host for tests: app `shop`, environment `staging`, host `host-1`.
#[cfg(test)]
pub mod tests {
    use super::*;
    use contract::{
        AppName, CONTRACT_VERSION, ChannelPlace, ContainerConfig, Drain, EnvironmentName, Generation, HealthGate,
        HostConfig, ImageConfig, PortRange, Replicas, RouterConfig, SecretsPlace, Weight,
    };
    use std::collections::BTreeMap;

    pub fn config() -> HostConfig {
        HostConfig {
            contract: CONTRACT_VERSION,
            app: AppName::parse("shop").unwrap(),
            environment: EnvironmentName::parse("staging").unwrap(),
            host: HostName::parse("host-1").unwrap(),
            listen: "127.0.0.1:1".parse().unwrap(),
            admin_socket: "router.sock".into(),
            router_state: "router.json".into(),
            agent_state: "agent".into(),
            channel: ChannelPlace::Directory("channel".into()),
            poll_interval_ms: 100,
            trusted_keys: "keys.json".into(),
            secrets: SecretsPlace::Directory("secrets".into()),
            containers: ContainerConfig {
                network: None,
                hosts: BTreeMap::new(),
                ports: PortRange {
                    first: 20_000,
                    count: 10,
                },
                labels: BTreeMap::new(),
            },
            router: RouterConfig::default(),
            images: ImageConfig::default(),
        }
    }

    pub fn version(n: u64) -> Version {
        let digest = Digest::of(&n.to_be_bytes());
        Version {
            release: ReleaseId::from_parts(n, 0),
            commit: "c0ffee".to_owned(),
            image: ImageRef {
                repository: "127.0.0.1:5000/shop".to_owned(),
                digest,
            },
            image_bytes: None,
            port: 8080,
            env: BTreeMap::new(),
            secrets: Vec::new(),
            replicas: Replicas::ONE,
            memory_mb: None,
            cpus: None,
        }
    }

    /// Version 1 alone, settled, at this generation; rollout 1.
    pub fn document(generation: u64) -> Desired {
        Desired {
            contract: CONTRACT_VERSION,
            app: config().app,
            environment: config().environment,
            generation: Generation(generation),
            rollout: RolloutId::from_parts(1, 0),
            issued_at: "2025-01-02T03:04:05Z".parse().unwrap(),
            keys: 1,
            hosts: vec![config().host],
            release: Some(version(1)),
            weight: Weight::ALL,
            fallback: None,
            shield: false,
            gate: HealthGate {
                live_path: "/healthz".to_owned(),
                ready_path: "/readyz".to_owned(),
                interval_ms: 100,
                timeout_ms: 100,
                passes: 3,
                deadline_ms: 5_000,
            },
            drain: Drain {
                requests_ms: 10_000,
                stop_ms: 1_000,
            },
            lease_ttl_ms: None,
            task: None,
        }
    }

    /// Of version `n`: proven, running and ready.
    pub fn container(n: u64) -> Container {
        Container {
            id: format!("c{n}"),
            name: format!("shop-{n}"),
            release: version(n).release,
            replica: 0,
            image: version(n).image.digest,
            address: SocketAddr::from(([127, 0, 0, 1], 20_000 + n as u16)),
            status: Status::Running,
            exit_code: None,
            out_of_memory: false,
            pid: Some(1),
            proven: true,
            since: Duration::ZERO,
            fresh_restarts: 0,
            restarts: 0,
            readings: Readings::unknown(true),
            draining_since: None,
            again_at: Duration::ZERO,
        }
    }
}
