//! Claims about what happens next. Version 1 is what served before, version 2 the candidate.

mod candidate;
mod images;
mod lapse;
mod letting_go;
mod replicas;
mod settled;
mod tasks;
mod trial;

use super::*;
use crate::readings::{Outcome, Reading, Readings};
use crate::world::tests::{config, container, document, version};
use crate::world::{Confirmed, TaskContainer};
use contract::{
    Backend, Fallback, Generation, Keep, Replica, ReplicaStatus, Replicas, Role, RouterStatus, TableLease, TaskId,
    Weight,
};
use std::collections::BTreeSet;

const NOW: Moment = Duration::from_secs(100);

/// Version 1 settled at generation 1, in force and in the router.
fn settled() -> World {
    let mut world = World {
        host: config().host,
        engine: true,
        containers: vec![container(1)],
        tasks: Vec::new(),
        results: BTreeSet::new(),
        router: Some(router()),
        confirmed: None,
        in_force: None,
        failed: None,
        lapsed: BTreeSet::new(),
        lease_until: None,
        jobs: BTreeSet::new(),
        pulled: Vec::new(),
        image_budget_bytes: 0,
    };
    bring_into_force(&mut world, &document(1));
    world
}

/// The canary at 25 % in force at generation 5, lease and all.
fn on_trial() -> World {
    let mut world = settled();
    world.containers.push(container(2));
    world.lease_until = Some(NOW + Duration::from_secs(10));
    bring_into_force(&mut world, &canary(5, 250));
    world
}

/// Version 2 promoted and in force, version 1 still running.
fn after_promotion() -> World {
    let mut world = on_trial();
    world.lease_until = None;
    bring_into_force(&mut world, &promoted(8));
    world
}

fn bring_into_force(world: &mut World, document: &Desired) {
    let table = table(document, false, world, NOW).unwrap();
    let router = world.router.as_mut().unwrap();
    router.generation = table.generation;
    let replicas = table.backends.iter().flat_map(|backend| {
        let routed = backend.weight > Weight::NONE;
        backend.replicas.iter().map(move |replica| ReplicaStatus {
            address: replica.address,
            routed,
            in_flight: 0,
        })
    });
    router.replicas = replicas.collect();
    world.confirmed = Some(Confirmed {
        epoch: router.epoch,
        table,
    });
    world.in_force = Some(document.clone());
}

fn router() -> RouterStatus {
    RouterStatus {
        router_version: "0.1.0".to_owned(),
        epoch: 1,
        generation: Generation(0),
        lapsed: None,
        hold: None,
        versions: Vec::new(),
        replicas: Vec::new(),
    }
}

/// Version 2 beside version 1, in rollout 2, with a lease.
fn canary(generation: u64, weight: u16) -> Desired {
    Desired {
        rollout: RolloutId::from_parts(2, 0),
        release: Some(version(2)),
        weight: Weight::per_mille(weight).unwrap(),
        fallback: Some(Fallback {
            version: version(1),
            keep: Keep::Warm,
        }),
        lease_ttl_ms: Some(10_000),
        ..document(generation)
    }
}

/// The end of rollout 2: version 2 alone, version 1 only pinned.
fn promoted(generation: u64) -> Desired {
    let fallback = Some(Fallback {
        version: version(1),
        keep: Keep::Pinned,
    });
    Desired {
        weight: Weight::ALL,
        fallback,
        lease_ttl_ms: None,
        ..canary(generation, 1000)
    }
}

fn task() -> Task {
    Task {
        id: TaskId::from_parts(1, 1),
        host: config().host,
        version: version(2),
        command: vec!["migrate".to_owned()],
        timeout_ms: 1_000,
    }
}

fn with_task(generation: u64) -> Desired {
    Desired {
        rollout: RolloutId::from_parts(2, 0),
        task: Some(task()),
        ..document(generation)
    }
}

fn backend(n: u64, role: Role, weight: u16) -> Backend {
    let found = container(n);
    Backend {
        release: found.release,
        role,
        weight: Weight::per_mille(weight).unwrap(),
        replicas: vec![Replica {
            address: found.address,
            ready: true,
        }],
    }
}

fn unready(mut backend: Backend) -> Backend {
    backend.replicas.iter_mut().for_each(|replica| replica.ready = false);
    backend
}

fn fails(n: u64, cause: Cause) -> Action {
    Action::Fail {
        container: container(n).id,
        cause,
    }
}

fn read(container: &mut Container, ready: bool, live: bool, times: u32) {
    let outcome = |passed| Outcome {
        passed,
        answered: true,
        text: String::new(),
    };
    for _ in 0..times {
        container.readings.note(&Reading {
            ready: outcome(ready),
            live: outcome(live),
        });
    }
}

fn candidate(world: &mut World) -> &mut Container {
    world
        .containers
        .iter_mut()
        .find(|found| found.release == version(2).release)
        .unwrap()
}

/// Just started, with nothing to show yet.
fn unproven(n: u64) -> Container {
    Container {
        proven: false,
        since: NOW,
        readings: Readings::unknown(false),
        ..container(n)
    }
}

/// The rollout of a canary was given up, with no second attempt.
fn given_up() -> Option<Failed> {
    Some(Failed {
        rollout: RolloutId::from_parts(2, 0),
        again_at: None,
    })
}
