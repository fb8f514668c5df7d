//! Clients that never retry, some on new connections, some on kept ones.

use crate::host::eventually;
use crate::http::Client;
use hyper::body::Bytes;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use tokio::task::JoinSet;

pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: JoinSet<()>,
}

impl Load {
    pub fn start(address: SocketAddr) -> Self {
        let (stop, answered, mut clients) = (Arc::default(), Arc::default(), JoinSet::new());
        for number in 0..8 {
            clients.spawn(run(address, number % 2 == 0, Arc::clone(&stop), Arc::clone(&answered)));
        }
        Self {
            stop,
            answered,
            clients,
        }
    }

    pub async fn flows(&self, requests: u64) {
        let goal = self.answered.load(SeqCst) + requests;
        eventually("load flows", async || self.answered.load(SeqCst) >= goal).await;
    }

    /// How many were answered; fails if one was not.
    pub async fn end(mut self) -> u64 {
        self.stop.store(true, SeqCst);
        while let Some(client) = self.clients.join_next().await {
            client.expect("a request failed");
        }
        self.answered.load(SeqCst)
    }
}

async fn run(address: SocketAddr, reconnects: bool, stop: Arc<AtomicBool>, answered: Arc<AtomicU64>) {
    let mut client = Client::connect(address).await;
    while !stop.load(SeqCst) {
        let (status, body, closes) = client
            .send("POST", "/", Bytes::from_static(&[b'x'; 2_000]))
            .await
            .expect("an answer");
        assert_eq!((status.as_u16(), &body[..]), (200, &b"hello"[..]));
        answered.fetch_add(1, SeqCst);
        if reconnects || closes {
            client = Client::connect(address).await;
        }
    }
}
