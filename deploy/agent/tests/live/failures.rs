//! Versions that are no good, and documents that are not to be followed: what served goes on serving.

use crate::host::{Host, SECRET, release, rollout};
use crate::http::Load;
use contract::{Desired, Envelope, Evidence, Failure, FailureKind, Generation, HostName, SigningKey, Version, Weight};

/// Publishes this version over one that serves, and returns how it failed once nothing is left of it.
async fn refused_at_the_gate(candidate: impl FnOnce(&Host) -> Version) -> (Host, Failure) {
    let mut host = Host::start().await;
    let before = host.bring(host.settled()).await;
    let load = Load::on(host.listen, "/version");
    let canary = Desired {
        release: Some(candidate(&host)),
        ..host.canary(0, "well")
    };
    host.publish(canary.clone()).await;
    let failure = host.sees_failure().await;
    assert_eq!(failure.release, Some(release(2)));
    let seen = host
        .sees("its container is gone", |seen| seen.versions.len() == 1)
        .await;
    assert!(host.of_version(2).await.is_empty());
    assert_eq!(seen.generation, before.generation, "what failed is not acknowledged");

    // A renewal of the same rollout changes nothing.
    let renewed = host.publish(canary).await;
    host.sees("the renewal is accepted", |seen| {
        seen.accepted == renewed && seen.failure.is_some()
    })
    .await;
    assert!(host.of_version(2).await.is_empty());
    let (sent, failed) = load.end().await;
    assert!(sent > 2 && failed.is_empty(), "{sent} sent, failed: {failed:?}");
    assert_eq!(
        host.of_version(1).await,
        [before.versions[0].replicas[0].container.clone()]
    );
    (host, failure)
}

#[tokio::test]
async fn a_version_that_exits_at_once_is_reported_with_its_code_and_last_words() {
    let (mut host, failure) = refused_at_the_gate(|host| host.version(2, "exit")).await;
    assert_eq!(failure.kind, FailureKind::Exited);
    assert_eq!(
        failure.summary,
        format!("release {} exited with code 3 before it was ready", release(2))
    );
    assert_eq!(failure.evidence.exit_code, Some(3));
    assert_eq!(failure.evidence.log_tail, ["no such table: members"]);

    // Another rollout starts with a clean slate.
    host.bring(Desired {
        rollout: rollout(3),
        ..host.canary(500, "well")
    })
    .await;
}

#[tokio::test]
async fn a_version_that_listens_on_loopback_only_is_told_so() {
    let (_host, failure) = refused_at_the_gate(|host| host.version(2, "loopback")).await;
    assert_eq!(failure.kind, FailureKind::NotListening);
    let expected = format!(
        "release {} listens on 127.0.0.1:8080 only; expected 0.0.0.0:8080",
        release(2)
    );
    assert_eq!(failure.summary, expected);
    assert_eq!(failure.evidence.listening, ["127.0.0.1:8080"]);
}

#[tokio::test]
async fn a_version_that_is_never_ready_is_reported_with_its_last_probe() {
    let (_host, failure) = refused_at_the_gate(|host| host.version(2, "unready")).await;
    let Evidence {
        last_probe,
        listening,
        log_tail,
        ..
    } = failure.evidence;
    assert_eq!(failure.kind, FailureKind::NotReady);
    let probe = last_probe.unwrap();
    assert!(
        probe.ends_with("/readyz: 503 Service Unavailable: no database"),
        "{probe}"
    );
    assert_eq!(listening, ["0.0.0.0:8080"]);
    assert_eq!(log_tail, ["serving on 0.0.0.0:8080"]);
}

#[tokio::test]
async fn an_image_that_is_not_there_is_a_failed_pull() {
    let missing = |host: &Host| Version {
        image: host.registry.missing_image(),
        ..host.version(2, "well")
    };
    let (host, failure) = refused_at_the_gate(missing).await;
    assert_eq!(failure.kind, FailureKind::Pull);
    assert!(
        failure.summary.contains(&host.registry.missing_image().to_string()),
        "{}",
        failure.summary
    );
}

#[tokio::test]
async fn a_secret_that_others_may_read_starts_nothing() {
    let mut host = Host::start().await;
    host.write_secret(0o644);
    host.publish(Desired {
        rollout: rollout(2),
        ..host.settled()
    })
    .await;
    let failure = host.sees_failure().await;
    assert_eq!(failure.kind, FailureKind::Start);
    assert!(
        failure.summary.contains("DB_PASSWORD@1") && failure.summary.contains("chmod 600"),
        "{failure:?}"
    );
    assert!(!failure.summary.contains(SECRET));
    assert!(host.containers().await.is_empty());
}

#[tokio::test]
async fn a_candidate_that_crashes_on_trial_gives_its_traffic_back_by_itself() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    host.bring(host.canary(500, "well")).await;
    host.tell(2, "/crash").await;
    let failure = host.sees_failure().await;
    assert_eq!(failure.kind, FailureKind::Exited);
    let seen = host.sees("version 1 has all traffic and version 2 is gone", |seen| {
        seen.versions.len() == 1 && seen.versions[0].weight == Weight::ALL
    });
    assert_eq!(seen.await.versions[0].release, release(1));
    assert_eq!(host.serves().await, release(1).to_string());
    assert!(host.of_version(2).await.is_empty());
}

#[tokio::test]
async fn a_candidate_that_stays_unready_on_trial_gives_its_traffic_back_and_loses_no_request() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    host.bring(host.canary(500, "well")).await;
    let load = Load::on(host.listen, "/version");
    host.tell(2, "/unready").await;
    let failure = host.sees_failure().await;
    assert_eq!(failure.kind, FailureKind::NotReady);
    let last = failure.evidence.last_probe.as_deref().unwrap_or_default();
    assert!(last.contains("no database"), "{last}");
    host.sees("version 2 is gone", |seen| seen.versions.len() == 1).await;
    let (sent, failed) = load.end().await;
    assert!(sent > 2 && failed.is_empty(), "{sent} sent, failed: {failed:?}");
}

#[tokio::test]
async fn without_its_controller_a_rollout_ends_where_it_began() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    let short = Desired {
        lease_ttl_ms: Some(3_000),
        ..host.canary(500, "well")
    };
    host.bring(short.clone()).await;
    let lapsed = |seen: &contract::Observed| seen.router.as_ref().and_then(|router| router.lapsed);
    let seen = host.sees("the lease ran out", |seen| {
        lapsed(seen) == Some(rollout(2)) && seen.versions.len() == 1 && seen.versions[0].weight == Weight::ALL
    });
    assert_eq!(seen.await.versions[0].release, release(1));

    // Its controller comes back too late.
    let late = host.publish(short).await;
    host.sees("it is accepted, and not followed", |seen| {
        seen.accepted == late && seen.generation < late
    })
    .await;
    assert_eq!(host.serves().await, release(1).to_string());
    host.bring(Desired {
        rollout: rollout(3),
        ..host.canary(500, "well")
    })
    .await;
}

#[tokio::test]
async fn what_is_not_to_be_followed_is_refused_by_name_and_changes_nothing() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    let before = host
        .bring(Desired {
            rollout: rollout(2),
            ..host.settled()
        })
        .await;
    let stopped = |generation| Desired {
        generation: Generation(generation),
        release: None,
        ..host.settled()
    };
    let stranger = SigningKey::from_seed([9; 32]).seal(&stopped(9)).unwrap();
    let sealed = host.key.seal(&stopped(9)).unwrap();
    let forged = Envelope {
        document: sealed.document.replace("staging", "stagine"),
        ..sealed
    };
    let elsewhere = Desired {
        hosts: vec![HostName::parse("host-9").unwrap()],
        ..stopped(9)
    };
    let later = Desired {
        contract: contract::CONTRACT_VERSION + 1,
        ..stopped(9)
    };
    let refused = [
        (stranger, "which this host does not trust"),
        (forged, "does not fit the document"),
        (host.key.seal(&elsewhere).unwrap(), "not among the document's hosts"),
        (host.key.seal(&later).unwrap(), "contract version 2"),
        (host.key.seal(&stopped(1)).unwrap(), "does not rise above 0.2"),
    ];
    for (envelope, expected) in refused {
        host.publish_sealed(&envelope).await;
        let seen = host.sees(expected, |seen| {
            seen.refused
                .as_ref()
                .is_some_and(|found| found.reason.contains(expected))
        });
        assert_eq!(seen.await.accepted, before.generation);
        assert_eq!(host.serves().await, release(1).to_string());
    }
    let seen = host
        .bring(Desired {
            rollout: rollout(3),
            ..host.settled()
        })
        .await;
    assert_eq!(seen.refused, None, "a good document clears it");
}
