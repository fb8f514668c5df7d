//! Machines that are cut off from the channel or from the registry while a rollout is under way.

use crate::fleet::Fleet;
use crate::next::Reason;
use crate::versions::{LEASE, host_name, release};
use crate::wait::{PATIENCE, rounds, soon};
use contract::FailureKind;
use std::collections::BTreeMap;

#[tokio::test(flavor = "multi_thread")]
async fn machines_cut_off_from_registry_or_channel_end_on_the_old_release_and_follow_the_next() {
    for _ in 0..rounds() {
        cut_off().await;
    }
}

async fn cut_off() {
    let mut fleet = Fleet::of(3).await;
    let load = fleet.load();
    let (second, third) = (fleet.version(2), fleet.version(3));
    fleet.controller.roll_out(second).await.unwrap();
    fleet.are_all_on(2).await;

    // One cannot fetch what is new: nobody gives it traffic.
    let (channel, registry) = (fleet.channel_port(), fleet.registry_port());
    fleet.machines[1].cut_off(registry);
    let reason = fleet.controller.roll_out(third.clone()).await.unwrap_err();
    let Reason::Host { host, failure } = &reason else {
        panic!("{reason:#?}")
    };
    assert_eq!((host, failure.kind), (&host_name(2), FailureKind::Pull), "{failure:#?}");
    fleet.controller.revert().await.unwrap();
    fleet.are_all_on(2).await;
    fleet.machines[1].heal(registry);

    // With traffic on it, one hears nothing more, and another could fetch nothing more.
    fleet.controller.begin(third.clone());
    for share in [0, 250] {
        fleet.controller.shift(share).await.unwrap();
    }
    load.flows(200).await;
    assert!(
        load.answered(fleet.machines[0].listen, release(3)) > 0,
        "the canary has traffic"
    );
    fleet.machines[0].cut_off(channel);
    fleet.machines[1].cut_off(registry);
    let alone = BTreeMap::from([(release(2), 1000)]);
    let machine = &fleet.machines[0];
    let returns = soon(PATIENCE, "the one cut off has returned", async || {
        machine.weights().await == alone
    });
    let (reason, returned_after) = tokio::join!(fleet.controller.until_trouble(), returns);
    let Reason::Silent { host, .. } = &reason else {
        panic!("{reason:#?}")
    };
    assert_eq!(host, &host_name(1));
    fleet.controller.tell_to_revert().await;
    fleet.are_all_on(2).await;

    fleet.machines[0].heal(channel);
    fleet.machines[1].heal(registry);
    fleet.controller.roll_out(third).await.unwrap();
    fleet.are_all_on(3).await;
    println!(
        "cut off from the channel, a machine was on the old release after {:.1} s of a lease of {} s",
        returned_after.as_secs_f64(),
        LEASE.as_secs()
    );
    load.end()
        .await
        .expect_none_failed("three machines, one cut off from the channel, one from the registry");
}
