//! What this host says of itself. Pure.

use crate::state::Memory;
use crate::world::{Container, World};
use contract::{
    CONTRACT_VERSION, Counts, Desired, Evidence, Failure, FailureKind, Health, HostConfig, Latency, Observed,
    ObservedReplica, ObservedVersion, Refusal, ReleaseId, RouterReport, Weight,
};
use docker::Status;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// What is known beside the world.
#[derive(Debug)]
pub struct Standing<'a> {
    pub config: &'a HostConfig,
    pub memory: &'a Memory,
    /// The document that was accepted last.
    pub desired: Option<&'a Desired>,
    pub refused: Option<Refusal>,
    pub refused_ask: Option<Refusal>,
    /// The engine or the router has been away for long: which, and why.
    pub trouble: Option<(FailureKind, String)>,
}

pub fn compose(world: &World, standing: Standing<'_>, at: Timestamp) -> Observed {
    let Standing {
        config,
        memory,
        desired,
        refused,
        refused_ask,
        trouble,
    } = standing;
    let in_force = world
        .in_force
        .as_ref()
        .map(|document| document.generation)
        .unwrap_or_default();
    let accepted = desired.map(|desired| desired.generation).unwrap_or_default();
    let rollout = desired.map(|desired| desired.rollout);
    let trouble = trouble
        .filter(|_| in_force < accepted)
        .zip(rollout)
        .map(|((kind, why), rollout)| Failure {
            rollout,
            release: None,
            kind,
            summary: why,
            evidence: Evidence::default(),
        });
    Observed {
        contract: CONTRACT_VERSION,
        app: config.app.clone(),
        environment: config.environment.clone(),
        host: config.host.clone(),
        at,
        generation: in_force,
        accepted,
        rollout,
        versions: versions(world),
        router: world.router.as_ref().map(|router| RouterReport {
            version: router.router_version.clone(),
            epoch: router.epoch,
            generation: router.generation,
            lapsed: rollout
                .filter(|rollout| world.lapsed.contains(rollout))
                .or(router.lapsed),
        }),
        tasks: memory.tasks.clone(),
        failure: memory
            .failure
            .clone()
            .filter(|failure| Some(failure.rollout) == rollout)
            .or(trouble),
        refused,
        refused_ask,
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn versions(world: &World) -> Vec<ObservedVersion> {
    let releases: BTreeSet<ReleaseId> = world.containers.iter().map(|container| container.release).collect();
    releases.into_iter().map(|release| version(release, world)).collect()
}

fn version(release: ReleaseId, world: &World) -> ObservedVersion {
    let mut containers: Vec<&Container> = world
        .containers
        .iter()
        .filter(|found| found.release == release)
        .collect();
    // Where a slot has two, the one that stands there comes first, and only that one is told of.
    containers.sort_by_key(|container| (container.replica, !container.proven, !container.is_running()));
    containers.dedup_by_key(|container| container.replica);
    let versions = world.router.iter().flat_map(|router| &router.versions);
    let routed = versions.into_iter().find(|version| version.release == release);
    let replica = |container: &&Container| ObservedReplica {
        container: container.id.clone(),
        image: container.image,
        address: container.address,
        health: health(container),
        restarts: container.restarts,
    };
    ObservedVersion {
        release,
        replicas: containers.iter().map(replica).collect(),
        weight: routed.map_or(Weight::NONE, |version| version.weight),
        counts: routed.map_or(Counts::default(), |version| version.counts),
        latency: routed.map_or(Latency::default(), |version| version.latency.clone()),
    }
}

fn health(container: &Container) -> Health {
    match container.status {
        Status::Exited | Status::Dead | Status::Restarting => Health::Exited,
        Status::Created => Health::Starting,
        Status::Running | Status::Paused if !container.proven => Health::Starting,
        Status::Running | Status::Paused if container.is_ready() => Health::Ready,
        Status::Running | Status::Paused => Health::Unready,
    }
}
