//! What holds for a channel wherever it is: each claim runs on a directory and on a real S3 server.

mod ground;

use channel::{Channel, Poll, PublishError};
use contract::{Generation, HostName, Observed, SigningKey};
use ground::{Ground, app, environment, host};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Barrier;

#[tokio::test]
async fn a_host_reads_what_was_published_and_then_nothing_until_it_changes() {
    for ground in Ground::both().await {
        let channel = &ground.channel;
        assert_eq!(channel.poll_desired(None).await.unwrap(), Poll::Absent);
        let revision = channel.publish(&envelope("one"), None).await.unwrap();
        assert_eq!(
            channel.poll_desired(None).await.unwrap(),
            Poll::Changed(envelope("one"), revision.clone())
        );
        assert_eq!(channel.poll_desired(Some(&revision)).await.unwrap(), Poll::Unchanged);
        let newer = channel.publish(&envelope("two"), Some(&revision)).await.unwrap();
        assert_eq!(
            channel.poll_desired(Some(&revision)).await.unwrap(),
            Poll::Changed(envelope("two"), newer.clone())
        );
        assert_eq!(channel.read_desired().await.unwrap(), Some((envelope("two"), newer)));
    }
}

#[tokio::test]
async fn a_publisher_that_did_not_see_the_latest_revision_conflicts_and_changes_nothing() {
    for ground in Ground::both().await {
        let channel = &ground.channel;
        let first = channel.publish(&envelope("one"), None).await.unwrap();
        let second = channel.publish(&envelope("two"), Some(&first)).await.unwrap();
        for stale in [None, Some(&first)] {
            let error = channel.publish(&envelope("late"), stale).await.unwrap_err();
            assert!(matches!(error, PublishError::Conflict(_)), "{error}");
        }
        assert_eq!(channel.read_desired().await.unwrap(), Some((envelope("two"), second)));
    }
}

#[tokio::test]
async fn replacing_a_document_that_is_gone_is_a_conflict() {
    for ground in Ground::both().await {
        let revision = ground.channel.publish(&envelope("one"), None).await.unwrap();
        ground.remove("desired.json");
        let error = ground
            .channel
            .publish(&envelope("two"), Some(&revision))
            .await
            .unwrap_err();
        assert!(matches!(error, PublishError::Conflict(_)), "{error}");
    }
}

#[tokio::test]
async fn a_publish_that_landed_although_its_answer_was_lost_is_no_conflict() {
    for ground in Ground::both().await {
        let revision = ground.channel.publish(&envelope("one"), None).await.unwrap();
        assert_eq!(ground.channel.publish(&envelope("one"), None).await.unwrap(), revision);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_racing_publishers_exactly_one_wins() {
    let ground = Ground::directory();
    let mut base = ground.channel.publish(&envelope("base"), None).await.unwrap();
    for round in 0..30 {
        let start = Arc::new(Barrier::new(4));
        let race = (0..4).map(|racer| {
            let (channel, base, start) = (ground.channel.clone(), base.clone(), start.clone());
            let envelope = envelope(&format!("racer {racer} of round {round}"));
            tokio::spawn(async move {
                start.wait().await;
                channel.publish(&envelope, Some(&base)).await
            })
        });
        let mut winners = Vec::new();
        for racer in race.collect::<Vec<_>>() {
            match racer.await.unwrap() {
                Ok(revision) => winners.push(revision),
                Err(PublishError::Conflict(_)) => {}
                Err(other) => panic!("{other}"),
            }
        }
        let (_, found) = ground.channel.read_desired().await.unwrap().unwrap();
        assert_eq!(winners, std::slice::from_ref(&found));
        base = found;
    }
}

#[tokio::test]
async fn every_host_s_latest_report_is_seen() {
    for ground in Ground::both().await {
        assert!(ground.channel.read_observed().await.unwrap().is_empty());
        ground.channel.report(&observed("host-1", 1)).await.unwrap();
        ground.channel.report(&observed("host-2", 1)).await.unwrap();
        ground.channel.report(&observed("host-1", 2)).await.unwrap();
        let seen = ground.channel.read_observed().await.unwrap();
        assert_eq!(
            seen.into_values().collect::<Vec<_>>(),
            [observed("host-1", 2), observed("host-2", 1)]
        );
    }
}

#[tokio::test]
async fn a_reader_that_reads_again_sees_what_changed_came_and_went() {
    for ground in Ground::both().await {
        let mut reports = ground.channel.reports();
        for name in ["host-1", "host-2"] {
            ground.channel.report(&observed(name, 1)).await.unwrap();
        }
        let before = reports.read().await.unwrap();
        assert_eq!(
            before.values().cloned().collect::<Vec<_>>(),
            [observed("host-1", 1), observed("host-2", 1)]
        );
        ground.channel.report(&observed("host-2", 2)).await.unwrap();
        ground.channel.report(&observed("host-3", 1)).await.unwrap();
        ground.remove("observed/host-1.json");
        let after = reports.read().await.unwrap();
        assert_eq!(
            after.values().cloned().collect::<Vec<_>>(),
            [observed("host-2", 2), observed("host-3", 1)]
        );
        assert_eq!(before.len(), 2, "what was read stays as it was");
        ground.put("observed/host-2.json", b"{ torn").await;
        let torn = reports.read().await.unwrap();
        assert_eq!(
            torn.keys().collect::<Vec<_>>(),
            [&host("host-3")],
            "silent until it speaks again"
        );
        ground.channel.report(&observed("host-2", 2)).await.unwrap();
        assert_eq!(reports.read().await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_report_that_cannot_be_believed_hides_no_other() {
    for ground in Ground::both().await {
        ground.channel.report(&observed("host-1", 1)).await.unwrap();
        let copied = serde_json::to_vec(&observed("host-1", 1)).unwrap();
        ground.put("observed/host-2.json", b"{ torn").await;
        ground.put("observed/host-3.json", &copied).await;
        ground.put("observed/host-4.json", &vec![b' '; 1024 * 1024 + 1]).await;
        ground.put("observed/.writing-x", b"{").await;
        let seen = ground.channel.read_observed().await.unwrap();
        assert_eq!(seen.into_keys().collect::<Vec<HostName>>(), [host("host-1")]);
    }
}

#[tokio::test]
async fn a_desired_document_that_is_none_is_named() {
    for ground in Ground::both().await {
        for (garbage, expected) in [
            (b"\0\0\0".to_vec(), "is not a document"),
            (vec![b'x'; 2_000_000], "larger than"),
        ] {
            ground.put("desired.json", &garbage).await;
            let Poll::Unreadable(why) = ground.channel.poll_desired(None).await.unwrap() else {
                panic!("it was read")
            };
            assert!(why.contains("desired.json") && why.contains(expected), "{why}");
            assert!(ground.channel.read_desired().await.is_err());
        }
    }
}

#[tokio::test]
async fn an_endless_report_is_not_written() {
    for ground in Ground::both().await {
        let mut report = observed("host-1", 1);
        report.agent_version = "x".repeat(2_000_000);
        let error = ground.channel.report(&report).await.unwrap_err().to_string();
        assert!(
            error.contains("host-1.json") && error.contains("larger than"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_reached_is_an_error_that_names_it() {
    let blocked = tempfile_as_root();
    let channel = Channel::directory(blocked.path().to_owned(), &app(), &environment());
    let error = format!("{:#}", channel.publish(&envelope("one"), None).await.unwrap_err());
    assert!(error.contains(&blocked.path().display().to_string()), "{error}");

    let mut ground = Ground::s3().await;
    ground.stop_server();
    let error = format!("{:#}", ground.channel.poll_desired(None).await.unwrap_err());
    assert!(
        error.contains("s3://channel/some/prefix/shop/staging/desired.json"),
        "{error}"
    );
}

/// A file where the folder should be.
fn tempfile_as_root() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(Path::new(file.path()).is_file());
    file
}

fn envelope(document: &str) -> contract::Envelope {
    SigningKey::from_seed([7; 32]).seal(&document).unwrap()
}

fn observed(name: &str, generation: u64) -> Observed {
    Observed {
        contract: contract::CONTRACT_VERSION,
        app: app(),
        environment: environment(),
        host: host(name),
        at: "2025-01-02T03:04:05Z".parse().unwrap(),
        generation: Generation(generation),
        accepted: Generation(generation),
        rollout: None,
        versions: Vec::new(),
        router: None,
        tasks: Vec::new(),
        failure: None,
        refused: None,
        refused_ask: None,
        agent_version: "0.1.0".to_owned(),
    }
}
