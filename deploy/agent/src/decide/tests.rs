//! Claims about what happens next. Version 1 is what served before, version 2 the candidate.

use super::*;
use crate::readings::{Outcome, Reading, Readings};
use crate::world::tests::{config, container, document, version};
use crate::world::{Confirmed, TaskContainer};
use contract::{Backend, Fallback, Generation, Keep, Role, RouterStatus, TableLease, TaskId, VersionStatus, Weight};
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

fn bring_into_force(world: &mut World, document: &Desired) {
    let table = table(document, false, world, NOW).unwrap();
    let router = world.router.as_mut().unwrap();
    router.generation = table.generation;
    let status = |backend: &Backend| VersionStatus {
        release: backend.release,
        weight: backend.weight,
        in_flight: 0,
        counts: Default::default(),
        latency: Default::default(),
    };
    router.versions = table.backends.iter().map(status).collect();
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
        versions: Vec::new(),
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
        address: found.address,
        weight: Weight::per_mille(weight).unwrap(),
        ready: true,
    }
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

// A settled host.

#[test]
fn a_settled_host_does_nothing() {
    assert_eq!(next(&document(1), &settled(), NOW), Action::Wait);
}

#[test]
fn a_settled_version_that_stopped_is_started_again_but_not_before_its_back_off_ends() {
    let mut world = settled();
    world.containers[0].status = Status::Exited;
    world.confirmed.as_mut().unwrap().table.backends[0].ready = false;
    assert_eq!(next(&document(1), &world, NOW), Action::Revive("c1".to_owned()));
    world.containers[0].again_at = NOW + Duration::from_secs(1);
    assert_eq!(next(&document(1), &world, NOW), Action::Wait);
    world.containers[0].again_at = NOW;
    world.jobs.insert(Job::Revive("c1".to_owned()));
    assert_eq!(next(&document(1), &world, NOW), Action::Wait);
}

#[test]
fn a_settled_version_that_hangs_is_restarted_and_one_that_is_only_unready_is_not() {
    let mut world = settled();
    read(&mut world.containers[0], false, true, 50);
    let Action::Bring(table) = next(&document(1), &world, NOW) else {
        panic!("the router is told")
    };
    assert!(!table.backends[0].ready);
    world.confirmed.as_mut().unwrap().table = table;
    assert_eq!(next(&document(1), &world, NOW), Action::Wait);
    read(&mut world.containers[0], false, false, 5);
    assert_eq!(next(&document(1), &world, NOW), Action::Revive("c1".to_owned()));
}

#[test]
fn a_settled_version_whose_container_is_gone_is_started_anew() {
    let mut world = settled();
    world.containers.clear();
    assert_eq!(next(&document(1), &world, NOW), Action::Start(Box::new(version(1))));
}

#[test]
fn a_router_that_was_restarted_gets_the_table_again() {
    let mut world = settled();
    world.router.as_mut().unwrap().epoch = 2;
    let Action::Bring(table) = next(&document(1), &world, NOW) else {
        panic!("the router is told")
    };
    assert_eq!(table.backends, [backend(1, Role::Stable, 1000)]);
}

#[test]
fn an_agent_that_was_restarted_puts_the_table_once() {
    let world = World {
        confirmed: None,
        ..settled()
    };
    assert!(matches!(next(&document(1), &world, NOW), Action::Bring(_)));
}

#[test]
fn without_a_router_nothing_is_let_go() {
    let mut world = World {
        router: None,
        ..on_trial()
    };
    bring_nothing(&mut world);
    assert_eq!(next(&document(9), &world, NOW), Action::Wait);
}

/// Rollout 2 is over; version 2 is not needed by anything.
fn bring_nothing(world: &mut World) {
    world.in_force = Some(document(1));
}

#[test]
fn without_an_engine_nothing_is_started_and_the_table_is_still_kept() {
    let world = World {
        engine: false,
        ..settled()
    };
    assert_eq!(next(&canary(2, 0), &world, NOW), Action::Wait);
    let world = World {
        engine: false,
        ..on_trial()
    };
    assert!(matches!(next(&canary(6, 500), &world, NOW), Action::Bring(_)));
}

// A candidate beside what serves.

#[test]
fn a_candidate_is_started_beside_what_serves() {
    assert_eq!(
        next(&canary(2, 0), &settled(), NOW),
        Action::Start(Box::new(version(2)))
    );
}

#[test]
fn while_it_is_being_started_nothing_else_happens() {
    let mut world = settled();
    world.jobs.insert(Job::Start(version(2).release));
    assert_eq!(next(&canary(2, 0), &world, NOW), Action::Wait);
    // Created by the job, not started yet.
    world.containers.push(Container {
        status: Status::Created,
        ..unproven(2)
    });
    assert_eq!(next(&canary(2, 0), &world, NOW), Action::Wait);
}

#[test]
fn what_a_dead_agent_created_and_did_not_start_is_cleared_away() {
    let mut world = settled();
    world.containers.push(Container {
        status: Status::Created,
        ..unproven(2)
    });
    assert_eq!(next(&canary(2, 0), &world, NOW), Action::Retire("c2".to_owned()));
}

#[test]
fn the_gate_is_passed_by_passes_in_a_row_and_not_before() {
    let mut world = settled();
    world.containers.push(unproven(2));
    read(candidate(&mut world), true, true, 2);
    assert_eq!(next(&canary(2, 0), &world, NOW), Action::Wait);
    read(candidate(&mut world), true, true, 1);
    assert_eq!(next(&canary(2, 0), &world, NOW), Action::Prove("c2".to_owned()));
}

#[test]
fn a_candidate_that_is_not_ready_in_time_fails() {
    let mut world = settled();
    world.containers.push(unproven(2));
    read(candidate(&mut world), false, true, 2);
    let deadline = NOW + Duration::from_secs(5);
    assert_eq!(
        next(&canary(2, 0), &world, deadline - Duration::from_millis(1)),
        Action::Wait
    );
    assert_eq!(next(&canary(2, 0), &world, deadline), fails(2, Cause::NotReadyInTime));
}

#[test]
fn a_candidate_that_exits_fails_at_once() {
    let mut world = settled();
    world.containers.push(Container {
        status: Status::Exited,
        ..unproven(2)
    });
    assert_eq!(next(&canary(2, 0), &world, NOW), fails(2, Cause::Exited));
}

#[test]
fn a_failed_candidate_is_removed_and_never_started_or_routed_to_again() {
    let mut world = World {
        failed: given_up(),
        ..settled()
    };
    world.containers.push(Container {
        status: Status::Exited,
        ..unproven(2)
    });
    assert_eq!(next(&canary(2, 0), &world, NOW), Action::Retire("c2".to_owned()));
    world.containers.pop();
    // Neither the same document nor a renewal of it changes that.
    assert_eq!(next(&canary(2, 0), &world, NOW), Action::Wait);
    assert_eq!(next(&canary(3, 0), &world, NOW), Action::Wait);
    // Another rollout is another matter.
    let again = Desired {
        rollout: RolloutId::from_parts(3, 0),
        ..canary(4, 0)
    };
    assert_eq!(next(&again, &world, NOW), Action::Start(Box::new(version(2))));
}

#[test]
fn what_served_before_is_tried_again_once_its_pause_is_over() {
    let rollout = document(1).rollout;
    let mut world = World {
        failed: Some(Failed {
            rollout,
            again_at: Some(NOW),
        }),
        ..settled()
    };
    world.containers.clear();
    assert_eq!(next(&document(1), &world, NOW - Duration::from_millis(1)), Action::Wait);
    assert_eq!(next(&document(1), &world, NOW), Action::Start(Box::new(version(1))));
}

#[test]
fn a_proven_candidate_is_routed_to_with_its_weight_and_the_rest_goes_to_the_fallback() {
    let mut world = settled();
    world.containers.push(container(2));
    world.lease_until = Some(NOW + Duration::from_millis(9_500));
    let Action::Bring(table) = next(&canary(2, 50), &world, NOW) else {
        panic!("it is ready")
    };
    assert_eq!(table.generation, Generation(2));
    assert_eq!(
        table.backends,
        [backend(1, Role::Stable, 950), backend(2, Role::Candidate, 50)]
    );
    let rollout = RolloutId::from_parts(2, 0);
    assert_eq!(table.lease, Some(TableLease { rollout, ttl_ms: 9_500 }));
}

#[test]
fn until_the_candidate_is_proven_the_router_is_told_nothing_of_it() {
    let mut world = settled();
    world.containers.push(unproven(2));
    assert_eq!(next(&canary(2, 500), &world, NOW), Action::Wait);
    // What serves is kept up to date all the same, at the generation in force.
    read(&mut world.containers[0], false, true, 2);
    let Action::Reroute(table) = next(&canary(2, 500), &world, NOW) else {
        panic!("the router is told")
    };
    assert_eq!(table.generation, Generation(1));
    assert_eq!(
        table.backends,
        [Backend {
            ready: false,
            ..backend(1, Role::Stable, 1000)
        }]
    );
}

#[test]
fn a_first_release_is_stable_by_itself() {
    let mut world = settled();
    world.in_force = None;
    world.confirmed = None;
    let Action::Bring(table) = next(&document(2), &world, NOW) else {
        panic!("it is ready")
    };
    assert_eq!(table.backends, [backend(1, Role::Stable, 1000)]);
    assert_eq!(table.lease, None);
}

#[test]
fn a_fallback_that_is_missing_is_started_first() {
    let mut world = settled();
    world.containers.clear();
    assert_eq!(next(&canary(2, 0), &world, NOW), Action::Start(Box::new(version(1))));
}

#[test]
fn the_wrong_image_under_the_right_release_is_not_taken_for_it() {
    let mut world = settled();
    world.containers.push(Container {
        image: version(7).image.digest,
        ..container(2)
    });
    assert_eq!(next(&canary(2, 0), &world, NOW), Action::Start(Box::new(version(2))));
}

// On trial.

#[test]
fn a_renewal_is_put_at_once() {
    let Action::Bring(table) = next(&canary(6, 250), &on_trial(), NOW) else {
        panic!("the lease is renewed")
    };
    assert_eq!(table.generation, Generation(6));
    assert_eq!(next(&canary(5, 250), &on_trial(), NOW), Action::Wait);
}

#[test]
fn the_time_left_in_a_lease_is_no_reason_to_put_a_table() {
    assert_eq!(
        next(&canary(5, 250), &on_trial(), NOW + Duration::from_secs(3)),
        Action::Wait
    );
}

#[test]
fn a_candidate_that_dies_on_trial_fails() {
    for status in [Status::Exited, Status::Restarting, Status::Dead] {
        let mut world = on_trial();
        candidate(&mut world).status = status;
        assert_eq!(next(&canary(5, 250), &world, NOW), fails(2, Cause::Died));
    }
    let mut world = on_trial();
    candidate(&mut world).fresh_restarts = 1;
    assert_eq!(next(&canary(5, 250), &world, NOW), fails(2, Cause::Died));
}

#[test]
fn a_candidate_that_hangs_on_trial_fails() {
    let mut world = on_trial();
    read(candidate(&mut world), false, false, 5);
    assert_eq!(next(&canary(5, 250), &world, NOW), fails(2, Cause::Hangs));
}

#[test]
fn a_candidate_that_stays_unready_on_trial_fails_unless_the_fallback_suffers_the_same() {
    let mut world = on_trial();
    read(candidate(&mut world), false, true, 5);
    assert_eq!(next(&canary(5, 250), &world, NOW), fails(2, Cause::StaysUnready));
    read(&mut world.containers[0], false, true, 5);
    let Action::Bring(table) = next(&canary(5, 250), &world, NOW) else {
        panic!("the router is told")
    };
    assert!(
        table
            .backends
            .iter()
            .all(|backend| !backend.ready && backend.weight != Weight::NONE)
    );
}

#[test]
fn two_misses_on_trial_are_told_to_the_router_and_are_no_failure() {
    let mut world = on_trial();
    read(candidate(&mut world), false, true, 2);
    let Action::Bring(table) = next(&canary(5, 250), &world, NOW) else {
        panic!("the router is told")
    };
    let unready = Backend {
        ready: false,
        ..backend(2, Role::Candidate, 250)
    };
    assert_eq!(table.backends, [backend(1, Role::Stable, 750), unready]);
}

#[test]
fn after_a_failure_on_trial_the_fallback_takes_everything_and_the_candidate_goes() {
    let mut world = World {
        failed: given_up(),
        ..on_trial()
    };
    candidate(&mut world).status = Status::Exited;
    let Action::Reroute(table) = next(&canary(5, 250), &world, NOW) else {
        panic!("traffic returns")
    };
    assert_eq!((table.generation, &table.lease), (Generation(5), &None));
    assert_eq!(table.backends, [backend(1, Role::Stable, 1000)]);
    world.confirmed.as_mut().unwrap().table = table;
    assert_eq!(
        next(&canary(5, 250), &world, NOW),
        Action::Wait,
        "the router has not said so yet"
    );
    world
        .router
        .as_mut()
        .unwrap()
        .versions
        .retain(|known| known.release == version(1).release);
    assert_eq!(next(&canary(5, 250), &world, NOW), Action::Retire("c2".to_owned()));
}

#[test]
fn a_controller_that_renews_a_failed_rollout_gives_its_candidate_nothing() {
    let mut world = World {
        failed: given_up(),
        ..on_trial()
    };
    let Action::Reroute(table) = next(&canary(6, 1000), &world, NOW) else {
        panic!("traffic returns")
    };
    assert_eq!(table.backends, [backend(1, Role::Stable, 1000)]);
    world.confirmed.as_mut().unwrap().table = table;
    world.router.as_mut().unwrap().versions.pop();
    world.containers.pop();
    assert_eq!(next(&canary(7, 1000), &world, NOW), Action::Wait);
}

#[test]
fn a_revert_reaches_a_table_that_was_confirmed_but_not_noted() {
    let mut world = World {
        failed: given_up(),
        confirmed: None,
        ..on_trial()
    };
    world.in_force = Some(canary(4, 0));
    let Action::Reroute(table) = next(&canary(5, 250), &world, NOW) else {
        panic!("traffic returns")
    };
    assert_eq!(table.generation, Generation(5), "a lower one would be refused");
    assert_eq!(table.backends, [backend(1, Role::Stable, 1000)]);
}

// The dead man's switch.

#[test]
fn when_the_lease_runs_out_all_traffic_returns_for_good() {
    let world = on_trial();
    let until = world.lease_until.unwrap();
    assert_eq!(
        next(&canary(5, 250), &world, until - Duration::from_millis(1)),
        Action::Wait
    );
    let Action::Reroute(table) = next(&canary(5, 250), &world, until) else {
        panic!("traffic returns")
    };
    assert_eq!(table.backends, [backend(1, Role::Stable, 1000)]);
    // A late renewal, and even the end of that rollout, come too late.
    let lapsed = World {
        lapsed: [RolloutId::from_parts(2, 0)].into(),
        lease_until: None,
        ..on_trial()
    };
    for late in [canary(6, 500), promoted(7)] {
        assert!(matches!(next(&late, &lapsed, NOW), Action::Reroute(table) if table.backends.len() == 1));
    }
}

#[test]
fn a_lapse_in_the_router_counts_here_too() {
    let mut world = on_trial();
    world.router.as_mut().unwrap().lapsed = Some(RolloutId::from_parts(2, 0));
    assert!(matches!(next(&canary(5, 250), &world, NOW), Action::Reroute(_)));
    world.router.as_mut().unwrap().lapsed = Some(RolloutId::from_parts(1, 7));
    assert_eq!(
        next(&canary(5, 250), &world, NOW),
        Action::Wait,
        "that was an earlier rollout"
    );
}

#[test]
fn a_rollout_that_lapses_before_it_came_into_force_leaves_everything_as_it_was() {
    let mut world = settled();
    world.lease_until = Some(NOW);
    world.containers.push(unproven(2));
    assert_eq!(next(&canary(2, 0), &world, NOW), Action::Retire("c2".to_owned()));
    world.containers.pop();
    assert_eq!(next(&canary(2, 0), &world, NOW), Action::Wait);
}

#[test]
fn without_a_warm_fallback_there_is_no_lease() {
    let alone = Desired {
        lease_ttl_ms: Some(1),
        ..document(1)
    };
    let world = World {
        lease_until: Some(Duration::ZERO),
        ..settled()
    };
    assert_eq!(next(&alone, &world, NOW), Action::Wait);
}

// Letting go.

/// Version 2 promoted and in force, version 1 still running.
fn after_promotion() -> World {
    let mut world = on_trial();
    world.lease_until = None;
    bring_into_force(&mut world, &promoted(8));
    world
}

#[test]
fn a_warm_fallback_keeps_running_at_full_weight_of_the_release() {
    let mut world = on_trial();
    bring_into_force(&mut world, &canary(6, 1000));
    assert_eq!(next(&canary(6, 1000), &world, NOW), Action::Wait);
}

#[test]
fn a_pinned_fallback_drains_and_then_stops() {
    let mut world = after_promotion();
    assert_eq!(next(&promoted(8), &world, NOW), Action::Drain("c1".to_owned()));
    world.containers[0].draining_since = Some(NOW);
    let soon = NOW + Duration::from_millis(300);
    assert_eq!(next(&promoted(8), &world, soon), Action::Retire("c1".to_owned()));
    world.jobs.insert(Job::Retire("c1".to_owned()));
    assert_eq!(next(&promoted(8), &world, soon), Action::Wait);
}

#[test]
fn requests_in_flight_are_waited_for_but_not_for_ever() {
    let mut world = after_promotion();
    world.containers[0].draining_since = Some(NOW);
    let busy = VersionStatus {
        in_flight: 1,
        ..draining(1)
    };
    world.router.as_mut().unwrap().versions.push(busy);
    let soon = NOW + Duration::from_secs(9);
    assert_eq!(next(&promoted(8), &world, soon), Action::Wait);
    assert_eq!(
        next(&promoted(8), &world, NOW + Duration::from_secs(10)),
        Action::Retire("c1".to_owned())
    );
    world.router.as_mut().unwrap().versions.pop();
    assert_eq!(next(&promoted(8), &world, soon), Action::Retire("c1".to_owned()));
}

fn draining(n: u64) -> VersionStatus {
    VersionStatus {
        release: version(n).release,
        weight: Weight::NONE,
        in_flight: 0,
        counts: Default::default(),
        latency: Default::default(),
    }
}

#[test]
fn what_the_router_still_sends_requests_to_is_never_stopped() {
    let mut world = after_promotion();
    world.containers[0].draining_since = Some(Duration::ZERO);
    let routed = VersionStatus {
        weight: Weight::ALL,
        ..draining(1)
    };
    world.router.as_mut().unwrap().versions.push(routed);
    assert_eq!(next(&promoted(8), &world, NOW), Action::Wait);
}

#[test]
fn an_agent_that_lost_its_memory_stops_nothing_before_its_document_is_in_force() {
    let mut world = after_promotion();
    world.in_force = None;
    world.containers.pop();
    world.containers.push(unproven(2));
    assert_eq!(next(&promoted(8), &world, NOW), Action::Wait);
}

#[test]
fn what_is_draining_and_needed_again_stays() {
    let mut world = after_promotion();
    world.containers[0].draining_since = Some(NOW);
    let back = Desired {
        rollout: RolloutId::from_parts(3, 0),
        ..document(9)
    };
    assert_eq!(next(&back, &world, NOW), Action::Undrain("c1".to_owned()));
}

#[test]
fn a_revert_moves_traffic_first_and_stops_the_candidate_after() {
    let mut world = on_trial();
    let back = Desired {
        rollout: RolloutId::from_parts(3, 0),
        ..document(9)
    };
    let Action::Bring(table) = next(&back, &world, NOW) else {
        panic!("traffic moves first")
    };
    assert_eq!(table.backends, [backend(1, Role::Stable, 1000)]);
    bring_into_force(&mut world, &back);
    assert_eq!(next(&back, &world, NOW), Action::Drain("c2".to_owned()));
}

#[test]
fn a_stopped_environment_has_no_backends_and_no_containers() {
    let stopped = Desired {
        release: None,
        ..document(2)
    };
    let mut world = settled();
    let Action::Bring(table) = next(&stopped, &world, NOW) else {
        panic!("the router is told first")
    };
    assert_eq!(table.backends, []);
    bring_into_force(&mut world, &stopped);
    assert_eq!(next(&stopped, &world, NOW), Action::Drain("c1".to_owned()));
    world.containers[0].draining_since = Some(NOW - Duration::from_secs(1));
    assert_eq!(next(&stopped, &world, NOW), Action::Retire("c1".to_owned()));
}

#[test]
fn of_two_containers_of_one_release_the_proven_one_stays() {
    let mut world = settled();
    let id = "other".to_owned();
    world.containers.insert(
        0,
        Container {
            id: id.clone(),
            ..unproven(1)
        },
    );
    assert_eq!(next(&document(1), &world, NOW), Action::Retire(id));
}

// Tasks.

#[test]
fn a_task_runs_before_anything_else_and_once() {
    let mut world = settled();
    assert_eq!(next(&with_task(2), &world, NOW), Action::RunTask(Box::new(task())));
    world.jobs.insert(Job::Task(task().id));
    assert_eq!(next(&with_task(2), &world, NOW), Action::Wait);
    world.jobs.clear();
    world.results.insert(task().id);
    assert!(
        matches!(next(&with_task(2), &world, NOW), Action::Bring(_)),
        "its generation is acknowledged after it"
    );
}

#[test]
fn a_task_of_another_host_holds_nothing_up() {
    let mut desired = with_task(2);
    desired.task.as_mut().unwrap().host = contract::HostName::parse("host-2").unwrap();
    assert!(matches!(next(&desired, &settled(), NOW), Action::Bring(_)));
}

#[test]
fn a_task_that_could_not_be_run_is_not_tried_again_in_this_rollout() {
    let world = World {
        failed: given_up(),
        ..settled()
    };
    assert_eq!(next(&with_task(2), &world, NOW), Action::Wait);
}

#[test]
fn while_a_task_runs_the_router_still_hears_who_is_ready() {
    let mut world = settled();
    world.jobs.insert(Job::Task(task().id));
    read(&mut world.containers[0], false, true, 2);
    assert!(matches!(next(&with_task(2), &world, NOW), Action::Reroute(table) if !table.backends[0].ready));
}

#[test]
fn a_task_s_container_goes_only_once_its_result_is_kept() {
    let mut world = settled();
    world.tasks.push(TaskContainer {
        id: "t".to_owned(),
        task: task().id,
    });
    assert_eq!(next(&document(1), &world, NOW), Action::Wait);
    world.results.insert(task().id);
    assert_eq!(next(&document(1), &world, NOW), Action::RemoveTask("t".to_owned()));
}

// Images.

#[test]
fn old_images_are_pruned_beyond_release_fallback_and_the_latest_three() {
    let mut world = after_promotion();
    world.containers.retain(|found| found.release == version(2).release);
    world.pulled = [1, 2, 3, 4, 5, 6, 7].map(|n| version(n).image).into();
    // 1 is pinned, 2 runs, 5 to 7 are the latest.
    let excess = [3, 4].map(|n| version(n).image);
    assert_eq!(next(&promoted(8), &world, NOW), Action::Prune(excess.into()));
    world.jobs.insert(Job::Prune);
    assert_eq!(next(&promoted(8), &world, NOW), Action::Wait);
}

#[test]
fn nothing_is_pruned_while_a_rollout_is_under_way() {
    let mut world = settled();
    world.jobs.insert(Job::Start(version(2).release));
    world.pulled = [3, 4, 5, 6, 7].map(|n| version(n).image).into();
    assert_eq!(next(&canary(2, 0), &world, NOW), Action::Wait);
}
