//! What a host depends on is away: the registry, the channel. Traffic does not notice, and what comes back is used again.

use crate::ground::{Ground, is_back, weights};
use crate::host::{Host, release, rollout};
use crate::load::Load;
use contract::{Desired, FailureKind, ImageConfig, Weight};

/// Version 3 with this share, version 1 warm beside it, in a rollout of its own.
fn another(host: &Host, n: u64, per_mille: u16) -> Desired {
    Desired {
        rollout: rollout(n),
        release: Some(host.version(3, "well")),
        ..host.canary(per_mille, "well")
    }
}

#[tokio::test]
async fn a_registry_that_refuses_fails_the_rollout_by_name_and_one_that_is_back_in_time_does_not() {
    let mut ground = Ground::settled().await;
    let load = Load::on(ground.host.listen);
    ground.host.registry.go_away();
    ground.host.publish(ground.host.canary(0, "well")).await;
    let failure = ground.host.sees_failure().await;
    assert_eq!(failure.kind, FailureKind::Pull);
    let image = ground.host.registry.image(2).to_string();
    assert!(
        failure.summary.contains(&image) && failure.summary.contains("connection refused"),
        "{failure:#?}"
    );
    load.flows(200).await;

    // Back before the last attempt: nobody has to do anything.
    let before = ground.host.agent_log().matches("attempt 1 of 3").count();
    let generation = ground.host.publish(another(&ground.host, 3, 500)).await;
    let again = || ground.host.agent_log().matches("attempt 1 of 3").count() > before;
    crate::ground::eventually("the first attempt has failed", again).await;
    ground.host.registry.come_back().await;
    let on_trial = |seen: &contract::Observed| {
        assert!(
            seen.failure.is_none() || seen.accepted < generation,
            "{:?}",
            seen.failure
        );
        seen.generation == generation
    };
    ground.host.sees("the rollout goes on by itself", on_trial).await;
    load.flows(100).await;
    println!(
        "  what it said: {}",
        failure
            .summary
            .replace(&ground.host.registry.image(2).to_string(), "IMAGE")
    );
    load.end().print_unharmed("registry that refuses, then back");
}

#[tokio::test]
async fn a_registry_that_hangs_holds_up_the_rollout_and_no_request() {
    let images = ImageConfig {
        stall_ms: 1_500,
        ..ImageConfig::default()
    };
    let mut ground = Ground::start_on(Host::lay_out(images).await).await;
    ground.host.bring(ground.host.settled()).await;
    let load = Load::on(ground.host.listen);
    ground.host.registry.hang(1);
    ground.host.bring(ground.host.canary(500, "well")).await;
    assert!(ground.host.agent_log().contains("nothing came for 1.5 s"));
    load.flows(100).await;
    load.end().print_unharmed("registry that hangs, then answers");
}

#[tokio::test]
async fn a_settled_host_without_its_channel_goes_on_and_reports_once_it_is_back() {
    let mut ground = Ground::settled().await;
    let before = ground.host.observed().await.unwrap();
    let load = Load::on(ground.host.listen);
    let (here, away) = (ground.host.path("channel"), ground.host.path("away"));
    std::fs::rename(&here, &away).unwrap();
    std::fs::write(&here, "no folder").unwrap();
    ground.host.eventually_logs("the channel does not answer").await;
    // Also for an agent that never saw it.
    ground.host.kill_agent();
    ground.host.start_agent();
    load.flows(500).await;
    std::fs::remove_file(&here).unwrap();
    std::fs::rename(&away, &here).unwrap();
    let after = ground.host.sees("it reports again", |seen| seen.at > before.at).await;
    assert_eq!(after.generation, before.generation);
    assert_eq!(
        after.versions[0].replicas[0].container, before.versions[0].replicas[0].container,
        "nothing was replaced"
    );
    ground.host.bring(ground.host.canary(250, "well")).await;
    load.end().print_unharmed("channel gone while settled");
}

#[tokio::test]
async fn a_rollout_without_its_channel_goes_back_when_its_lease_ends_and_is_never_followed_again() {
    let mut ground = Ground::settled().await;
    let leased = |host: &Host, per_mille| Desired {
        lease_ttl_ms: Some(3_000),
        ..host.canary(per_mille, "well")
    };
    ground.host.bring(leased(&ground.host, 500)).await;
    let load = Load::on(ground.host.listen);
    let (here, away) = (ground.host.path("channel"), ground.host.path("away"));
    std::fs::rename(&here, &away).unwrap();
    std::fs::write(&here, "no folder").unwrap();
    ground.host.eventually_logs("its lease ran out").await;
    ground.router_logs("the lease ran out").await;
    let lapsed = std::time::Instant::now();
    load.flows(300).await;
    let late = load.latest(release(2)).is_some_and(|latest| latest > lapsed);
    assert!(!late, "the candidate still gets requests");

    // The controller has renewed the lease in vain meanwhile.
    std::fs::remove_file(&here).unwrap();
    std::fs::rename(&away, &here).unwrap();
    let late = ground.host.publish(leased(&ground.host, 500)).await;
    let ignored = |seen: &contract::Observed| seen.accepted == late && seen.generation < late && is_back(seen);
    let seen = ground.host.sees("it is accepted, and not followed", ignored).await;
    assert_eq!(seen.router.unwrap().lapsed, Some(rollout(2)));
    load.flows(100).await;

    let seen = ground.host.bring(another(&ground.host, 3, 500)).await;
    assert_eq!(
        (weights(&seen).0, seen.version(release(3)).unwrap().weight),
        (500, Weight::per_mille(500).unwrap())
    );
    load.flows(100).await;
    assert!(load.latest(release(3)).is_some());
    load.end()
        .print_unharmed("channel gone for longer than the lease of a canary");
}
