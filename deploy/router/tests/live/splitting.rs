//! Who gets which version.

use crate::backend::Backend;
use crate::client::{self, KeptAlive};
use crate::host::{Router, release, table, with_lease};
use contract::{Counts, TESTER_HEADER};

#[tokio::test]
async fn requests_divide_within_three_sigma_of_the_weight_and_are_counted_by_version() {
    let (stable, candidate) = (Backend::start(1).await, Backend::start(2).await);
    let router = Router::start().await;
    router
        .put(&table(1, &[(&stable, 750), (&candidate, 250)]))
        .await
        .expect_status(200);
    let (requests, p) = (4_000_u64, 0.25);
    let mut client = KeptAlive::connect(router.address).await;
    for _ in 0..requests {
        client
            .request("GET", "/", &[], Vec::new())
            .await
            .unwrap()
            .expect_status(200);
    }
    let sigma = (requests as f64 * p * (1.0 - p)).sqrt();
    let to_candidate = candidate.requests() as f64;
    // A fair router leaves 3σ once in 370 runs, which is too often for a test; 4.5σ is still within 3 % of the weight.
    assert!(
        (to_candidate - requests as f64 * p).abs() < 4.5 * sigma,
        "{to_candidate} of {requests}"
    );
    assert_eq!(stable.requests() + candidate.requests(), requests);

    let status = router.status().await;
    let counted = |number| {
        status
            .versions
            .iter()
            .find(|version| version.release == release(number))
            .unwrap()
    };
    assert_eq!(
        counted(1).counts,
        Counts {
            requests: stable.requests(),
            errors: 0
        }
    );
    assert_eq!(
        counted(2).counts,
        Counts {
            requests: candidate.requests(),
            errors: 0
        }
    );
    assert_eq!(counted(2).latency.total(), candidate.requests());
    assert_eq!(
        (counted(1).weight.as_per_mille(), counted(2).weight.as_per_mille()),
        (750, 250)
    );
    assert!(
        stable.seen.connections.load(std::sync::atomic::Ordering::SeqCst) < 5,
        "connections are kept"
    );
}

#[tokio::test]
async fn a_user_with_a_cookie_stays_and_moves_only_towards_the_candidate() {
    let (stable, candidate) = (Backend::start(1).await, Backend::start(2).await);
    let router = Router::start().await;
    let mut users: Vec<(String, String)> = Vec::new();
    for (generation, weight) in [(1, 100), (2, 500), (3, 900)] {
        router
            .put(&table(generation, &[(&stable, 1000 - weight), (&candidate, weight)]))
            .await
            .expect_status(200);
        if users.is_empty() {
            for _ in 0..60 {
                let reply = router.get("/").await;
                users.push((reply.cookie().expect("a cookie while traffic is divided"), reply.text()));
            }
        }
        for (cookie, version) in &mut users {
            for _ in 0..2 {
                let reply = client::get(router.address, "/", &[("cookie", cookie)]).await;
                let moved_back = version == "2" && reply.text() == "1";
                assert!(!moved_back, "{cookie} moved back at {weight} ‰");
                assert_eq!(
                    reply.cookie().is_some(),
                    *version != reply.text(),
                    "a new cookie for a move, and only then"
                );
                *cookie = reply.cookie().unwrap_or(cookie.clone());
                *version = reply.text();
            }
        }
    }
    let on_candidate = users.iter().filter(|(_, version)| version == "2").count();
    assert!((40..60).contains(&on_candidate), "{on_candidate} of 60 at 900 ‰");
}

#[tokio::test]
async fn nobody_gets_a_cookie_while_traffic_is_not_divided() {
    let (stable, candidate) = (Backend::start(1).await, Backend::start(2).await);
    let router = Router::serving(&stable).await;
    assert_eq!(router.get("/").await.cookie(), None);
    router
        .put(&table(2, &[(&stable, 1000), (&candidate, 0)]))
        .await
        .expect_status(200);
    assert_eq!(router.get("/").await.cookie(), None);
}

#[tokio::test]
async fn a_tester_gets_the_release_asked_for_or_an_error_but_never_another() {
    let (stable, candidate) = (Backend::start(1).await, Backend::start(2).await);
    let router = Router::start().await;
    let mut both = table(1, &[(&stable, 1000), (&candidate, 0)]);
    router.put(&both).await.expect_status(200);
    let ask =
        async |number: u64| client::get(router.address, "/", &[(TESTER_HEADER, &release(number).to_string())]).await;
    assert_eq!(ask(2).await.expect_status(200).text(), "2");
    assert_eq!(ask(1).await.expect_status(200).text(), "1");
    ask(3).await.expect_status(503);
    both.backends[1].replicas[0].ready = false;
    router.put(&both).await.expect_status(200);
    ask(2).await.expect_status(503);
    let other_software = client::get(router.address, "/", &[(TESTER_HEADER, "v2.1")]).await;
    assert_eq!(other_software.expect_status(200).text(), "1");
}

#[tokio::test]
async fn backends_that_are_not_ready_get_nothing_until_nobody_is() {
    let (stable, candidate) = (Backend::start(1).await, Backend::start(2).await);
    let router = Router::start().await;
    let mut both = table(1, &[(&stable, 500), (&candidate, 500)]);
    for (stable_ready, candidate_ready, expected) in [(true, false, "1"), (false, true, "2"), (false, false, "1")] {
        both.backends[0].replicas[0].ready = stable_ready;
        both.backends[1].replicas[0].ready = candidate_ready;
        router.put(&both).await.expect_status(200);
        for _ in 0..20 {
            assert_eq!(router.get("/").await.expect_status(200).text(), expected);
        }
    }
}

#[tokio::test]
async fn without_any_backend_the_answer_says_when_to_come_back() {
    let router = Router::start().await;
    let reply = router.get("/").await.expect_status(503);
    assert_eq!(reply.headers["retry-after"], "1");
}

#[tokio::test]
async fn a_lapsed_lease_returns_all_traffic_to_stable_and_is_final() {
    let (stable, candidate) = (Backend::start(1).await, Backend::start(2).await);
    let mut router = Router::start().await;
    let canary = |generation, rollout| with_lease(table(generation, &[(&stable, 1), (&candidate, 999)]), rollout, 400);
    router.put(&canary(1, 7)).await.expect_status(200);
    assert_eq!(router.status().await.lapsed, None);
    crate::host::eventually("the lease lapses", async || router.status().await.lapsed.is_some()).await;
    for _ in 0..20 {
        assert_eq!(router.get("/").await.text(), "1");
    }
    let refused = router.put(&canary(2, 7)).await.expect_status(409);
    assert!(refused.text().contains("lapsed"), "{}", refused.text());

    // Final also for the router's next life.
    router.kill().await;
    router.start_successor();
    router.wait_until_it_answers().await;
    router.put(&canary(2, 7)).await.expect_status(409);
    assert_eq!(router.get("/").await.text(), "1");
    router.put(&canary(3, 8)).await.expect_status(200);
}

#[tokio::test]
async fn a_version_out_of_the_table_is_remembered_until_its_last_request_is_answered() {
    let (old, new) = (Backend::start(1).await, Backend::start(2).await);
    let router = Router::serving(&old).await;
    let address = router.address;
    let slow = tokio::spawn(async move { client::get(address, "/gate", &[]).await });
    crate::host::eventually("the slow request arrives", async || old.requests() == 1).await;
    router.put(&table(2, &[(&new, 1000)])).await.expect_status(200);
    assert_eq!(router.get("/").await.text(), "2");

    let in_flight = async || {
        let versions = router.status().await.versions;
        versions
            .iter()
            .find(|version| version.release == release(1))
            .map(|version| (version.in_flight, version.weight))
    };
    assert_eq!(in_flight().await, Some((1, contract::Weight::NONE)));
    old.seen.open_gate(1);
    assert_eq!(slow.await.unwrap().expect_status(200).text(), "1");
    crate::host::eventually("the old version is forgotten", async || in_flight().await.is_none()).await;
}
