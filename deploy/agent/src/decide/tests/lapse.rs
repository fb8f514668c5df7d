//! The dead man's switch: what a lapsed lease does.

use super::*;

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
