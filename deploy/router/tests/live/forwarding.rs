//! What happens to one request and its answer on the way.

use crate::backend::Backend;
use crate::client::{self, KeptAlive};
use crate::host::{Router, eventually, release, table};
use contract::Counts;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn counts(router: &Router, number: u64) -> Counts {
    let versions = router.status().await.versions;
    versions
        .iter()
        .find(|version| version.release == release(number))
        .unwrap()
        .counts
}

#[tokio::test]
async fn a_refused_connection_goes_to_the_other_version_and_counts_against_the_first() {
    let (stable, gone) = (Backend::start(1).await, Backend::absent(2).await);
    let router = Router::start().await;
    router
        .put(&table(1, &[(&stable, 1), (&gone, 999)]))
        .await
        .expect_status(200);
    for _ in 0..30 {
        let reply = client::request(router.address, "POST", "/upload", &[], b"12345".to_vec())
            .await
            .unwrap();
        reply.expect_status(200);
    }
    assert_eq!(
        stable.seen.uploaded.load(SeqCst),
        150,
        "each body arrived whole and once"
    );
    let against = counts(&router, 2).await;
    assert!(
        against.errors >= 25 && against.errors == against.requests,
        "{against:?}"
    );
    assert_eq!(
        counts(&router, 1).await,
        Counts {
            requests: 30,
            errors: 0
        }
    );
}

#[tokio::test]
async fn a_connection_that_the_backend_closed_in_the_meantime_costs_no_request() {
    let first = Backend::start(1).await;
    let router = Router::serving(&first).await;
    router.get("/").await.expect_status(200);
    // The same address, another server: what the router kept open is closed.
    let address = first.address;
    first.stop().await;
    let second = Backend::start_at(1, address).await;
    router.get("/").await.expect_status(200);
    assert_eq!(second.requests(), 1);
    assert_eq!(counts(&router, 1).await.errors, 0);
}

#[tokio::test]
async fn a_backend_that_cannot_be_reached_at_all_gives_502() {
    let router = Router::serving(&Backend::absent(1).await).await;
    router.get("/").await.expect_status(502);
    assert_eq!(counts(&router, 1).await, Counts { requests: 1, errors: 1 });
}

#[tokio::test]
async fn a_request_that_was_begun_is_never_sent_twice() {
    let (stable, candidate) = (Backend::start(1).await, Backend::start(2).await);
    let router = Router::start().await;
    router
        .put(&table(1, &[(&stable, 500), (&candidate, 500)]))
        .await
        .expect_status(200);
    for _ in 0..10 {
        client::request(router.address, "POST", "/break", &[], b"x".to_vec())
            .await
            .unwrap()
            .expect_status(502);
    }
    assert_eq!(stable.requests() + candidate.requests(), 10);
    assert_eq!(counts(&router, 1).await.errors + counts(&router, 2).await.errors, 10);
}

#[tokio::test]
async fn server_errors_are_counted_and_client_errors_are_not() {
    let backend = Backend::start(1).await;
    let router = Router::serving(&backend).await;
    router.get("/fail").await.expect_status(500);
    router.get("/").await.expect_status(200);
    assert_eq!(counts(&router, 1).await, Counts { requests: 2, errors: 1 });
    let metrics = router.admin("GET", "/metrics", b"").await.expect_status(200).text();
    let line = format!("router_errors_total{{release=\"{}\"}} 1", release(1));
    assert!(metrics.lines().any(|found| found == line), "{metrics}");
}

#[tokio::test]
async fn an_upload_reaches_the_backend_while_it_is_still_being_sent() {
    let backend = Backend::start(1).await;
    let router = Router::serving(&backend).await;
    let mut stream = TcpStream::connect(router.address).await.unwrap();
    let (chunk, chunks) = (vec![b'x'; 1 << 20], 64);
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        chunk.len() * chunks
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&chunk).await.unwrap();
    eventually("the first MiB arrives alone", async || {
        backend.seen.uploaded.load(SeqCst) == 1 << 20
    })
    .await;
    for _ in 1..chunks {
        stream.write_all(&chunk).await.unwrap();
    }
    eventually("all of it arrives", async || {
        backend.seen.uploaded.load(SeqCst) == (chunks << 20) as u64
    })
    .await;
}

#[tokio::test]
async fn an_answer_flows_only_as_fast_as_the_client_takes_it_and_ends_when_the_client_leaves() {
    let backend = Backend::start(1).await;
    let router = Router::serving(&backend).await;
    let mut stream = TcpStream::connect(router.address).await.unwrap();
    stream
        .write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut bytes = vec![0; 8 << 20];
    stream.read_exact(&mut bytes).await.unwrap();

    // The client stops reading: what the backend still gets rid of is what sockets and one buffer hold.
    let mut before = 0;
    eventually("the stream stands still", async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        std::mem::replace(&mut before, backend.seen.streamed.load(SeqCst)) == before
    })
    .await;
    assert!(
        before < 64 << 20,
        "{before} bytes were taken from the backend for a client that took 8 MiB"
    );
    let in_flight = async || router.status().await.versions[0].in_flight;
    assert_eq!(in_flight().await, 1);
    drop(stream);
    eventually("the request is over", async || in_flight().await == 0).await;
}

#[tokio::test]
async fn trailers_pass() {
    let backend = Backend::start(1).await;
    let router = Router::serving(&backend).await;
    let request = b"GET /trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: close\r\n\r\n";
    let answer = client::raw(router.address, request).await;
    assert!(answer.ends_with("4\r\ndata\r\n0\r\nx-sum: 7\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn headers_between_neighbours_stay_between_them_in_both_directions() {
    let backend = Backend::start(1).await;
    let router = Router::serving(&backend).await;
    let sent = [
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("x-forwarded-for", "198.51.100.1"),
        ("accept", "*/*"),
    ];
    let reply = client::get(router.address, "/headers", &sent).await.expect_status(200);
    let seen = reply.text();
    for line in [
        "host: shop.example",
        "accept: */*",
        "x-forwarded-for: 198.51.100.1, 127.0.0.1",
        "x-forwarded-proto: http",
        "x-forwarded-host: shop.example",
    ] {
        assert!(seen.lines().any(|found| found == line), "no `{line}` in:\n{seen}");
    }
    assert!(!seen.contains("x-hop"), "{seen}");
    assert_eq!(reply.headers["x-mine"], "1");
    assert!(!reply.headers.contains_key("x-private") && !reply.headers.contains_key("keep-alive"));
    let id = reply.headers["x-request-id"].to_str().unwrap();
    assert!(
        seen.contains(&format!("x-request-id: {id}")),
        "the client is told the id that the backend saw"
    );
}

#[tokio::test]
async fn head_requests_and_old_clients_are_served() {
    let backend = Backend::start(1).await;
    let router = Router::serving(&backend).await;
    let head = client::raw(
        router.address,
        b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(
        head.contains("content-length: 1") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    let old = client::raw(router.address, b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200") && old.ends_with("\r\n\r\n1"), "{old}");
    let mut kept = KeptAlive::connect(router.address).await;
    for _ in 0..3 {
        kept.request("GET", "/", &[], Vec::new())
            .await
            .unwrap()
            .expect_status(200);
    }
}

#[tokio::test]
async fn a_client_that_waits_to_be_told_to_continue_is_told() {
    let backend = Backend::start(1).await;
    let router = Router::serving(&backend).await;
    let mut stream = TcpStream::connect(router.address).await.unwrap();
    let head = b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut told = [0; 25];
    stream.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").await.unwrap();
    eventually("the body arrives", async || backend.seen.uploaded.load(SeqCst) == 3).await;
}

#[tokio::test]
async fn an_upgraded_connection_is_passed_through_and_in_flight_until_it_ends() {
    let backend = Backend::start(1).await;
    let router = Router::serving(&backend).await;
    let mut stream = TcpStream::connect(router.address).await.unwrap();
    let request = b"GET /echo-socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    let mut echoed = [0; 5];
    stream.write_all(b"hello").await.unwrap();
    stream.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"hello");
    let in_flight = async || router.status().await.versions[0].in_flight;
    assert_eq!(in_flight().await, 1);
    drop(stream);
    eventually("the tunnel is over", async || in_flight().await == 0).await;
}
