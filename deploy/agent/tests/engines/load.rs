//! An honest load: clients that never retry, each going straight to one machine's router, counting every failure.

use crate::client::Client;
use contract::ReleaseId;
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Bounds every load, whatever a test forgets.
const MOST_REQUESTS: u64 = 60_000;
const LONGEST: Duration = Duration::from_secs(240);
const PAUSE: Duration = Duration::from_millis(12);
/// Requests on one connection.
const KEPT_FOR: u64 = 50;
const KEEPING: usize = 2;
/// Connections at once.
const BURST: usize = 6;
const BURST_PAUSE: Duration = Duration::from_millis(150);

pub struct Load {
    seen: Arc<Seen>,
    clients: JoinSet<()>,
}

/// Keys that no other request of this process has.
static NEXT: AtomicU64 = AtomicU64::new(0);

struct Seen {
    stop: AtomicBool,
    sent: AtomicU64,
    writes: AtomicU64,
    began: Instant,
    answered: Mutex<BTreeMap<(SocketAddr, String), u64>>,
    failures: Mutex<Vec<Failed>>,
}

#[derive(Debug, Clone)]
pub struct Failed {
    pub after: Duration,
    pub what: String,
}

#[derive(Debug)]
pub struct Report {
    pub sent: u64,
    writes: u64,
    took: Duration,
    pub failures: Vec<Failed>,
}

impl Load {
    pub fn on(routers: &[SocketAddr]) -> Self {
        let seen = Arc::new(Seen {
            stop: AtomicBool::default(),
            sent: AtomicU64::default(),
            writes: AtomicU64::default(),
            began: Instant::now(),
            answered: Mutex::default(),
            failures: Mutex::default(),
        });
        let mut load = Self {
            seen,
            clients: JoinSet::new(),
        };
        for router in routers {
            load.add(*router);
        }
        load
    }

    /// One more machine takes traffic.
    pub fn add(&mut self, router: SocketAddr) {
        for _ in 0..KEEPING {
            self.clients.spawn(keep(router, Arc::clone(&self.seen)));
        }
        self.clients.spawn(burst(router, Arc::clone(&self.seen)));
    }

    pub fn sent(&self) -> u64 {
        self.seen.sent.load(Relaxed)
    }

    /// Until so many more were answered, one way or the other.
    pub async fn flows(&self, requests: u64) {
        let goal = self.sent() + requests;
        crate::wait::soon(crate::wait::PATIENCE, "load flows", async || self.sent() >= goal).await;
    }

    /// How often this release has answered there.
    pub fn answered(&self, router: SocketAddr, release: ReleaseId) -> u64 {
        let answered = self.seen.answered.lock().unwrap();
        answered
            .get(&(router, release.to_string()))
            .copied()
            .unwrap_or_default()
    }

    pub async fn end(mut self) -> Report {
        self.seen.stop.store(true, Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        Report {
            sent: self.sent(),
            writes: self.seen.writes.load(Relaxed),
            took: self.seen.began.elapsed(),
            failures: self.seen.failures.lock().unwrap().clone(),
        }
    }
}

impl Report {
    /// Prints the figures.
    pub fn say(&self, what: &str) {
        let share = self.writes * 100 / self.sent.max(1);
        let (failed, took) = (self.failures.len(), self.took.as_secs_f64());
        println!(
            "{what}: {} requests ({share} % POST), {failed} failed, {took:.1} s",
            self.sent
        );
        assert!(self.sent > 50 && share >= 30, "hardly a load: {self:?}");
    }

    pub fn expect_none_failed(&self, what: &str) {
        self.say(what);
        let first: Vec<_> = self.failures.iter().take(10).collect();
        assert!(
            first.is_empty(),
            "{} requests failed, the first: {first:#?}",
            self.failures.len()
        );
    }

    /// From the first failure to the last.
    pub fn outage(&self) -> Duration {
        let times = || self.failures.iter().map(|failed| failed.after);
        times().max().unwrap_or_default() - times().min().unwrap_or_default()
    }
}

/// Most users keep their connection for a while.
async fn keep(router: SocketAddr, seen: Arc<Seen>) {
    let mut kept = None;
    let mut asked_on_it = 0;
    while !seen.is_over() {
        kept = match kept.take() {
            Some(client) if asked_on_it < KEPT_FOR => seen.ask(router, Ok(client)).await,
            _ => {
                asked_on_it = 0;
                seen.ask(router, Client::connect(router).await).await
            }
        };
        asked_on_it += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Some come anew, several at once, so that a router has to connect to its backend for them.
async fn burst(router: SocketAddr, seen: Arc<Seen>) {
    while !seen.is_over() {
        let new = (0..BURST).map(|_| async { seen.ask(router, Client::connect(router).await).await });
        join_all(new).await;
        tokio::time::sleep(BURST_PAUSE).await;
    }
}

impl Seen {
    /// Once, and never again; returns the connection if it can be used for another.
    async fn ask(&self, router: SocketAddr, client: Result<Client, String>) -> Option<Client> {
        let number = NEXT.fetch_add(1, Relaxed);
        let (method, path) = match number % 5 {
            0 | 2 => ("POST", format!("/orders/{number}")),
            _ => ("GET", "/version".to_owned()),
        };
        let (answer, client) = match client {
            Ok(mut client) => (client.ask(method, &path).await, Some(client)),
            Err(why) => (Err(why), None),
        };
        self.sent.fetch_add(1, Relaxed);
        self.writes.fetch_add(u64::from(method == "POST"), Relaxed);
        match answer {
            Ok(answer) if answer.status == 200 => {
                *self.answered.lock().unwrap().entry((router, answer.body)).or_default() += 1;
                return client.filter(|_| !answer.closes);
            }
            Ok(answer) => self.fail(router, &format!("{method} {path}: {} {}", answer.status, answer.body)),
            Err(why) => self.fail(router, &format!("{method} {path}: {why}")),
        }
        None
    }

    fn is_over(&self) -> bool {
        self.stop.load(Relaxed) || self.sent.load(Relaxed) >= MOST_REQUESTS || self.began.elapsed() >= LONGEST
    }

    fn fail(&self, router: SocketAddr, what: &str) {
        let after = self.began.elapsed();
        let what = format!("{router}: {what}");
        self.failures.lock().unwrap().push(Failed { after, what });
    }
}
