use crate::support::{Ground, free_address, poll_async};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::routing::{any, get};
use reqwest::{Client, StatusCode};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A host that says who it is, as long as it says that it is ready.
struct Host {
    address: SocketAddr,
    ready: Arc<AtomicBool>,
    serving: tokio::task::JoinHandle<()>,
}

async fn host(name: &'static str) -> Host {
    host_at(free_address(), name).await
}

async fn host_at(address: SocketAddr, name: &'static str) -> Host {
    let ready = Arc::new(AtomicBool::new(true));
    let is_ready = ready.clone();
    let readiness = move || async move {
        if is_ready.load(Ordering::SeqCst) {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    let headers = |headers: HeaderMap| async move {
        let mut lines: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines.join("\n")
    };
    let router = Router::new()
        .route("/readyz", get(readiness))
        .route("/api/headers", get(headers))
        .route(
            "/api/echo",
            any(|request: Request| async { Body::new(request.into_body()) }),
        )
        .fallback(move || async move { name });
    let listener = TcpListener::bind(address).await.unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Host {
        address,
        ready,
        serving,
    }
}

async fn ask(ground: &Ground, path: &str) -> (StatusCode, String) {
    let response = Client::new()
        .get(format!("http://{}{path}", ground.production()))
        .send()
        .await
        .unwrap();
    (response.status(), response.text().await.unwrap())
}

/// How often each of two names answers ten requests.
async fn counts(ground: &Ground) -> (usize, usize) {
    let mut names = Vec::new();
    for _ in 0..10 {
        names.push(ask(ground, "/").await.1);
    }
    let count = |name: &str| names.iter().filter(|found| *found == name).count();
    (count("one"), count("two"))
}

#[tokio::test]
async fn healthy_hosts_take_turns_and_an_unready_one_is_left_out() {
    let (one, two) = (host("one").await, host("two").await);
    let ground = Ground::with_hosts(&[one.address, two.address]);
    assert_eq!(counts(&ground).await, (5, 5));
    two.ready.store(false, Ordering::SeqCst);
    poll_async("the unready host to be left out", async || {
        (counts(&ground).await == (10, 0)).then_some(())
    })
    .await;
    two.ready.store(true, Ordering::SeqCst);
    poll_async("the ready host to be back", async || {
        (counts(&ground).await == (5, 5)).then_some(())
    })
    .await;
    one.ready.store(false, Ordering::SeqCst);
    two.ready.store(false, Ordering::SeqCst);
    poll_async("both to be tried when none is ready", async || {
        (counts(&ground).await == (5, 5)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_host_that_does_not_accept_connections_costs_no_request() {
    let one = host("one").await;
    let ground = Ground::with_hosts(&[one.address, free_address()]);
    let http = Client::new();
    for _ in 0..20 {
        let url = format!("http://{}/api/echo", ground.production());
        let response = http.post(url).body("written").send().await.unwrap();
        assert_eq!(
            (response.status(), response.text().await.unwrap()),
            (StatusCode::OK, "written".into())
        );
    }
}

#[tokio::test]
async fn a_host_that_comes_back_costs_no_request() {
    let first = host("one").await;
    let address = first.address;
    let ground = Ground::with_hosts(&[address]);
    assert_eq!(ask(&ground, "/").await.1, "one");
    // The kept connections die with the host.
    first.serving.abort();
    let _ = first.serving.await;
    let second = poll_async("the port to be free", async || TcpListener::bind(address).await.ok()).await;
    drop(second);
    let _second = host_at(address, "two").await;
    for _ in 0..5 {
        assert_eq!(ask(&ground, "/").await, (StatusCode::OK, "two".into()));
    }
}

#[tokio::test]
async fn the_site_sends_its_api_to_production_with_forwarded_headers() {
    let one = host("one").await;
    let ground = Ground::with_hosts(&[one.address]);
    let request = Client::new()
        .get(format!("{}/api/headers", ground.site()))
        .header("x-forwarded-for", "6.6.6.6");
    let text = request.send().await.unwrap().text().await.unwrap();
    let site = ground.config.edge.site;
    let expected = format!(
        "accept: */*\nhost: {site}\nx-forwarded-for: 127.0.0.1\nx-forwarded-host: {site}\nx-forwarded-proto: http"
    );
    assert_eq!(text, expected);
}

#[tokio::test]
async fn without_a_host_the_answer_names_the_environment() {
    let ground = Ground::with_hosts(&[]);
    let (status, text) = ask(&ground, "/").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        serde_json::from_str::<Value>(&text).unwrap()["environment"],
        "production"
    );
    let ground = Ground::with_hosts(&[free_address()]);
    let (status, text) = ask(&ground, "/").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.contains("no host of `production` accepts connections"), "{text}");
}

/// Accepts, reads a head and hangs up; counts the requests other than probes.
async fn host_that_hangs_up() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let head = read_head(&mut stream).await;
            if head.starts_with("GET /readyz") {
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    .await;
            } else {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (address, count)
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

#[tokio::test]
async fn a_write_that_may_have_begun_is_not_sent_again() {
    let (bad, count) = host_that_hangs_up().await;
    let ground = Ground::with_hosts(&[bad]);
    let url = format!("http://{}/api/echo", ground.production());
    for (sent, body) in [(1, ""), (2, "pay once")] {
        let response = Client::new().post(&url).body(body).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        assert_eq!(response.json::<Value>().await.unwrap()["environment"], "production");
        assert_eq!(count.load(Ordering::SeqCst), sent);
    }
}

#[tokio::test]
async fn a_read_that_broke_off_is_answered_by_the_next_host() {
    let (bad, count) = host_that_hangs_up().await;
    let good = host("good").await;
    let ground = Ground::with_hosts(&[bad, good.address]);
    for _ in 0..10 {
        assert_eq!(ask(&ground, "/").await, (StatusCode::OK, "good".into()));
    }
    assert_eq!(
        count.load(Ordering::SeqCst),
        5,
        "half of the requests went to the bad host first"
    );
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let one = host("one").await;
    let ground = Ground::with_hosts(&[one.address]);
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
    let stream = futures_util::stream::unfold(receiver, async |mut receiver| {
        receiver
            .recv()
            .await
            .map(|bytes| (Ok::<_, std::io::Error>(bytes), receiver))
    });
    let url = format!("http://{}/api/echo", ground.production());
    sender.send(Bytes::from_static(b"first")).await.unwrap();
    let mut response = Client::new()
        .post(url)
        .body(reqwest::Body::wrap_stream(stream))
        .send()
        .await
        .unwrap();
    // Each part comes back before the next is sent: nothing waits for the end.
    assert_eq!(response.chunk().await.unwrap().unwrap(), "first");
    sender.send(Bytes::from_static(b"second")).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "second");
    drop(sender);
    assert_eq!(response.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn an_upgraded_connection_carries_bytes_both_ways() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let head = read_head(&mut stream).await;
            if !head.to_lowercase().contains("upgrade: websocket") {
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    .await;
                continue;
            }
            let switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
            stream.write_all(switch).await.unwrap();
            let (mut reader, mut writer) = stream.split();
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
        }
    });
    let ground = Ground::with_hosts(&[address]);
    let mut stream = TcpStream::connect(ground.config.edge.site).await.unwrap();
    let ask = b"GET /api/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    stream.write_all(ask).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(
        head.starts_with("HTTP/1.1 101") && head.to_lowercase().contains("upgrade: websocket"),
        "{head}"
    );
    for message in [b"ping", b"pong"] {
        stream.write_all(message).await.unwrap();
        let mut echo = [0; 4];
        stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, message);
    }
}
