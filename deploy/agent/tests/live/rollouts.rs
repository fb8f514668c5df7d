//! Versions come and go, and nobody notices.

use crate::host::{Host, SECRET, release, rollout};
use crate::http::{self, Load};
use contract::{Desired, Health, Weight};
use docker::Status;
use std::time::Duration;

#[tokio::test]
async fn a_first_release_is_pulled_gated_and_served() {
    let mut host = Host::start().await;
    let seen = host.bring(host.settled()).await;
    assert_eq!(host.serves().await, release(1).to_string());
    let version = seen.version(release(1)).unwrap();
    assert_eq!((version.health(), version.weight), (Health::Ready, Weight::ALL));
    let replica = &version.replicas[0];
    assert_eq!(replica.image, host.registry.image(1).digest);
    assert_eq!(replica.container, host.of_version(1).await[0]);
    assert_eq!(seen.rollout, Some(rollout(1)));

    let found = host
        .docker
        .api()
        .inspect_container(&replica.container, None)
        .await
        .unwrap();
    let limits = found.host_config.unwrap();
    assert_eq!(limits.readonly_rootfs, Some(true));
    assert_eq!(limits.cap_drop, Some(vec!["ALL".to_owned()]));
    assert_eq!(limits.memory, Some(64 << 20));
    assert_eq!(limits.nano_cpus, Some(500_000_000));
    assert!(limits.pids_limit.is_some_and(|most| most > 0));
    assert_eq!(
        format!("{:?}", limits.restart_policy.unwrap().name.unwrap()),
        "UNLESS_STOPPED"
    );
    assert!(limits.log_config.unwrap().config.unwrap().contains_key("max-size"));
    assert!(replica.address.ip().is_loopback());
}

#[tokio::test]
async fn a_secret_reaches_the_process_and_nobody_else() {
    let mut host = Host::start().await;
    let seen = host.bring(host.settled()).await;
    assert_eq!(
        http::get(host.listen, "/secret-length").await.1,
        SECRET.len().to_string()
    );
    let container = &host.containers().await[0];
    let told = format!("{seen:?} {:?} {}", container.labels, host.agent_log());
    assert!(
        !told.contains(SECRET)
            && !std::fs::read_to_string(host.path("agent/state.json"))
                .unwrap()
                .contains(SECRET)
    );
}

#[tokio::test]
async fn a_canary_goes_from_beside_to_alone_without_a_lost_request() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    let load = Load::on(host.listen, "/version");
    let slow = Load::on(host.listen, "/slow");
    for per_mille in [0, 500, 1000] {
        let seen = host.bring(host.canary(per_mille, "well")).await;
        let weight = |n| seen.version(release(n)).unwrap().weight.as_per_mille();
        assert_eq!((weight(1), weight(2)), (1000 - per_mille, per_mille));
    }
    assert_eq!(host.of_version(1).await.len(), 1, "the fallback is warm");
    let fallback = host.of_version(1).await.remove(0);
    let name = host.docker.inspect(&fallback).await.unwrap().unwrap().name;
    host.bring(host.promoted()).await;
    let seen = host.sees("version 1 is gone", |seen| seen.versions.len() == 1).await;
    assert_eq!(seen.version(release(2)).unwrap().weight, Weight::ALL);
    assert!(host.of_version(1).await.is_empty());
    assert!(
        host.docker
            .has_image(&host.registry.image(1).to_string())
            .await
            .unwrap(),
        "its image is pinned"
    );
    assert_eq!(host.serves().await, release(2).to_string());
    let last_words = std::fs::read_to_string(host.path(&format!("agent/logs/{name}.log"))).unwrap();
    assert!(last_words.contains("serving on"), "{last_words}");
    for load in [load, slow] {
        let (sent, failed) = load.end().await;
        assert!(sent > 2 && failed.is_empty(), "{sent} sent, failed: {failed:?}");
    }
}

#[tokio::test]
async fn a_return_moves_traffic_at_once_and_then_clears_the_candidate_away() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    host.bring(host.canary(1000, "well")).await;
    assert_eq!(host.serves().await, release(2).to_string());
    host.bring(Desired {
        rollout: rollout(3),
        ..host.settled()
    })
    .await;
    assert_eq!(host.serves().await, release(1).to_string());
    host.sees("version 2 is gone", |seen| seen.versions.len() == 1).await;
    assert!(host.of_version(2).await.is_empty());
}

#[tokio::test]
async fn a_stopped_environment_runs_nothing_and_starts_again() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    host.bring(Desired {
        release: None,
        ..host.settled()
    })
    .await;
    host.sees("nothing runs", |seen| seen.versions.is_empty()).await;
    assert_eq!(http::get(host.listen, "/version").await.0, 503);
    assert!(host.containers().await.is_empty());
    host.bring(host.settled()).await;
    assert_eq!(host.serves().await, release(1).to_string());
}

#[tokio::test]
async fn a_settled_version_that_crashes_or_is_removed_comes_back() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    host.tell(1, "/crash").await;
    let ready = |seen: &contract::Observed| {
        seen.version(release(1))
            .is_some_and(|found| found.health() == Health::Ready)
    };
    host.sees("the engine restarted it", |seen| {
        ready(seen) && seen.versions[0].restarts() > 0 && seen.failure.is_none()
    })
    .await;
    let first = host.of_version(1).await;
    host.docker.remove(&first[0]).await.unwrap();
    host.sees("another was made", |seen| {
        ready(seen) && seen.versions[0].replicas[0].container != first[0]
    })
    .await;
    host.eventually_serves(1).await;
}

#[tokio::test]
async fn a_container_that_was_stopped_on_purpose_is_started_again_and_keeps_its_port() {
    let mut host = Host::start().await;
    let before = host.bring(host.settled()).await;
    let container = before.versions[0].replicas[0].container.clone();
    host.kill_agent();
    host.docker.stop(&container, Duration::from_millis(100)).await.unwrap();
    host.start_agent();
    let after = host.sees("it is ready again", |seen| {
        let ready = seen
            .versions
            .first()
            .is_some_and(|found| found.health() == Health::Ready);
        ready && seen.router.is_some() && seen.at > before.at
    });
    let after = after.await.versions[0].replicas[0].clone();
    assert_eq!(
        (after.container, after.address),
        (container.clone(), before.versions[0].replicas[0].address)
    );
    assert_eq!(
        host.docker.inspect(&container).await.unwrap().unwrap().status,
        Status::Running
    );
    host.eventually_serves(1).await;
}
