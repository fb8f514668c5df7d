//! `status`: what this host is told, what runs, and what stands in the way. It needs no agent to be alive.

mod show;

use super::seen::{self, Answer, Part};
use crate::containers::Found;
use crate::probe;
use crate::process;
use crate::reach::Reach;
use crate::router::Router;
use crate::state::Memory;
use contract::{
    AppName, Counts, Desired, Digest, EnvironmentName, Failure, Generation, Health, HealthGate, HostConfig, HostName,
    Refusal, ReleaseId, RolloutId, RouterReport, RouterStatus, VersionStatus, Weight,
};
use docker::Status as Process;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub use show::show;

#[derive(Debug, Serialize)]
pub struct Status {
    pub app: AppName,
    pub environment: EnvironmentName,
    pub host: HostName,
    pub at: Timestamp,
    /// Of the program that was asked, which is most likely the one that runs.
    pub agent_version: &'static str,
    /// The agent's process; none while it is not running.
    pub agent_pid: Option<u32>,
    /// The document that was last accepted; silent where the agent's memory cannot be read.
    pub told: Answer<Option<Told>>,
    /// The generation that is wholly in force here.
    pub in_force: Option<Generation>,
    pub router: Answer<RouterReport>,
    /// Whether the engine answers.
    pub engine: Answer<()>,
    pub versions: Vec<Version>,
    pub failure: Option<Failure>,
    pub refused: Option<Refusal>,
}

#[derive(Debug, Serialize)]
pub struct Told {
    pub generation: Generation,
    pub rollout: RolloutId,
    /// None: nothing should run.
    pub release: Option<ReleaseId>,
    pub commit: Option<String>,
    pub weight: Weight,
    /// What is kept running beside it.
    pub fallback: Option<ReleaseId>,
    pub accepted_at: Timestamp,
    /// While a rollout is under way.
    pub lease_ttl_ms: Option<u64>,
    /// Its lease ran out here, or it was rolled back by hand: this host never follows it again.
    pub lapsed: bool,
}

/// A release that has a container here, or requests in the router.
#[derive(Debug, Serialize)]
pub struct Version {
    pub release: ReleaseId,
    pub part: Part,
    /// The weight in force.
    pub weight: Weight,
    pub counts: Counts,
    pub in_flight: u64,
    pub container: Option<Container>,
}

#[derive(Debug, Serialize)]
pub struct Container {
    pub name: String,
    pub image: Digest,
    pub health: Health,
    pub restarts: u32,
    pub exit_code: Option<i64>,
    pub out_of_memory: bool,
    /// Asked just now, in words.
    pub last_probe: Option<String>,
}

pub async fn look(config: &HostConfig, reach: Arc<dyn Reach>) -> Status {
    let memory = seen::memory(config);
    let router = Router::new(reach.clone()).status().await;
    let known = memory.as_ref().ok();
    let document = known.and_then(|memory| memory.desired().or_else(|| memory.in_force.clone()));
    let (engine, containers) = match see(config, &*reach, document.as_ref()).await {
        Ok(containers) => (Answer::Given(()), containers),
        Err(error) => (Answer::Silent(format!("{error:#}")), Vec::new()),
    };
    let failure = known.and_then(|memory| memory.failure.clone());
    let refused = known.and_then(|memory| memory.refused.clone());
    let in_force = known.and_then(|memory| memory.in_force.as_ref().map(|document| document.generation));
    let status = router.as_ref().ok();
    Status {
        app: config.app.clone(),
        environment: config.environment.clone(),
        host: config.host.clone(),
        at: reach.now(),
        agent_version: env!("CARGO_PKG_VERSION"),
        agent_pid: process::running(&config.agent_state),
        in_force,
        versions: versions(containers, status, document.as_ref()),
        told: Answer::of(memory.map(|memory| told(&memory, status))),
        router: Answer::of(router.map(report).map_err(Into::into)),
        engine,
        failure,
        refused,
    }
}

fn told(memory: &Memory, router: Option<&RouterStatus>) -> Option<Told> {
    let (accepted, desired) = memory.accepted.as_ref().zip(memory.desired())?;
    let lapsed = router.and_then(|router| router.lapsed);
    Some(Told {
        generation: desired.generation,
        rollout: desired.rollout,
        release: desired.release.as_ref().map(|version| version.release),
        commit: desired.release.as_ref().map(|version| version.commit.clone()),
        weight: desired.weight,
        fallback: desired.warm_fallback().map(|version| version.release),
        accepted_at: accepted.at,
        lease_ttl_ms: desired.lease_ttl_ms,
        lapsed: lapsed == Some(desired.rollout) || memory.lapsed.contains(&desired.rollout),
    })
}

fn report(router: RouterStatus) -> RouterReport {
    RouterReport {
        version: router.router_version,
        epoch: router.epoch,
        generation: router.generation,
        lapsed: router.lapsed,
    }
}

fn versions(
    containers: Vec<(ReleaseId, Container)>,
    router: Option<&RouterStatus>,
    document: Option<&Desired>,
) -> Vec<Version> {
    let routed: Vec<&VersionStatus> = router.iter().flat_map(|router| &router.versions).collect();
    let with = containers.iter().map(|(release, _)| *release).collect::<BTreeSet<_>>();
    let without = routed.iter().filter(|version| !with.contains(&version.release));
    let without = without.map(|version| (version.release, None)).collect::<Vec<_>>();
    let all = containers
        .into_iter()
        .map(|(release, container)| (release, Some(container)));
    let mut versions: Vec<Version> = all
        .chain(without)
        .map(|(release, container)| {
            let routed = routed.iter().find(|version| version.release == release);
            Version {
                release,
                part: Part::of(release, document),
                weight: routed.map_or(Weight::NONE, |version| version.weight),
                counts: routed.map_or(Counts::default(), |version| version.counts),
                in_flight: routed.map_or(0, |version| version.in_flight),
                container,
            }
        })
        .collect();
    versions.sort_by_key(|version| (version.part, version.release));
    versions
}

async fn see(
    config: &HostConfig,
    reach: &dyn Reach,
    document: Option<&Desired>,
) -> anyhow::Result<Vec<(ReleaseId, Container)>> {
    let docker = seen::engine(reach).await?;
    let found = seen::versions(&docker, config).await?;
    let gate = document.map(|document| &document.gate);
    let mut containers = Vec::new();
    for (found, proven) in found {
        containers.push((found.identity.release, container(found, proven, reach, gate).await));
    }
    Ok(containers)
}

/// Asked anew, since the agent that probes may be dead.
async fn container(found: Found, proven: bool, reach: &dyn Reach, gate: Option<&HealthGate>) -> Container {
    let is_running = found.state.status == Process::Running;
    let outcome = match gate.filter(|_| is_running) {
        Some(gate) => {
            let timeout = Duration::from_millis(gate.timeout_ms.max(1));
            Some(probe::probe(reach, found.address, &gate.ready_path, timeout).await)
        }
        None => None,
    };
    let is_ready = outcome.as_ref().is_some_and(|outcome| outcome.passed);
    let health = match found.state.status {
        Process::Exited | Process::Dead | Process::Restarting => Health::Exited,
        Process::Created => Health::Starting,
        Process::Running | Process::Paused if !proven => Health::Starting,
        Process::Running | Process::Paused if is_ready => Health::Ready,
        Process::Running | Process::Paused => Health::Unready,
    };
    Container {
        name: found.state.name,
        image: found.identity.image,
        health,
        restarts: found.state.restart_count,
        exit_code: found.state.exit_code,
        out_of_memory: found.state.out_of_memory,
        last_probe: outcome.map(|outcome| outcome.text),
    }
}
