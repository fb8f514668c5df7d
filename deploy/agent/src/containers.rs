//! How this agent's containers are made, and known again: by their labels.

use crate::ports;
use crate::world::{Slot, TaskContainer};
use anyhow::{Context as _, Result};
use bollard::models::{ContainerUpdateBody, RestartPolicy, RestartPolicyNameEnum};
use contract::{Digest, ENV_COMMIT, ENV_RELEASE, HostConfig, ReleaseId, RolloutId, TaskId, Version};
use docker::{ContainerSpec, ContainerState, ContainerSummary, Docker, Labels, PublishedPort, Restart};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

const APP: &str = "xtask.app";
const ENVIRONMENT: &str = "xtask.environment";
const HOST: &str = "xtask.host";
const RELEASE: &str = "xtask.release";
const ROLLOUT: &str = "xtask.rollout";
const REPLICA: &str = "xtask.replica";
const IMAGE: &str = "xtask.image";
const PORT: &str = "xtask.port";
const TASK: &str = "xtask.task";

/// A version's container as the engine has it.
#[derive(Debug)]
pub struct Found {
    pub identity: Identity,
    pub address: SocketAddr,
    pub state: ContainerState,
}

/// What its labels say.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    pub release: ReleaseId,
    pub replica: u8,
    pub image: Digest,
    port: u16,
}

/// Every container of this host, whatever its state. The configured labels count as well: two hosts of one name may
/// share an engine, each with labels of its own.
pub async fn list(docker: &Docker, config: &HostConfig) -> Result<Vec<ContainerSummary>> {
    let labels = labels(config, []);
    let labels: Vec<(&str, &str)> = labels
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    docker.list(&labels).await
}

pub fn as_task(found: &ContainerSummary) -> Option<TaskContainer> {
    Some(TaskContainer {
        id: found.id.clone(),
        task: TaskId::parse(found.labels.get(TASK)?).ok()?,
    })
}

/// `None` for what is no version's container, and for what was removed a moment ago.
pub async fn look(docker: &Docker, summary: &ContainerSummary) -> Result<Option<Found>> {
    let Some(identity) = identity(&summary.labels) else {
        return Ok(None);
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, identity.port));
    let found = docker.inspect(&summary.id).await?;
    Ok(found.map(|state| Found {
        identity,
        address,
        state,
    }))
}

fn identity(labels: &Labels) -> Option<Identity> {
    if labels.contains_key(TASK) {
        return None;
    }
    Some(Identity {
        release: ReleaseId::parse(labels.get(RELEASE)?).ok()?,
        // Agents that knew no replicas made no such label.
        replica: labels.get(REPLICA).map_or(Some(0), |label| label.parse().ok())?,
        image: Digest::parse(labels.get(IMAGE)?).ok()?,
        port: ports::of(labels.get(PORT)?)?,
    })
}

/// `None` for what is no version's container.
pub fn release_of(found: &ContainerSummary) -> Option<ReleaseId> {
    identity(&found.labels).map(|identity| identity.release)
}

/// The port a container holds, running or not.
pub fn held_port(found: &ContainerSummary) -> Option<u16> {
    ports::of(found.labels.get(PORT)?)
}

/// The engine restarts only what is proven, and thereby remembers that it is: also when this agent has lost its memory.
pub async fn is_proven(docker: &Docker, id: &str) -> Result<bool> {
    let found = docker.api().inspect_container(id, None).await;
    let found = found.with_context(|| format!("inspecting container `{id}`"))?;
    let policy = found
        .host_config
        .and_then(|host| host.restart_policy)
        .and_then(|policy| policy.name);
    Ok(policy == Some(RestartPolicyNameEnum::UNLESS_STOPPED))
}

pub async fn prove(docker: &Docker, id: &str) -> Result<()> {
    let policy = RestartPolicy {
        name: Some(RestartPolicyNameEnum::UNLESS_STOPPED),
        maximum_retry_count: None,
    };
    let update = ContainerUpdateBody {
        restart_policy: Some(policy),
        ..Default::default()
    };
    let updated = docker.api().update_container(id, update).await;
    updated.with_context(|| format!("setting the restart policy of container `{id}`"))
}

/// A version's container in this slot, on this port. It restarts by itself only once proven, so that the gate sees it exit.
pub fn version_spec(
    config: &HostConfig,
    slot: Slot<'_>,
    rollout: RolloutId,
    secrets: BTreeMap<String, String>,
    port: u16,
) -> ContainerSpec {
    let Slot { version, replica } = slot;
    let release = version.release.to_string().to_lowercase();
    let more = [
        (RELEASE, version.release.to_string()),
        (REPLICA, replica.to_string()),
        (ROLLOUT, rollout.to_string()),
        (IMAGE, version.image.digest.to_string()),
        (PORT, port.to_string()),
    ];
    ContainerSpec {
        // The port makes it unique: a second container of one release has another.
        name: format!("{}-{port}", name(config, &release)),
        labels: labels(config, more),
        ports: vec![PublishedPort::on_loopback(port, version.port)],
        ..spec(config, version, secrets)
    }
}

/// The name is the task's own: the engine itself refuses to make a second one.
pub fn task_spec(
    config: &HostConfig,
    version: &Version,
    task: TaskId,
    command: Vec<String>,
    secrets: BTreeMap<String, String>,
) -> ContainerSpec {
    let more = [(RELEASE, version.release.to_string()), (TASK, task.to_string())];
    ContainerSpec {
        name: name(config, &format!("task-{}", task.to_string().to_lowercase())),
        command: Some(command),
        labels: labels(config, more),
        ..spec(config, version, secrets)
    }
}

pub fn task_name(config: &HostConfig, task: TaskId) -> String {
    name(config, &format!("task-{}", task.to_string().to_lowercase()))
}

fn spec(config: &HostConfig, version: &Version, secrets: BTreeMap<String, String>) -> ContainerSpec {
    let mut env = version.env.clone();
    env.extend(secrets);
    env.insert(ENV_RELEASE.to_owned(), version.release.to_string());
    env.insert(ENV_COMMIT.to_owned(), version.commit.clone());
    ContainerSpec {
        image: version.image.to_string(),
        env,
        network: config.containers.network.clone(),
        hosts: config.containers.hosts.clone(),
        memory_mb: version.memory_mb,
        cpus: version.cpus,
        read_only_root: true,
        restart: Restart::No,
        hardened: true,
        log_rotation: true,
        ..ContainerSpec::default()
    }
}

fn name(config: &HostConfig, what: &str) -> String {
    format!("{}-{}-{}-{what}", config.app, config.environment, config.host)
}

fn labels<const N: usize>(config: &HostConfig, more: [(&str, String); N]) -> Labels {
    let own = [
        (APP, config.app.to_string()),
        (ENVIRONMENT, config.environment.to_string()),
        (HOST, config.host.to_string()),
    ];
    let mut labels = config.containers.labels.clone();
    labels.extend(own.into_iter().chain(more).map(|(key, value)| (key.to_owned(), value)));
    labels
}
