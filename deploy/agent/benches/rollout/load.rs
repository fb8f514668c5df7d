//! Users who come anew with each request and never ask twice.

use crate::http;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const USERS: usize = 6;
const PAUSE: Duration = Duration::from_millis(5);

pub struct Load {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    users: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    sent: usize,
    failed: usize,
    /// When each version answered first.
    first: BTreeMap<String, Instant>,
}

impl Load {
    pub fn on(address: SocketAddr) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
        let mut users = JoinSet::new();
        for _ in 0..USERS {
            let (stop, seen) = (stop.clone(), seen.clone());
            users.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let answer = http::try_get(address, "/version").await;
                    seen.lock().unwrap_or_else(PoisonError::into_inner).note(answer);
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        Self { stop, seen, users }
    }

    pub fn first_answer(&self, version: &str) -> Option<Instant> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.first.get(version).copied()
    }

    /// How many requests were sent, and how many of them were not answered with success.
    pub async fn end(mut self) -> (usize, usize) {
        self.stop.store(true, Ordering::Relaxed);
        while self.users.join_next().await.is_some() {}
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.sent, seen.failed)
    }
}

impl Seen {
    fn note(&mut self, answer: Option<(u16, String)>) {
        self.sent += 1;
        match answer {
            Some((200, version)) => drop(self.first.entry(version).or_insert_with(Instant::now)),
            _ => self.failed += 1,
        }
    }
}
