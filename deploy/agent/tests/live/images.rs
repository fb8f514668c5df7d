//! Images: there is room or nothing is pulled, what stands still is begun again, and what is not needed goes.

use crate::host::{Host, release, rollout};
use contract::{Desired, FailureKind, ImageConfig};
use std::time::{Duration, Instant};

/// More than any disk has.
const EVERYTHING_MB: u64 = 1 << 40;

#[tokio::test]
async fn without_room_nothing_is_pulled_and_what_served_goes_on_serving() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    host.restart_with(ImageConfig {
        reserve_mb: EVERYTHING_MB,
        ..ImageConfig::default()
    });
    let before = host.registry.manifests_asked_for();
    host.publish(host.canary(0, "well")).await;
    let failure = host.sees_failure().await;
    assert_eq!(failure.kind, FailureKind::Disk);
    let root = host.docker.data_root().await.unwrap().path;
    for part in [
        &*root.to_string_lossy(),
        " MB free; 512 MB are needed",
        "`docker system df`",
    ] {
        assert!(
            failure.summary.contains(part),
            "`{part}` is not in `{}`",
            failure.summary
        );
    }
    assert_eq!(host.registry.manifests_asked_for(), before);
    let image = host.registry.image(2).to_string();
    assert!(!host.docker.has_image(&image).await.unwrap());
    assert_eq!(host.serves().await, release(1).to_string());

    // What is there already needs no room.
    host.bring(Desired {
        rollout: rollout(3),
        ..host.settled()
    })
    .await;
}

#[tokio::test]
async fn a_pull_that_stands_still_is_begun_again() {
    let mut host = Host::start_with(ImageConfig {
        stall_ms: 1_500,
        ..ImageConfig::default()
    })
    .await;
    host.registry.hang(1);
    let since = Instant::now();
    host.bring(host.settled()).await;
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    let log = host.agent_log();
    assert!(
        log.contains("attempt 1 of 3") && log.contains("nothing came for 1.5 s"),
        "{log}"
    );
    assert_eq!(host.serves().await, release(1).to_string());
}

#[tokio::test]
async fn over_its_budget_only_what_nobody_needs_goes_and_only_what_this_agent_pulled() {
    let mut host = Host::start_with(ImageConfig {
        budget_mb: 0,
        ..ImageConfig::default()
    })
    .await;
    // Somebody else's, by the same registry.
    let foreign = host.registry.image(4);
    host.docker.pull(&foreign, None, Duration::from_secs(60)).await.unwrap();
    host.bring(host.settled()).await;
    host.bring(host.canary(500, "well")).await;
    host.bring(host.promoted()).await;
    host.sees("version 1 is gone", |seen| seen.versions.len() == 1).await;
    // The third replaces the second: the first is nobody's any more.
    host.bring(host.third()).await;
    host.eventually_has_image(1, false).await;
    for (n, whose) in [(2, "the fallback's"), (3, "the release's"), (4, "somebody else's")] {
        let image = host.registry.image(n).to_string();
        assert!(host.docker.has_image(&image).await.unwrap(), "{whose} image is gone");
    }
    assert_eq!(host.serves().await, release(3).to_string());
}

#[tokio::test]
async fn an_image_that_was_pulled_for_a_task_is_pruned_like_any_other() {
    let mut host = Host::start_with(ImageConfig {
        budget_mb: 0,
        ..ImageConfig::default()
    })
    .await;
    host.bring(host.settled()).await;
    host.bring(host.with_task(&["migrate", "0"], 10_000)).await;
    host.eventually_has_image(2, true).await;
    // The release that the task was for is given up.
    host.bring(Desired {
        rollout: rollout(3),
        ..host.settled()
    })
    .await;
    host.eventually_has_image(2, false).await;
}
