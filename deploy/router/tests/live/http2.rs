//! Users who speak HTTP/2, and the backends behind that do not.

use crate::backend::Backend;
use crate::host::{Router, eventually};
use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::sync::atomic::Ordering::SeqCst;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (sender, connection) = handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn request(path: &str, body: &[u8]) -> Request<Full<Bytes>> {
    Request::builder()
        .method(if body.is_empty() { "GET" } else { "POST" })
        .version(Version::HTTP_2)
        .uri(format!("http://shop.example{path}"))
        .body(Full::from(body.to_vec()))
        .unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn requests_of_one_connection_are_answered_at_once_and_not_in_turn() {
    let backend = Backend::start(1).await;
    let router = Router::serving(&backend).await;
    let mut client = connect(router.address).await;
    let waiting: Vec<_> = (0..20).map(|_| client.send_request(request("/gate", b""))).collect();
    let waiting = tokio::spawn(futures_util::future::join_all(waiting));
    eventually("all twenty arrive", async || backend.requests() == 20).await;
    assert_eq!(router.status().await.versions[0].in_flight, 20);
    let overtaking = client.send_request(request("/", b"")).await.unwrap();
    assert_eq!(
        (overtaking.version(), overtaking.status().as_u16()),
        (Version::HTTP_2, 200)
    );
    backend.seen.open_gate(20);
    for answer in waiting.await.unwrap() {
        assert_eq!(text(answer.unwrap()).await, "1");
    }
}

#[tokio::test]
async fn what_http_1_says_in_other_ways_is_translated() {
    let backend = Backend::start(1).await;
    let router = Router::serving(&backend).await;
    let mut client = connect(router.address).await;
    let mut asked = request("/headers", b"");
    for cookie in ["a=1", "b=2"] {
        asked.headers_mut().append("cookie", cookie.parse().unwrap());
    }
    let answer = client.send_request(asked).await.unwrap();
    assert!(!answer.headers().contains_key("connection"), "{:?}", answer.headers());
    assert_eq!(answer.headers()["x-mine"], "1");
    let seen = text(answer).await;
    for line in [
        "host: shop.example",
        "cookie: a=1; b=2",
        "x-forwarded-host: shop.example",
    ] {
        assert!(seen.lines().any(|found| found == line), "no `{line}` in:\n{seen}");
    }
}

#[tokio::test]
async fn bodies_and_trailers_stream_through() {
    let backend = Backend::start(1).await;
    let router = Router::serving(&backend).await;
    let mut client = connect(router.address).await;
    let body = vec![b'x'; 3 << 20];
    let answer = client.send_request(request("/upload", &body)).await.unwrap();
    assert_eq!(text(answer).await, body.len().to_string());
    assert_eq!(backend.seen.uploaded.load(SeqCst), body.len() as u64);

    let mut asked = request("/trailers", b"");
    asked.headers_mut().insert("te", "trailers".parse().unwrap());
    let collected = client
        .send_request(asked)
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap();
    assert_eq!(collected.trailers().unwrap()["x-sum"], "7");
}

#[tokio::test]
async fn a_client_that_leaves_one_request_keeps_the_others() {
    let backend = Backend::start(1).await;
    let router = Router::serving(&backend).await;
    let mut client = connect(router.address).await;
    let endless = client.send_request(request("/endless", b"")).await.unwrap();
    let in_flight = async || router.status().await.versions[0].in_flight;
    assert_eq!(in_flight().await, 1);
    drop(endless);
    eventually("the backend is let go", async || in_flight().await == 0).await;
    assert_eq!(text(client.send_request(request("/", b"")).await.unwrap()).await, "1");
}

#[tokio::test]
async fn a_router_that_stops_answers_what_it_has_and_tells_clients_to_go() {
    let backend = Backend::start(1).await;
    let mut router = Router::serving(&backend).await;
    let mut client = connect(router.address).await;
    let waiting = tokio::spawn(client.send_request(request("/gate", b"")));
    eventually("it arrives", async || backend.requests() == 1).await;
    router.terminate();
    let mut queued = router.start_successor();
    backend.seen.open_gate(1);
    assert_eq!(text(waiting.await.unwrap().unwrap()).await, "1");
    assert!(
        queued.wait().await.unwrap().success(),
        "the connection is told to go, and the router ends"
    );
    eventually("the client knows", async || client.is_closed()).await;
}

/// What HTTP/1 can say in its headers, nobody may say in those of HTTP/2.
#[tokio::test]
async fn headers_that_would_end_a_request_elsewhere_are_refused_or_taken_away() {
    let backend = Backend::start(1).await;
    let router = Router::serving(&backend).await;
    for (name, value) in [
        ("transfer-encoding", "chunked"),
        ("connection", "host"),
        ("content-length", "3"),
    ] {
        let mut client = connect(router.address).await;
        let mut asked = request("/upload", b"xxxxxx");
        asked.headers_mut().insert(name, value.parse().unwrap());
        if let Ok(answer) = client.send_request(asked).await {
            assert!(name != "content-length" || answer.status() != 200, "{name}: {answer:?}");
        }
    }
    let seen = backend.seen.uploaded.load(SeqCst);
    assert!(
        seen.is_multiple_of(6) || seen <= 3,
        "{seen} bytes: only whole bodies, or what was announced"
    );
}

#[tokio::test]
async fn a_connection_that_only_begins_like_http_2_is_not_kept_for_ever() {
    let router = Router::serving(&Backend::start(1).await).await;
    let mut stream = TcpStream::connect(router.address).await.unwrap();
    stream.write_all(b"PRI * HT").await.unwrap();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(std::time::Duration::from_secs(25), stream.read_to_end(&mut answer));
    assert_eq!(closed.await.expect("it is closed").unwrap(), 0);
}
