//! A candidate beside what serves, until it is proven.

use super::*;

#[test]
fn a_candidate_is_started_beside_what_serves() {
    assert_eq!(
        next(&canary(2, 0), &settled(), NOW),
        Action::Start(Box::new(version(2)), 0)
    );
}

#[test]
fn a_host_that_joins_serves_with_what_is_stable_before_the_candidate_is_proven() {
    let mut world = World {
        in_force: None,
        confirmed: None,
        ..settled()
    };
    world.containers.push(unproven(2));
    let Action::Reroute(table) = next(&canary(2, 250), &world, NOW) else {
        panic!("what is stable serves")
    };
    assert_eq!(table.backends, [backend(1, Role::Stable, 1000)]);
    assert_eq!(table.lease, None, "there is nothing to return to");
    world.confirmed = Some(Confirmed {
        epoch: router().epoch,
        table: table.clone(),
    });
    world.router.as_mut().unwrap().generation = table.generation;
    assert_eq!(next(&canary(2, 250), &world, NOW), Action::Wait, "once is enough");
    candidate(&mut world).proven = true;
    let Action::Bring(table) = next(&canary(2, 250), &world, NOW) else {
        panic!("now it is in force")
    };
    assert_eq!(table.backends.len(), 2);
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
    assert_eq!(next(&again, &world, NOW), Action::Start(Box::new(version(2)), 0));
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
    assert_eq!(next(&document(1), &world, NOW), Action::Start(Box::new(version(1)), 0));
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
    assert_eq!(table.backends, [unready(backend(1, Role::Stable, 1000))]);
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
    assert_eq!(next(&canary(2, 0), &world, NOW), Action::Start(Box::new(version(1)), 0));
}

#[test]
fn the_wrong_image_under_the_right_release_is_not_taken_for_it() {
    let mut world = settled();
    world.containers.push(Container {
        image: version(7).image.digest,
        ..container(2)
    });
    assert_eq!(next(&canary(2, 0), &world, NOW), Action::Start(Box::new(version(2)), 0));
}
