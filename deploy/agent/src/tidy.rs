//! Lets go of what is not needed any more: containers, finished tasks, images. Pure.

use crate::decide::Action;
use crate::world::{Container, Job, Moment, TaskContainer, World};
use contract::{Desired, ImageRef, Version};
use std::time::Duration;

/// A router takes a moment to finish choosing by the table before: no drain is shorter.
const SHORTEST_DRAIN: Duration = Duration::from_millis(250);
/// However small they are: far below what the agent's memory of them holds, so that none is forgotten unpruned.
const MOST_IMAGES: usize = 50;

/// One step towards nothing being here that is not needed.
pub fn tidy(desired: &Desired, kept: &[&Version], world: &World, now: Moment) -> Action {
    if !world.engine {
        return Action::Wait;
    }
    let kept: Vec<&Container> = kept.iter().flat_map(|version| world.replicas(version)).collect();
    let surplus = world
        .containers
        .iter()
        .filter(|found| kept.iter().all(|container| container.id != found.id));
    for container in surplus {
        if let Some(action) = let_go(container, desired, world, now) {
            return action;
        }
    }
    let finished =
        |found: &&TaskContainer| world.results.contains(&found.task) && !world.jobs.contains(&Job::Task(found.task));
    if let Some(task) = world.tasks.iter().find(finished) {
        return Action::RemoveTask(task.id.clone());
    }
    prune(desired, world)
}

/// Stop routing, drain, stop. What the router still sends requests to is never touched.
fn let_go(container: &Container, desired: &Desired, world: &World, now: Moment) -> Option<Action> {
    let is_busy = [
        Job::Retire(container.id.clone()),
        Job::Revive(container.id.clone()),
        Job::Start(container.release),
    ];
    if is_busy.iter().any(|job| world.jobs.contains(job)) {
        return None;
    }
    if !container.proven {
        return Some(Action::Retire(container.id.clone()));
    }
    // Without a document in force it is not known what serves; without a router it is not known what it sends where.
    world.in_force.as_ref()?;
    let routing = world.routing(container)?;
    if routing.routed {
        return None;
    }
    let retire = Some(Action::Retire(container.id.clone()));
    if !container.is_running() {
        return retire;
    }
    let Some(since) = container.draining_since else {
        return Some(Action::Drain(container.id.clone()));
    };
    let drained = now.saturating_sub(since);
    let is_over = drained >= Duration::from_millis(desired.drain.requests_ms);
    if (routing.in_flight == 0 || is_over) && drained >= SHORTEST_DRAIN {
        retire
    } else {
        None
    }
}

fn prune(desired: &Desired, world: &World) -> Action {
    let is_settled = world
        .in_force
        .as_ref()
        .is_some_and(|document| document.generation == desired.generation);
    if !is_settled || !world.jobs.is_empty() {
        return Action::Wait;
    }
    let excess = excess(desired, world);
    if excess.is_empty() {
        Action::Wait
    } else {
        Action::Prune(excess)
    }
}

/// The oldest, until the others are within the budget. What the document names is never among them, nor what a container
/// is made of.
pub fn excess(desired: &Desired, world: &World) -> Vec<ImageRef> {
    let fallback = desired.fallback.as_ref().map(|fallback| &fallback.version);
    let task = desired.task.as_ref().map(|task| &task.version);
    let named: Vec<&Version> = desired.release.iter().chain(fallback).chain(task).collect();
    let is_needed = |image: &ImageRef| {
        let is_used = |container: &Container| container.image == image.digest;
        named.iter().any(|version| version.image == *image) || world.containers.iter().any(is_used)
    };
    let mut held: u64 = world.pulled.iter().map(|pulled| pulled.bytes).sum();
    let mut count = world.pulled.len();
    let mut excess = Vec::new();
    for pulled in world.pulled.iter().filter(|pulled| !is_needed(&pulled.image)) {
        if held <= world.image_budget_bytes && count <= MOST_IMAGES {
            break;
        }
        held -= pulled.bytes;
        count -= 1;
        excess.push(pulled.image.clone());
    }
    excess
}
