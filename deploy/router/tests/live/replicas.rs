//! Several containers of one version behind one router.

use crate::backend::Backend;
use crate::client::{self, KeptAlive};
use crate::host::{Router, eventually, table};
use contract::{Backend as Share, Replica, Table};

/// The other backends' addresses become the first one's, so that all are one version.
fn as_one(stable: &[&Backend]) -> Table {
    let mut table = table(1, &[(stable[0], 1000)]);
    table.backends[0].replicas = replicas(stable);
    table
}

fn replicas(of: &[&Backend]) -> Vec<Replica> {
    let replica = |backend: &&Backend| Replica {
        address: backend.address,
        ready: true,
    };
    of.iter().map(replica).collect()
}

#[tokio::test]
async fn idle_replicas_take_turns_and_a_busy_one_gets_less() {
    let (one, two) = (Backend::start(1).await, Backend::start(1).await);
    let router = Router::start().await;
    router.put(&as_one(&[&one, &two])).await.expect_status(200);
    let mut client = KeptAlive::connect(router.address).await;
    for _ in 0..1_000 {
        let reply = client.request("GET", "/", &[], Vec::new()).await;
        reply.unwrap().expect_status(200);
    }
    let (of_one, of_two) = (one.requests(), two.requests());
    assert_eq!(of_one + of_two, 1_000);
    // 500 ± 4.5σ.
    assert!(of_one.abs_diff(of_two) < 143, "{of_one} and {of_two}");

    // One request waits in one of them: whoever comes meanwhile goes to the other.
    let address = router.address;
    let waiting = tokio::spawn(async move { client::get(address, "/gate", &[]).await });
    let at_gate = |backend: &Backend| backend.seen.at_gate.load(std::sync::atomic::Ordering::SeqCst) == 1;
    eventually("a request is at the gate", async || at_gate(&one) || at_gate(&two)).await;
    let (busy, free) = if at_gate(&one) { (&one, &two) } else { (&two, &one) };
    let (before, free_before) = (busy.requests(), free.requests());
    for _ in 0..50 {
        router.get("/").await.expect_status(200);
    }
    assert_eq!((busy.requests(), free.requests()), (before, free_before + 50));
    let status = router.status().await;
    let in_flight = |backend: &Backend| {
        let mut replicas = status.replicas.iter();
        let found = replicas.find(|replica| replica.address == backend.address).unwrap();
        (found.routed, found.in_flight)
    };
    assert_eq!((in_flight(busy), in_flight(free)), ((true, 1), (true, 0)));
    busy.seen.open_gate(1);
    waiting.await.unwrap().expect_status(200);
}

#[tokio::test]
async fn a_replica_that_is_gone_or_not_ready_costs_no_request() {
    let (one, gone) = (Backend::start(1).await, Backend::absent(1).await);
    let router = Router::start().await;
    let both = as_one(&[&gone, &one]);
    router.put(&both).await.expect_status(200);
    for _ in 0..50 {
        router.get("/").await.expect_status(200);
    }
    assert_eq!(one.requests(), 50);

    let two = Backend::start(1).await;
    let mut unready = as_one(&[&one, &two]);
    unready.backends[0].replicas[1].ready = false;
    router.put(&unready).await.expect_status(200);
    for _ in 0..50 {
        router.get("/").await.expect_status(200);
    }
    assert_eq!((one.requests(), two.requests()), (100, 0));
}

#[tokio::test]
async fn what_one_replica_of_a_candidate_fails_is_not_asked_of_its_sibling() {
    let stable = Backend::start(1).await;
    let (bad, sibling) = (Backend::failing(2).await, Backend::failing(2).await);
    let router = Router::start().await;
    let mut canary = Table {
        shield: true,
        ..table(1, &[(&stable, 500), (&bad, 500)])
    };
    let Share { replicas: own, .. } = &mut canary.backends[1];
    *own = replicas(&[&bad, &sibling]);
    router.put(&canary).await.expect_status(200);
    for _ in 0..60 {
        router.get("/").await.expect_status(200);
    }
    let failed = bad.requests() + sibling.requests();
    assert!(bad.requests() > 0 && sibling.requests() > 0);
    // Each user's request was answered by the stable version, after at most one failure.
    assert_eq!(stable.requests(), 60);
    assert!((15..=45).contains(&failed), "{failed} of 60 at 50 %");
}

#[tokio::test]
async fn a_replica_out_of_the_table_is_told_of_until_it_has_answered() {
    let (one, two) = (Backend::start(1).await, Backend::start(1).await);
    let router = Router::start().await;
    router.put(&as_one(&[&one])).await.expect_status(200);
    let address = router.address;
    let waiting = tokio::spawn(async move { client::get(address, "/gate", &[]).await });
    let gate = &one.seen.at_gate;
    eventually("a request is at the gate", async || {
        gate.load(std::sync::atomic::Ordering::SeqCst) == 1
    })
    .await;
    let mut moved = as_one(&[&two]);
    moved.generation.0 += 1;
    router.put(&moved).await.expect_status(200);
    let told = async || {
        let replicas = router.status().await.replicas;
        let found = replicas.into_iter().find(|replica| replica.address == one.address);
        found.map(|replica| (replica.routed, replica.in_flight))
    };
    assert_eq!(told().await, Some((false, 1)));
    one.seen.open_gate(1);
    waiting.await.unwrap().expect_status(200);
    eventually("the old address is forgotten", async || told().await.is_none()).await;
}
