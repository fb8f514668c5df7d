//! Machines that join or leave while a rollout is under way: the documents' `hosts` say who is a member.

use crate::client::Client;
use crate::fleet::Fleet;
use crate::host_json::Setup;
use crate::load::Load;
use crate::machine::Machine;
use crate::versions::{host_name, release};
use crate::wait::{PATIENCE, rounds, soon};
use std::collections::BTreeMap;
use tokio::task::JoinSet;

const SLOW: u64 = 6;

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_a_rollout_takes_stable_first_and_who_leaves_drains_without_a_lost_request() {
    for _ in 0..rounds() {
        joins_and_leaves().await;
    }
}

async fn joins_and_leaves() {
    let mut fleet = Fleet::with(&[Setup::default(); 3], 2).await;
    let routers = fleet.routers();
    let (mut staying, leaving) = (Load::on(&routers[..1]), Load::on(&routers[1..2]));
    let mut second = fleet.version(2);
    // Long enough for what came first to be seen.
    second.env.insert("BEHAVE".to_owned(), "late".to_owned());
    fleet.controller.begin(second);
    for share in [0, 250] {
        fleet.controller.shift(share).await.unwrap();
    }

    fleet.controller.hosts = [1, 2, 3].map(host_name).into();
    let joiner = &fleet.machines[2];
    let (joined, first) = tokio::join!(fleet.controller.shift(250), first_weights(joiner));
    joined.unwrap();
    assert_eq!(first, BTreeMap::from([(release(1), 1000)]), "stable first");
    let canary = BTreeMap::from([(release(1), 750), (release(2), 250)]);
    assert_eq!(joiner.weights().await, canary);
    staying.add(joiner.listen);

    // Who is no member any more hears no renewal, returns to what is stable, and serves on while it is sent anything.
    fleet.controller.hosts = [1, 3].map(host_name).into();
    fleet.controller.shift(500).await.unwrap();
    let leaver = &fleet.machines[1];
    let alone = BTreeMap::from([(release(1), 1000)]);
    let returns = soon(PATIENCE, "who left is on stable", async || {
        leaver.weights().await == alone
    });
    fleet.controller.hold(returns).await;
    leaving.flows(100).await;
    leaving
        .end()
        .await
        .expect_none_failed("a machine that leaves, until nobody sends it anything");
    let drained = drains(&mut fleet.machines[1]);
    fleet.controller.hold(drained).await;

    fleet.controller.shift(1000).await.unwrap();
    fleet.controller.settle().await.unwrap();
    for machine in [&fleet.machines[0], &fleet.machines[2]] {
        soon(PATIENCE, "the members are on version 2", async || {
            machine.is_alone(release(2)).await
        })
        .await;
    }
    staying.flows(100).await;
    staying
        .end()
        .await
        .expect_none_failed("the machines that stay, one of which joined");
}

/// What has traffic first, where nothing had.
async fn first_weights(machine: &Machine) -> BTreeMap<contract::ReleaseId, u16> {
    let mut weights = BTreeMap::new();
    soon(PATIENCE, "who joins has a version to route to", async || {
        weights = machine.weights().await;
        !weights.is_empty()
    })
    .await;
    weights
}

/// Told to end with requests under way: each of them is answered.
async fn drains(machine: &mut Machine) {
    let mut slow = JoinSet::new();
    for _ in 0..SLOW {
        let mut client = Client::connect(machine.listen).await.unwrap();
        slow.spawn(async move { client.ask("GET", "/slow").await });
    }
    soon(PATIENCE, "they are under way", async || {
        let router = machine.router().await;
        let under_way = router
            .iter()
            .flat_map(|router| &router.versions)
            .map(|version| version.in_flight);
        under_way.sum::<u64>() == SLOW
    })
    .await;
    machine.tell_to_end();
    while let Some(answer) = slow.join_next().await {
        let answer = answer.unwrap().unwrap();
        assert_eq!((answer.status, answer.body), (200, release(1).to_string()));
    }
    soon(PATIENCE, "agent, router and supervisor have ended", async || {
        machine.has_ended()
    })
    .await;
    println!("a machine that leaves: {SLOW} requests under way when it was told to end, 0 failed");
}
