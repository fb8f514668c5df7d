//! The agent dies, its memory is lost, its router is away: traffic goes on, and the next start converges.

use crate::host::{Host, release};
use crate::http::Load;
use std::time::Duration;

#[tokio::test]
async fn a_terminated_agent_ends_within_a_second_and_leaves_everything_running() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    let took = host.terminate_agent();
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(host.serves().await, release(1).to_string());
}

#[tokio::test]
async fn an_agent_killed_again_and_again_during_a_rollout_brings_it_to_its_end() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    let load = Load::on(host.listen, "/version");
    for (step, pause_ms) in [(0, 30), (250, 120), (500, 250), (1000, 10)] {
        let generation = host.publish(host.canary(step, "well")).await;
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        host.kill_agent();
        host.start_agent();
        host.sees("the generation is acknowledged", |seen| {
            assert!(seen.failure.is_none(), "{:#?}", seen.failure);
            seen.generation == generation
        })
        .await;
    }
    host.bring(host.promoted()).await;
    host.sees("version 1 is gone", |seen| seen.versions.len() == 1).await;
    assert_eq!(host.of_version(2).await.len(), 1);
    let (sent, failed) = load.end().await;
    assert!(sent > 2 && failed.is_empty(), "{sent} sent, failed: {failed:?}");
}

#[tokio::test]
async fn an_agent_without_its_memory_finds_everything_again() {
    for garbage in [None, Some("{\"version\":1,\"highest\":")] {
        let mut host = Host::start().await;
        host.bring(host.settled()).await;
        let before = host.bring(host.canary(250, "well")).await;
        host.kill_agent();
        match garbage {
            Some(garbage) => std::fs::write(host.path("agent/state.json"), garbage).unwrap(),
            None => std::fs::remove_dir_all(host.path("agent")).unwrap(),
        }
        let load = Load::on(host.listen, "/version");
        host.start_agent();
        let after = host.sees("it is in force again", |seen| {
            seen.at > before.at && seen.generation == before.generation
        });
        let containers = |seen: &contract::Observed| {
            seen.versions
                .iter()
                .map(|found| found.replicas[0].container.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(containers(&after.await), containers(&before));
        assert_eq!(garbage.is_some(), host.agent_log().contains("state.json.unusable"));
        let (sent, failed) = load.end().await;
        assert!(sent > 0 && failed.is_empty(), "{sent} sent, failed: {failed:?}");
    }
}

#[tokio::test]
async fn an_agent_starts_without_its_channel_and_keeps_what_is_in_force() {
    let mut host = Host::start().await;
    let before = host.bring(host.settled()).await;
    host.kill_agent();
    std::fs::rename(host.path("channel"), host.path("away")).unwrap();
    std::fs::write(host.path("channel"), b"not a folder").unwrap();
    host.start_agent();
    host.eventually_logs("the channel does not answer").await;
    assert_eq!(host.serves().await, release(1).to_string());
    std::fs::remove_file(host.path("channel")).unwrap();
    std::fs::rename(host.path("away"), host.path("channel")).unwrap();
    let after = host.sees("it reports again", |seen| seen.at > before.at).await;
    assert_eq!(
        (after.generation, &after.versions[0].replicas[0].container),
        (before.generation, &before.versions[0].replicas[0].container)
    );
}

#[tokio::test]
async fn while_the_router_is_away_nothing_is_dropped_and_then_the_rollout_goes_on() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    host.kill_router();
    let generation = host.publish(host.canary(500, "well")).await;
    let seen = host
        .sees("both run", |seen| seen.versions.len() == 2 && seen.router.is_none())
        .await;
    assert!(seen.generation < generation);
    host.start_router();
    host.sees("it is in force", |seen| seen.generation == generation).await;
    assert_eq!(host.of_version(1).await.len(), 1);
}
