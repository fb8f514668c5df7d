//! Several containers of one version.

use super::*;
use std::net::SocketAddr;

fn twice(version: Version) -> Version {
    Version {
        replicas: Replicas::new(2).unwrap(),
        ..version
    }
}

/// The canary, two containers a version.
fn canary_of_two(generation: u64, weight: u16) -> Desired {
    Desired {
        release: Some(twice(version(2))),
        fallback: Some(Fallback {
            version: twice(version(1)),
            keep: Keep::Warm,
        }),
        ..canary(generation, weight)
    }
}

/// The second of version `n`.
fn second(n: u64) -> Container {
    let first = container(n);
    Container {
        id: format!("{}-1", first.id),
        replica: 1,
        address: SocketAddr::new(first.address.ip(), first.address.port() + 100),
        ..first
    }
}

/// Version 1 settled in two containers.
fn settled_on_two() -> World {
    let mut world = settled();
    world.containers.push(second(1));
    let desired = Desired {
        release: Some(twice(version(1))),
        ..document(1)
    };
    bring_into_force(&mut world, &desired);
    world
}

#[test]
fn they_start_one_after_the_other_and_all_are_gated_before_any_gets_traffic() {
    let mut world = settled_on_two();
    let desired = canary_of_two(2, 50);
    let start = |replica| Action::Start(Box::new(twice(version(2))), replica);
    assert_eq!(next(&desired, &world, NOW), start(0));
    world.jobs.insert(Job::Start(version(2).release));
    assert_eq!(next(&desired, &world, NOW), Action::Wait);
    world.jobs.clear();
    world.containers.push(unproven(2));
    assert_eq!(next(&desired, &world, NOW), start(1));
    world.containers.push(Container {
        proven: false,
        readings: Readings::unknown(false),
        since: NOW,
        ..second(2)
    });
    let ready = |container: &mut Container| {
        read(container, true, true, 3);
        container.proven = true;
    };
    ready(&mut world.containers[2]);
    assert_eq!(next(&desired, &world, NOW), Action::Wait);
    ready(&mut world.containers[3]);
    let Action::Bring(table) = next(&desired, &world, NOW) else {
        panic!("all are ready")
    };
    let addresses = |index: usize| {
        let replicas = table.backends[index].replicas.iter();
        replicas.map(|replica| replica.address).collect::<Vec<_>>()
    };
    assert_eq!(addresses(0), [container(1).address, second(1).address]);
    assert_eq!(addresses(1), [container(2).address, second(2).address]);
}

#[test]
fn a_replica_that_is_gone_is_replaced_while_the_others_serve() {
    let mut world = settled_on_two();
    let desired = world.in_force.clone().unwrap();
    world.containers.remove(0);
    assert_eq!(
        next(&desired, &world, NOW),
        Action::Start(Box::new(twice(version(1))), 0)
    );
    world.jobs.insert(Job::Start(version(1).release));
    let Action::Reroute(table) = next(&desired, &world, NOW) else {
        panic!("the router is told which are left")
    };
    let left: Vec<SocketAddr> = table.backends[0]
        .replicas
        .iter()
        .map(|replica| replica.address)
        .collect();
    assert_eq!(left, [second(1).address]);
}

#[test]
fn one_replica_that_dies_on_trial_fails_the_release() {
    let mut world = settled_on_two();
    world.containers.extend([container(2), second(2)]);
    world.lease_until = Some(NOW + Duration::from_secs(10));
    bring_into_force(&mut world, &canary_of_two(5, 250));
    assert_eq!(next(&canary_of_two(5, 250), &world, NOW), Action::Wait);
    world.containers[3].status = Status::Exited;
    let fails = Action::Fail {
        container: "c2-1".to_owned(),
        cause: Cause::Died,
    };
    assert_eq!(next(&canary_of_two(5, 250), &world, NOW), fails);
}

#[test]
fn with_fewer_wanted_the_surplus_drains_by_its_own_requests() {
    let mut world = settled_on_two();
    bring_into_force(&mut world, &document(2));
    assert_eq!(next(&document(2), &world, NOW), Action::Drain("c1-1".to_owned()));
    world.containers[1].draining_since = Some(NOW);
    let soon = NOW + Duration::from_secs(1);
    let router = world.router.as_mut().unwrap();
    // The one that stays has requests all the time, which say nothing about the other.
    router.replicas[0].in_flight = 9;
    router.replicas.push(ReplicaStatus {
        address: second(1).address,
        routed: false,
        in_flight: 1,
    });
    assert_eq!(next(&document(2), &world, soon), Action::Wait);
    world.router.as_mut().unwrap().replicas[1].in_flight = 0;
    assert_eq!(next(&document(2), &world, soon), Action::Retire("c1-1".to_owned()));
}
