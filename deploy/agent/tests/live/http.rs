//! A client that never retries, so that no lost request goes unseen.

use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

pub async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    try_get(address, path)
        .await
        .unwrap_or_else(|| panic!("GET {path} at {address}: no answer"))
}

/// `None` without an answer.
pub async fn try_get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let request = Request::get(path).header("host", "shop").header("connection", "close");
    let response = sender
        .send_request(request.body(Empty::<Bytes>::new()).unwrap())
        .await
        .ok()?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.ok()?.to_bytes();
    Some((status, String::from_utf8(body.to_vec()).ok()?))
}

/// Asks for `path` over and over, each time on a new connection.
pub struct Load {
    stop: Arc<AtomicBool>,
    running: JoinHandle<Vec<Option<(u16, String)>>>,
}

impl Load {
    pub fn on(address: SocketAddr, path: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let running = tokio::spawn(async move {
            let mut answers = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                answers.push(try_get(address, path).await);
            }
            answers
        });
        Self { stop, running }
    }

    /// How many were answered, and everything that was not a 200.
    pub async fn end(self) -> (usize, Vec<Option<(u16, String)>>) {
        self.stop.store(true, Ordering::Relaxed);
        let answers = self.running.await.unwrap();
        let is_good = |answer: &Option<(u16, String)>| matches!(answer, Some((200, _)));
        (
            answers.len(),
            answers.into_iter().filter(|answer| !is_good(answer)).collect(),
        )
    }
}
