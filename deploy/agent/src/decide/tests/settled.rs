//! A settled host, and what it puts up with.

use super::*;

#[test]
fn a_settled_host_does_nothing() {
    assert_eq!(next(&document(1), &settled(), NOW), Action::Wait);
}

#[test]
fn a_settled_version_that_stopped_is_started_again_but_not_before_its_back_off_ends() {
    let mut world = settled();
    world.containers[0].status = Status::Exited;
    world.confirmed.as_mut().unwrap().table.backends[0].replicas[0].ready = false;
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
    assert!(!table.backends[0].is_ready());
    world.confirmed.as_mut().unwrap().table = table;
    assert_eq!(next(&document(1), &world, NOW), Action::Wait);
    read(&mut world.containers[0], false, false, 5);
    assert_eq!(next(&document(1), &world, NOW), Action::Revive("c1".to_owned()));
}

#[test]
fn a_settled_version_whose_container_is_gone_is_started_anew() {
    let mut world = settled();
    world.containers.clear();
    assert_eq!(next(&document(1), &world, NOW), Action::Start(Box::new(version(1)), 0));
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
