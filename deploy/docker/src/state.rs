//! What a container is, as the engine reports it.

use crate::{Labels, PublishedPort};
use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum, HealthStatusEnum, NetworkSettings};
use std::net::IpAddr;

#[derive(Debug, Clone, PartialEq)]
pub struct ContainerState {
    pub id: String,
    pub name: String,
    /// `sha256:…` of the image's configuration.
    pub image_id: String,
    pub status: Status,
    /// Known once it has stopped.
    pub exit_code: Option<i64>,
    pub out_of_memory: bool,
    pub pid: Option<i64>,
    pub labels: Labels,
    pub started_at: Option<String>,
    pub restart_count: u32,
    /// Its address on its first network.
    pub ip: Option<IpAddr>,
    /// `starting`, `healthy` or `unhealthy`; `None` without a health check.
    pub health: Option<String>,
    /// As bound, so that a host port chosen by the engine is seen here.
    pub ports: Vec<PublishedPort>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Created,
    Running,
    Paused,
    /// It stopped, and the engine will start it again.
    Restarting,
    Exited,
    /// Being removed, or half removed.
    Dead,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSummary {
    pub id: String,
    pub name: String,
    pub labels: Labels,
    pub running: bool,
    /// The engine's own word: `running`, `exited`, …
    pub state: String,
}

impl ContainerState {
    pub(crate) fn from_api(found: ContainerInspectResponse) -> Self {
        let state = found.state.unwrap_or_default();
        let status = status(state.status);
        let stopped = matches!(status, Status::Exited | Status::Restarting | Status::Dead);
        let health = state.health.and_then(|health| health.status);
        let network = found.network_settings.unwrap_or_default();
        Self {
            id: found.id.unwrap_or_default(),
            name: found.name.unwrap_or_default().trim_start_matches('/').to_owned(),
            image_id: found.image.unwrap_or_default(),
            status,
            exit_code: state.exit_code.filter(|_| stopped),
            out_of_memory: state.oom_killed.unwrap_or_default(),
            pid: state.pid.filter(|pid| *pid > 0),
            labels: found
                .config
                .and_then(|config| config.labels)
                .unwrap_or_default()
                .into_iter()
                .collect(),
            started_at: state.started_at.filter(|_| status != Status::Created),
            restart_count: u32::try_from(found.restart_count.unwrap_or_default()).unwrap_or_default(),
            ip: address(&network),
            health: health.and_then(|health| match health {
                HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => None,
                known => Some(known.to_string()),
            }),
            ports: published(&network),
        }
    }
}

fn status(reported: Option<ContainerStateStatusEnum>) -> Status {
    match reported {
        Some(ContainerStateStatusEnum::RUNNING) => Status::Running,
        Some(ContainerStateStatusEnum::PAUSED) => Status::Paused,
        Some(ContainerStateStatusEnum::RESTARTING) => Status::Restarting,
        Some(ContainerStateStatusEnum::EXITED) => Status::Exited,
        Some(ContainerStateStatusEnum::REMOVING | ContainerStateStatusEnum::DEAD) => Status::Dead,
        Some(_) | None => Status::Created,
    }
}

fn address(network: &NetworkSettings) -> Option<IpAddr> {
    let endpoints = network.networks.as_ref()?.values();
    endpoints
        .filter_map(|endpoint| endpoint.ip_address.as_ref()?.parse().ok())
        .next()
}

fn published(network: &NetworkSettings) -> Vec<PublishedPort> {
    let Some(ports) = &network.ports else { return Vec::new() };
    let mut published: Vec<PublishedPort> = Vec::new();
    for (port, bindings) in ports {
        let Some(container_port) = port.strip_suffix("/tcp").and_then(|port| port.parse().ok()) else {
            continue;
        };
        for binding in bindings.iter().flatten() {
            let host_ip = binding.host_ip.as_deref().unwrap_or_default().parse();
            let host_port = binding.host_port.as_deref().unwrap_or_default().parse();
            if let (Ok(host_ip), Ok(host_port)) = (host_ip, host_port) {
                published.push(PublishedPort {
                    host_ip,
                    host_port,
                    container_port,
                });
            }
        }
    }
    published.sort_by_key(|port| (port.container_port, port.host_port));
    published
}
