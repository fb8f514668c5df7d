//! What to do next. Pure: a document, the world as it is and the time in; one action out. It is asked again after each
//! action until it says to wait, so that every decision is made from what is the case and not from what should be.

use crate::tables::{must_put, table};
use crate::tidy::tidy;
use crate::world::{Container, Failed, Job, Moment, Slot, World};
use contract::{Desired, ImageRef, RolloutId, Table, Task, Version};
use docker::Status;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Wait,
    RunTask(Box<Task>),
    /// Beside what runs, in this one of its slots.
    Start(Box<Version>, u8),
    /// The gate is passed: from here on the engine keeps it running.
    Prove(String),
    /// Take evidence, and give this rollout up.
    Fail {
        container: String,
        cause: Cause,
    },
    /// Start a proven container again, stopping it first if it hangs.
    Revive(String),
    /// The document's own table: once confirmed, its generation is in force here.
    Bring(Table),
    /// The same generation with other readiness, or with less for a candidate that failed.
    Reroute(Table),
    Drain(String),
    /// Needed after all.
    Undrain(String),
    /// SIGTERM, its last words to disk, gone.
    Retire(String),
    RemoveTask(String),
    Prune(Vec<ImageRef>),
}

/// Why a rollout is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Before it was ready.
    Exited,
    NotReadyInTime,
    /// While it was on trial.
    Died,
    Hangs,
    StaysUnready,
}

pub fn next(desired: &Desired, world: &World, now: Moment) -> Action {
    let given_up = is_given_up(desired.rollout, world, now) || is_lapsed(desired, world, now);
    let task = desired.task.as_ref().filter(|task| !given_up && is_due(task, world));
    let progress = match task {
        Some(task) => run(task, world),
        None if given_up => Progress::Pending,
        None => bring(desired, world, now),
    };
    match progress {
        Progress::Do(action) => return action,
        Progress::Done => {}
        Progress::Pending => {
            // Until the document is in force here, what served goes on serving.
            if let Some(action) = world.in_force.as_ref().and_then(|document| hold(document, world, now)) {
                return action;
            }
        }
    }
    let wanted = needed(desired).into_iter().filter(|_| !given_up);
    let serving = world
        .in_force
        .iter()
        .flat_map(|document| still_needed(document, world, now));
    let kept = wanted.chain(serving).collect::<Vec<_>>();
    tidy(desired, &kept, world, now)
}

/// Whether the lease of this document ran out: here, or in the router, which counts for itself.
pub fn is_lapsed(desired: &Desired, world: &World, now: Moment) -> bool {
    let in_router = world.router.as_ref().and_then(|router| router.lapsed);
    let here = world.lease_until.is_some_and(|until| until <= now) && has_lease(desired);
    here || in_router == Some(desired.rollout) || world.lapsed.contains(&desired.rollout)
}

/// Without anything to return to there is nothing a lease could do.
pub fn has_lease(desired: &Desired) -> bool {
    desired.lease_ttl_ms.is_some() && desired.warm_fallback().is_some()
}

enum Progress {
    Do(Action),
    Pending,
    Done,
}

fn is_given_up(rollout: RolloutId, world: &World, now: Moment) -> bool {
    let is_for_now = |failed: &Failed| failed.again_at.is_none_or(|at| now < at);
    world
        .failed
        .as_ref()
        .is_some_and(|failed| failed.rollout == rollout && is_for_now(failed))
}

fn is_due(task: &Task, world: &World) -> bool {
    task.host == world.host && !world.results.contains(&task.id)
}

fn run(task: &Task, world: &World) -> Progress {
    if world.engine && !world.jobs.contains(&Job::Task(task.id)) {
        return Progress::Do(Action::RunTask(Box::new(task.clone())));
    }
    Progress::Pending
}

/// One step towards this document being in force.
fn bring(desired: &Desired, world: &World, now: Moment) -> Progress {
    let mut pending = false;
    for slot in needed(desired).into_iter().flat_map(Slot::of) {
        match prepare(slot, desired, world, now) {
            Progress::Do(action) => return Progress::Do(action),
            Progress::Pending => pending = true,
            Progress::Done => {}
        }
    }
    let Some(table) = table(desired, false, world, now) else {
        return serve_stable(desired, world, now);
    };
    if pending || world.router.is_none() {
        return Progress::Pending;
    }
    let is_in_force = world
        .in_force
        .as_ref()
        .is_some_and(|document| document.generation == desired.generation);
    if is_in_force && !must_put(&table, world) {
        Progress::Done
    } else {
        Progress::Do(Action::Bring(table))
    }
}

/// A host that joins a rollout does not wait for the candidate: what is stable serves as soon as it can.
fn serve_stable(desired: &Desired, world: &World, now: Moment) -> Progress {
    match table(desired, true, world, now).filter(|_| world.in_force.is_none()) {
        Some(stable) if must_put(&stable, world) => Progress::Do(Action::Reroute(stable)),
        _ => Progress::Pending,
    }
}

/// One step towards a proven container in this slot. Those of one version start one after the other: the image is pulled
/// once, and a release that cannot run fails with the first.
fn prepare(slot: Slot<'_>, desired: &Desired, world: &World, now: Moment) -> Progress {
    let is_starting = world.jobs.contains(&Job::Start(slot.version.release));
    let Some(container) = world.container(slot) else {
        let action = Action::Start(Box::new(slot.version.clone()), slot.replica);
        return if is_starting || !world.engine {
            Progress::Pending
        } else {
            Progress::Do(action)
        };
    };
    if container.draining_since.is_some() {
        return Progress::Do(Action::Undrain(container.id.clone()));
    }
    if container.proven {
        return keep_up(container, desired, world, now);
    }
    if is_starting || !world.engine {
        Progress::Pending
    } else {
        gate(container, desired, now)
    }
}

fn gate(container: &Container, desired: &Desired, now: Moment) -> Progress {
    let id = container.id.clone();
    let fail = |cause| {
        Progress::Do(Action::Fail {
            container: id.clone(),
            cause,
        })
    };
    match container.status {
        // Left behind by an agent that died between creating and starting it.
        Status::Created => Progress::Do(Action::Retire(id)),
        Status::Exited | Status::Restarting | Status::Dead => fail(Cause::Exited),
        Status::Running | Status::Paused => {
            let deadline = container.since + Duration::from_millis(desired.gate.deadline_ms);
            if container.readings.passes >= desired.gate.passes.max(1) {
                Progress::Do(Action::Prove(id))
            } else if now >= deadline {
                fail(Cause::NotReadyInTime)
            } else {
                Progress::Pending
            }
        }
    }
}

/// A proven version: on trial it fails where a settled one is helped up.
fn keep_up(container: &Container, desired: &Desired, world: &World, now: Moment) -> Progress {
    if let Some(cause) = verdict_on_trial(container, desired, world) {
        return Progress::Do(Action::Fail {
            container: container.id.clone(),
            cause,
        });
    }
    match revive(container, world, now) {
        Some(action) => Progress::Do(action),
        None => Progress::Done,
    }
}

fn verdict_on_trial(container: &Container, desired: &Desired, world: &World) -> Option<Cause> {
    let fallback = desired
        .warm_fallback()
        .filter(|fallback| fallback.release != container.release)?;
    desired.lease_ttl_ms?;
    if container.fresh_restarts > 0 {
        return Some(Cause::Died);
    }
    // When the fallback cannot serve either, something took both, such as an engine that restarted or a database that is
    // down, and that is not the candidate's fault.
    let is_alone = world.replicas(fallback).any(Container::is_ready);
    let is_revived = world.jobs.contains(&Job::Revive(container.id.clone()));
    if !is_alone || is_revived {
        return None;
    }
    if !container.is_running() {
        return Some(Cause::Died);
    }
    if container.readings.is_dead() {
        return Some(Cause::Hangs);
    }
    container.readings.is_hopeless().then_some(Cause::StaysUnready)
}

fn revive(container: &Container, world: &World, now: Moment) -> Option<Action> {
    let is_stopped = matches!(container.status, Status::Exited | Status::Created | Status::Dead);
    let needs_it = is_stopped || (container.is_running() && container.readings.is_dead());
    let is_under_way = world.jobs.contains(&Job::Revive(container.id.clone()));
    let may = world.engine && now >= container.again_at && !is_under_way;
    (needs_it && may).then(|| Action::Revive(container.id.clone()))
}

/// Upkeep of a document that is in force: proven containers run, the router knows who is ready, and a candidate whose
/// rollout was given up gets nothing.
fn hold(document: &Desired, world: &World, now: Moment) -> Option<Action> {
    let containers = still_needed(document, world, now)
        .into_iter()
        .flat_map(|version| world.replicas(version));
    if let Some(action) = containers
        .filter(|found| found.proven)
        .find_map(|found| revive(found, world, now))
    {
        return Some(action);
    }
    let reverted = is_reverted(document, world, now);
    let mut table = table(document, reverted, world, now)?;
    let in_router = world.router.as_ref()?.generation;
    if in_router > table.generation {
        if !reverted {
            return None;
        }
        // Confirmed by the router, but not yet noted here when the agent died: what reverts has to reach that one.
        table.generation = in_router;
    }
    must_put(&table, world).then_some(Action::Reroute(table))
}

fn is_reverted(document: &Desired, world: &World, now: Moment) -> bool {
    let failed = world
        .failed
        .as_ref()
        .is_some_and(|failed| failed.rollout == document.rollout);
    document.warm_fallback().is_some() && (failed || is_lapsed(document, world, now))
}

/// What must run for this document, the fallback first.
fn needed(document: &Desired) -> Vec<&Version> {
    let Some(release) = &document.release else {
        return Vec::new();
    };
    match document
        .warm_fallback()
        .filter(|fallback| fallback.release != release.release)
    {
        Some(fallback) => vec![fallback, release],
        None => vec![release],
    }
}

fn still_needed<'a>(document: &'a Desired, world: &World, now: Moment) -> Vec<&'a Version> {
    if is_reverted(document, world, now) {
        document.warm_fallback().into_iter().collect()
    } else {
        needed(document)
    }
}

#[cfg(test)]
mod tests;
