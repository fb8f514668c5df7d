//! How what is no longer needed leaves.

use super::*;

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
    let busy = ReplicaStatus {
        in_flight: 1,
        ..draining(1)
    };
    world.router.as_mut().unwrap().replicas.push(busy);
    let soon = NOW + Duration::from_secs(9);
    assert_eq!(next(&promoted(8), &world, soon), Action::Wait);
    assert_eq!(
        next(&promoted(8), &world, NOW + Duration::from_secs(10)),
        Action::Retire("c1".to_owned())
    );
    world.router.as_mut().unwrap().replicas.pop();
    assert_eq!(next(&promoted(8), &world, soon), Action::Retire("c1".to_owned()));
}

fn draining(n: u64) -> ReplicaStatus {
    ReplicaStatus {
        address: container(n).address,
        routed: false,
        in_flight: 0,
    }
}

#[test]
fn what_the_router_still_sends_requests_to_is_never_stopped() {
    let mut world = after_promotion();
    world.containers[0].draining_since = Some(Duration::ZERO);
    let routed = ReplicaStatus {
        routed: true,
        ..draining(1)
    };
    world.router.as_mut().unwrap().replicas.push(routed);
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
