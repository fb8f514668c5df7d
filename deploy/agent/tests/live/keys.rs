//! Keys are rotated while traffic goes on, and nobody who was not trusted before gets in that way.

use crate::host::{Host, release, rollout};
use crate::http::Load;
use contract::{Desired, Envelope, Generation, KeyChain, KeySet, SigningKey};

const FIRST: u8 = 7;
const SECOND: u8 = 8;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed([seed; 32])
}

/// The set of these keys, signed by one.
fn link(version: u32, seeds: &[u8], by: u8) -> Envelope {
    let keys = seeds.iter().map(|seed| key(*seed).public()).collect();
    key(by).seal(&KeySet { version, keys }).unwrap()
}

async fn publish(host: &Host, links: Vec<Envelope>) {
    let revision = host.channel.read_keys().await.unwrap().map(|(_, revision)| revision);
    let chain = KeyChain { links };
    host.channel.publish_keys(&chain, revision.as_ref()).await.unwrap();
}

/// Another document, signed by this key.
async fn bring(host: &mut Host, n: u64, by: u8, keys: u32) {
    (host.key, host.keys) = (key(by), keys);
    let desired = Desired {
        rollout: rollout(n),
        ..host.settled()
    };
    host.bring(desired).await;
}

/// What the host says to a document by this key that would stop everything.
async fn refused(host: &mut Host, by: u8, generation: u64, expected: &str) {
    let stop = Desired {
        generation: Generation(generation),
        rollout: rollout(99),
        release: None,
        ..host.settled()
    };
    host.publish_sealed(&key(by).seal(&stop).unwrap()).await;
    let seen = host
        .sees(expected, |seen| {
            let refused = seen.refused.as_ref();
            refused.is_some_and(|refused| refused.reason.contains(expected))
        })
        .await;
    assert!(seen.accepted < Generation(generation));
    assert_eq!(host.serves().await, release(1).to_string());
}

#[tokio::test]
async fn keys_are_rotated_and_the_old_one_is_dropped_without_a_lost_request() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    let load = Load::on(host.listen, "/version");
    let added = link(2, &[FIRST, SECOND], FIRST);
    publish(&host, vec![added.clone()]).await;
    bring(&mut host, 2, SECOND, 2).await;
    host.eventually_logs("another set of keys is in force").await;

    // Nothing but the number in a document by a trusted key leads to the next set.
    publish(&host, vec![added, link(3, &[SECOND], SECOND)]).await;
    bring(&mut host, 3, SECOND, 3).await;
    host.eventually_logs("\"to\":3").await;
    refused(&mut host, FIRST, 50, "which this host does not trust").await;

    // Also by the next agent.
    host.kill_agent();
    host.start_agent();
    refused(&mut host, FIRST, 51, "which this host does not trust").await;
    bring(&mut host, 4, SECOND, 3).await;
    let (sent, failed) = load.end().await;
    assert!(sent > 2 && failed.is_empty(), "{sent} sent, failed: {failed:?}");
}

#[tokio::test]
async fn a_host_that_was_away_for_two_rotations_follows_both() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    host.kill_agent();
    let links = vec![link(2, &[FIRST, SECOND], FIRST), link(3, &[SECOND], SECOND)];
    publish(&host, links).await;
    host.start_agent();
    bring(&mut host, 2, SECOND, 3).await;
    assert_eq!(host.serves().await, release(1).to_string());
}

#[tokio::test]
async fn a_forged_set_is_refused_and_so_is_whoever_it_would_let_in() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    publish(&host, vec![link(2, &[FIRST, 9], 9)]).await;
    refused(&mut host, 9, 50, "key set 2: signed with key").await;
    assert!(!host.path("agent/keys.json").exists());
    // The controller goes on as before.
    bring(&mut host, 2, FIRST, 1).await;
}

#[tokio::test]
async fn an_older_set_is_refused_and_does_not_bring_its_keys_back() {
    let mut host = Host::start().await;
    host.bring(host.settled()).await;
    let added = link(2, &[FIRST, SECOND], FIRST);
    publish(&host, vec![added.clone(), link(3, &[SECOND], SECOND)]).await;
    bring(&mut host, 2, SECOND, 3).await;
    publish(&host, vec![added]).await;
    refused(&mut host, FIRST, 50, "the newest key set is 2; expected none before 3").await;
    bring(&mut host, 3, SECOND, 3).await;
}
