//! What is written down of requests.

use crate::backend::Backend;
use crate::client;
use crate::host::{Router, eventually, release};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn lines(router: &Router) -> Vec<Value> {
    let text = std::fs::read_to_string(router.path("access.log")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_request_is_one_line_with_who_asked_what_and_which_version_answered_how() {
    let backend = Backend::start(1).await;
    let router = Router::told(|_| json!({ "access_log": { "file": "access.log" } })).await;
    let router = router.with(&backend).await;
    let sent = [("x-forwarded-for", "198.51.100.1, 10.0.0.1"), ("x-request-id", "abc")];
    client::get(router.address, "/a?token=hunter2", &sent)
        .await
        .expect_status(200);
    client::raw(
        router.address,
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    )
    .await;
    let mut left = TcpStream::connect(router.address).await.unwrap();
    left.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    left.read_exact(&mut [0; 1000]).await.unwrap();
    drop(left);
    eventually("all three are written", async || lines(&router).len() == 3).await;

    let mut found = lines(&router);
    assert!(
        found[0]["ms"]
            .take()
            .as_f64()
            .is_some_and(|ms| ms > 0.0 && ms < 10_000.0)
    );
    assert!(found[0]["at"].take().as_str().is_some_and(|at| at.ends_with('Z')));
    let expected = json!({
        "at": null, "ms": null, "client": "198.51.100.1", "method": "GET", "host": "shop.example", "path": "/a",
        "protocol": "1.1", "status": 200, "bytes": 1, "release": release(1), "request_id": "abc",
    });
    assert_eq!(found[0], expected);
    assert_eq!((&found[1]["status"], found[1].get("release")), (&json!(400), None));
    assert_eq!(
        (&found[2]["status"], &found[2]["broken_off"]),
        (&json!(200), &json!(true))
    );
    assert!(
        !std::fs::read_to_string(router.path("access.log"))
            .unwrap()
            .contains("hunter2")
    );
}

#[tokio::test]
async fn a_sample_is_written_down_and_every_failure() {
    let backend = Backend::start(1).await;
    let router = Router::told(|_| json!({ "access_log": { "file": "access.log", "sample": "10%" } })).await;
    let router = router.with(&backend).await;
    let mut kept = client::KeptAlive::connect(router.address).await;
    for number in 0..1_000 {
        let path = if number % 50 == 0 { "/fail" } else { "/" };
        kept.request("GET", path, &[], Vec::new()).await.unwrap();
    }
    let of = |status: u64| lines(&router).iter().filter(|line| line["status"] == status).count();
    eventually("all failures are written", async || of(500) == 20).await;
    // 980 at 10 %: five sigma to either side.
    assert!((51..=145).contains(&of(200)), "{}", of(200));
}

#[tokio::test]
async fn a_router_that_stops_writes_down_all_it_has_answered() {
    let backend = Backend::start(1).await;
    let router = Router::told(|_| json!({ "access_log": { "file": "access.log" } })).await;
    let mut router = router.with(&backend).await;
    let mut kept = client::KeptAlive::connect(router.address).await;
    for _ in 0..500 {
        kept.request("GET", "/", &[], Vec::new()).await.unwrap();
    }
    router.terminate();
    assert!(router.wait().await.success());
    assert_eq!(lines(&router).len(), 500);
}

#[tokio::test]
async fn a_full_disk_costs_lines_and_no_request() {
    let backend = Backend::start(1).await;
    let router = Router::told(|_| json!({ "access_log": { "file": "/dev/full" } })).await;
    let router = router.with(&backend).await;
    for _ in 0..100 {
        router.get("/").await.expect_status(200);
    }
    eventually("it is said once", async || {
        let log = std::fs::read_to_string(router.path("router.log")).unwrap();
        log.matches("go on without being written down").count() == 1
    })
    .await;
}
