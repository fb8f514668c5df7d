//! Everybody who could lead or follow is gone: what serves is left with what it knows.

use crate::fleet::Fleet;
use crate::next::Reason;
use crate::versions::{LEASE, release};
use crate::wait::{PATIENCE, rounds, soon};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::time::Instant;

#[tokio::test(flavor = "multi_thread")]
async fn without_agents_and_controller_every_router_is_back_on_stable_and_a_later_rollout_goes_through() {
    for _ in 0..rounds() {
        all_fall_silent().await;
    }
}

async fn all_fall_silent() {
    let mut fleet = Fleet::of(3).await;
    let load = fleet.load();
    let second = fleet.version(2);
    fleet.controller.begin(second.clone());
    for share in [0, 250] {
        fleet.controller.shift(share).await.unwrap();
    }
    let since = Instant::now();
    join_all(fleet.machines.iter().map(|machine| machine.lose_agent())).await;
    let canary = BTreeMap::from([(release(1), 750), (release(2), 250)]);
    for machine in &fleet.machines {
        assert_eq!(machine.weights().await, canary, "a dead agent changes nothing");
    }
    let alone = BTreeMap::from([(release(1), 1000)]);
    let returns = fleet.machines.iter().map(|machine| {
        soon(PATIENCE, "this router is back on stable", async || {
            machine.weights().await == alone
        })
    });
    join_all(returns).await;
    let returned_after = since.elapsed();
    load.flows(200).await;

    // Its own rollout is over for them, whoever goes on with it.
    fleet.machines.iter().for_each(|machine| machine.return_agent());
    fleet.are_all_on(1).await;
    let reason = fleet.controller.until_trouble().await;
    assert!(matches!(reason, Reason::Lapsed { .. }), "{reason:#?}");
    load.flows(200).await;
    fleet.are_all_on(1).await;
    fleet.controller.roll_out(second).await.unwrap();
    fleet.are_all_on(2).await;
    println!(
        "agents and controller gone: every router on stable after {:.1} s of a lease of {} s",
        returned_after.as_secs_f64(),
        LEASE.as_secs()
    );
    load.end()
        .await
        .expect_none_failed("three machines whose agents were killed mid-canary");
}
