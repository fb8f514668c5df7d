//! Users made to wait, or told to come back.

use crate::backend::Backend;
use crate::client;
use crate::host::{Router, eventually};
use contract::Hold;
use std::time::Duration;

async fn hold(router: &Router, hold: &Hold) {
    let reply = router.admin("PUT", "/hold", &serde_json::to_vec(hold).unwrap()).await;
    reply.expect_status(200);
}

#[tokio::test]
async fn during_a_pause_requests_wait_and_then_are_all_answered() {
    let backend = Backend::start(1).await;
    let router = Router::serving(&backend).await;
    hold(&router, &Hold::Pause { max_ms: 30_000 }).await;
    let address = router.address;
    let asking: Vec<_> = (0..20)
        .map(|_| tokio::spawn(client::request(address, "POST", "/upload", &[], b"x".to_vec())))
        .collect();
    // The pause is the subject: for as long as it lasts nothing arrives.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(backend.requests(), 0);
    let release = backend.release.to_string();
    client::get(address, "/", &[(contract::TESTER_HEADER, &release)])
        .await
        .expect_status(200);
    router.admin("DELETE", "/hold", b"").await.expect_status(200);
    for asking in asking {
        asking.await.unwrap().unwrap().expect_status(200);
    }
    assert_eq!(backend.requests(), 21);
}

#[tokio::test]
async fn a_pause_that_is_forgotten_ends_by_itself() {
    let router = Router::serving(&Backend::start(1).await).await;
    hold(&router, &Hold::Pause { max_ms: 400 }).await;
    assert!(matches!(
        router.status().await.hold,
        Some(Hold::Pause { max_ms: 1..=400 })
    ));
    router.get("/").await.expect_status(200);
    assert_eq!(router.status().await.hold, None);
}

#[tokio::test]
async fn during_maintenance_users_are_told_when_to_come_back_also_by_the_next_router() {
    let backend = Backend::start(1).await;
    let mut router = Router::serving(&backend).await;
    hold(&router, &Hold::Maintenance { retry_after_s: 120 }).await;
    let told = async |router: &Router| {
        let reply = router.get("/").await.expect_status(503);
        assert_eq!(reply.headers["retry-after"], "120");
    };
    told(&router).await;
    router.kill().await;
    router.start_successor();
    router.wait_until_it_answers().await;
    told(&router).await;
    assert_eq!(backend.requests(), 0);
    router.admin("DELETE", "/hold", b"").await.expect_status(200);
    eventually("users are served", async || router.get("/").await.status == 200).await;
}

#[tokio::test]
async fn a_hold_that_is_none_is_refused() {
    let router = Router::serving(&Backend::start(1).await).await;
    for garbage in [
        &b"{}"[..],
        br#"{"pause": {}}"#,
        br#"{"pause": {"max_ms": -1}}"#,
        br#"{"party": {}}"#,
    ] {
        let reply = router.admin("PUT", "/hold", garbage).await.expect_status(400);
        assert!(reply.text().starts_with("not a hold: "), "{}", reply.text());
    }
    router.get("/").await.expect_status(200);
}
