//! The desired documents of a rollout. Pure.

use contract::{CONTRACT_VERSION, Desired, Fallback, Generation, Keep, ReleaseId, RolloutId, Task, Version, Weight};
use jiff::Timestamp;
use pipeline::model::{Environment, Pipeline};

/// What a rollout moves between.
#[derive(Debug, Clone)]
pub struct Versions {
    /// `None` only when an environment is returned to running nothing.
    pub candidate: Option<Version>,
    pub stable: Option<Version>,
}

/// What changes from one document of a rollout to the next.
#[derive(Debug, Clone)]
pub struct Turn {
    pub generation: Generation,
    pub rollout: RolloutId,
    /// The signer's newest set.
    pub keys: u32,
    pub issued_at: Timestamp,
    pub phase: Phase,
}

#[derive(Debug, Clone)]
pub enum Phase {
    /// The stable version alone, while a task runs beside it.
    Task(Box<Task>),
    /// Both run; the candidate has this share.
    Shift(Weight),
    /// The candidate alone; the stable version's image stays pinned.
    Settled,
    /// The same, while a task runs beside it.
    SettledWith(Box<Task>),
    /// The stable version alone, as before the rollout.
    Reverted,
    /// Nothing; the candidate's image stays pinned.
    Stopped,
}

pub fn document(pipeline: &Pipeline, environment: &Environment, versions: &Versions, turn: &Turn) -> Desired {
    let Versions { candidate, stable } = versions;
    let keep = |version: &Option<Version>, keep| version.clone().map(|version| Fallback { version, keep });
    let under_way = Some(environment.lease_ttl.as_millis() as u64).filter(|_| stable.is_some());
    let (release, weight, fallback, lease_ttl_ms, task) = match &turn.phase {
        Phase::Task(task) => (stable.clone(), Weight::ALL, None, None, Some((**task).clone())),
        Phase::Shift(weight) => {
            let weight = if stable.is_some() { *weight } else { Weight::ALL };
            (candidate.clone(), weight, keep(stable, Keep::Warm), under_way, None)
        }
        Phase::Settled => (candidate.clone(), Weight::ALL, keep(stable, Keep::Pinned), None, None),
        Phase::SettledWith(task) => {
            let pinned = keep(stable, Keep::Pinned);
            (candidate.clone(), Weight::ALL, pinned, None, Some((**task).clone()))
        }
        Phase::Reverted => (stable.clone(), Weight::ALL, None, None, None),
        Phase::Stopped => (None, Weight::ALL, keep(candidate, Keep::Pinned), None, None),
    };
    Desired {
        contract: CONTRACT_VERSION,
        app: pipeline.app.clone(),
        environment: environment.name.clone(),
        generation: turn.generation,
        rollout: turn.rollout,
        issued_at: turn.issued_at,
        keys: turn.keys,
        hosts: environment.hosts.clone(),
        release,
        weight,
        fallback,
        shield: environment.canary.shield,
        gate: environment.health.clone(),
        drain: environment.drain.clone(),
        lease_ttl_ms,
        task,
    }
}

/// What carries traffic when a document is found that some controller left behind, or carried it before the candidate did.
/// While a lease is on the document its rollout was never finished, and traffic belongs to the fallback.
pub fn stable_of(desired: &Desired, candidate: ReleaseId) -> Option<Version> {
    let fallback = desired.fallback.as_ref().map(|fallback| &fallback.version);
    let stable = match (&desired.release, desired.lease_ttl_ms) {
        // Stopped, on purpose.
        (None, None) => None,
        (Some(release), None) if release.release != candidate => Some(release),
        _ => fallback,
    };
    // A first rollout that was cut off left nothing to return to.
    stable.filter(|version| version.release != candidate).cloned()
}

/// A task beside it, of an `exec` that was cut off, changes nothing about that.
pub fn is_settled_on(desired: &Desired, candidate: ReleaseId) -> bool {
    let is_alone = desired
        .fallback
        .as_ref()
        .is_none_or(|fallback| fallback.keep == Keep::Pinned);
    let runs = desired.release.as_ref().map(|version| version.release);
    runs == Some(candidate) && is_alone && desired.lease_ttl_ms.is_none()
}
