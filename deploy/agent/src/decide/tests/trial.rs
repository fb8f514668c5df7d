//! A candidate that has traffic.

use super::*;

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
fn what_ended_with_the_fallback_is_started_again_and_has_not_failed() {
    let mut world = on_trial();
    for container in &mut world.containers {
        container.status = Status::Exited;
        container.readings.forget();
    }
    for id in ["c1", "c2"] {
        assert_eq!(next(&canary(5, 250), &world, NOW), Action::Revive(id.to_owned()));
        world.jobs.insert(Job::Revive(id.to_owned()));
    }
    // The fallback is faster.
    world.containers[0] = container(1);
    let action = next(&canary(5, 250), &world, NOW);
    assert!(matches!(action, Action::Bring(_)), "{action:?}");
    world.jobs.clear();
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
            .all(|backend| !backend.is_ready() && backend.weight != Weight::NONE)
    );
}

#[test]
fn two_misses_on_trial_are_told_to_the_router_and_are_no_failure() {
    let mut world = on_trial();
    read(candidate(&mut world), false, true, 2);
    let Action::Bring(table) = next(&canary(5, 250), &world, NOW) else {
        panic!("the router is told")
    };
    let unready = unready(backend(2, Role::Candidate, 250));
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
        .replicas
        .retain(|known| known.address == container(1).address);
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
    world.router.as_mut().unwrap().replicas.pop();
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
