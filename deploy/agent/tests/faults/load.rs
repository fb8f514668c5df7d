//! An honest load: clients that never retry, going straight to the host's router on connections that they keep and now
//! and then open anew, a third of what they ask being writes. It counts every request, every failure and the slowest.

use contract::ReleaseId;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

pub const CLIENTS: u64 = 6;
/// Bounds every load, whatever a test forgets.
const MOST_REQUESTS: u64 = 400_000;
const LONGEST: Duration = Duration::from_secs(400);
const PAUSE: Duration = Duration::from_millis(4);
/// Whoever waits longer has gone away.
const CLIENT_PATIENCE: Duration = Duration::from_secs(40);
const BODY: [u8; 400] = [b'x'; 400];

/// In a thread of its own, so that nothing a test does holds it up.
pub struct Load {
    seen: Arc<Seen>,
    running: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    /// Also the key that no other write has.
    sent: AtomicU64,
    answered: AtomicU64,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    writes: u64,
    failed: Vec<Failed>,
    slowest: Duration,
    /// When the latest of the requests that a release answered was sent.
    latest: BTreeMap<String, Instant>,
}

#[derive(Debug, Clone)]
pub struct Failed {
    pub is_write: bool,
    pub why: String,
}

#[derive(Debug)]
pub struct Report {
    pub sent: u64,
    pub writes: u64,
    pub failed: Vec<Failed>,
    pub slowest: Duration,
}

impl Load {
    pub fn on(address: SocketAddr) -> Self {
        let seen = Arc::new(Seen::default());
        let shared = seen.clone();
        let running = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let clients = (0..CLIENTS).map(|_| client(address, &shared));
                futures_util::future::join_all(clients).await;
            });
        });
        Self { seen, running }
    }

    /// Returns once so many more requests were answered.
    pub async fn flows(&self, requests: u64) {
        let goal = self.seen.answered.load(SeqCst) + requests;
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.seen.answered.load(SeqCst) < goal {
            let failed = self.failed();
            assert!(Instant::now() < deadline, "the load stands still: {failed:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn failed(&self) -> Vec<Failed> {
        self.seen.notes.lock().unwrap().failed.clone()
    }

    /// When the latest request that this release answered was sent.
    pub fn latest(&self, release: ReleaseId) -> Option<Instant> {
        let notes = self.seen.notes.lock().unwrap();
        notes.latest.get(&release.to_string()).copied()
    }

    pub fn end(self) -> Report {
        self.seen.stop.store(true, SeqCst);
        self.running.join().unwrap();
        let mut notes = self.seen.notes.lock().unwrap();
        Report {
            sent: self.seen.sent.load(SeqCst),
            writes: notes.writes,
            failed: std::mem::take(&mut notes.failed),
            slowest: notes.slowest,
        }
    }
}

impl Report {
    /// Shows the figures under what was done to the host.
    pub fn print(self, what: &str) -> Self {
        println!("{what}: {}", self.figures());
        assert!(self.sent > 100 && self.writes * 10 >= self.sent * 3, "{self:?}");
        self
    }

    /// The same, and not one of them failed.
    pub fn print_unharmed(self, what: &str) {
        let report = self.print(what);
        assert!(report.failed.is_empty(), "{:#?}", report.reasons());
    }

    pub fn failed_of(&self, is_write: bool) -> usize {
        self.failed.iter().filter(|failed| failed.is_write == is_write).count()
    }

    pub fn reasons(&self) -> BTreeMap<&str, usize> {
        let mut reasons = BTreeMap::new();
        for failed in &self.failed {
            *reasons.entry(failed.why.as_str()).or_default() += 1;
        }
        reasons
    }

    fn figures(&self) -> String {
        let failed = match self.failed.len() {
            0 => "0 failed".to_owned(),
            all => format!(
                "{all} failed ({} of them writes: {:?})",
                self.failed_of(true),
                self.reasons()
            ),
        };
        let (sent, writes) = (grouped(self.sent), grouped(self.writes));
        format!(
            "{sent} requests ({writes} writes), {failed}, slowest {} ms",
            self.slowest.as_millis()
        )
    }
}

fn grouped(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", grouped(number / 1_000), number % 1_000),
    }
}

async fn client(address: SocketAddr, seen: &Seen) {
    let began = Instant::now();
    let mut kept = None;
    while !seen.stop.load(SeqCst) && began.elapsed() < LONGEST {
        let number = seen.sent.fetch_add(1, SeqCst);
        if number >= MOST_REQUESTS {
            seen.sent.fetch_sub(1, SeqCst);
            return;
        }
        // Most users keep their connection; some come anew.
        if number.is_multiple_of(20) {
            kept = None;
        }
        let is_write = number.is_multiple_of(3);
        let sent = Instant::now();
        let asked = tokio::time::timeout(CLIENT_PATIENCE, ask(address, &mut kept, number, is_write));
        let answer = asked.await.unwrap_or_else(|_| Err("no answer".to_owned()));
        note(seen, is_write, sent, answer);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Sends one request once, and returns which release answered it.
async fn ask(
    address: SocketAddr,
    kept: &mut Option<SendRequest<Full<Bytes>>>,
    number: u64,
    is_write: bool,
) -> Result<String, String> {
    // A connection that the other end has closed is no request's failure: nothing was sent on it.
    let open = match kept.take() {
        Some(mut open) => open.ready().await.is_ok().then_some(open),
        None => None,
    };
    let mut connection = match open {
        Some(open) => open,
        None => connect(address).await?,
    };
    let request = match is_write {
        true => Request::post(format!("/write/{number}")).body(Full::from(&BODY[..])),
        false => Request::get("/version").body(Full::default()),
    };
    let (mut parts, body) = request.unwrap().into_parts();
    parts.headers.insert("host", "shop".parse().unwrap());
    let sent = connection.send_request(Request::from_parts(parts, body)).await;
    let response = sent.map_err(|error| format!("sending: {}", root_cause(&error)))?;
    let (parts, body) = response.into_parts();
    let body = body
        .collect()
        .await
        .map_err(|error| format!("answer: {}", root_cause(&error)))?;
    let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    if parts.headers.get("connection").is_none_or(|value| value != "close") {
        *kept = Some(connection);
    }
    let (release, times) = text.split_once(' ').unwrap_or((&text, "1"));
    match parts.status.as_u16() {
        200 if times == "1" => Ok(release.to_owned()),
        200 => Err(format!("written {times} times")),
        status => Err(format!("status {status}")),
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, String> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| format!("connecting: {error}"))?;
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    Ok(sender)
}

fn root_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => root_cause(source),
        None => error.to_string(),
    }
}

fn note(seen: &Seen, is_write: bool, sent: Instant, answer: Result<String, String>) {
    let mut notes = seen.notes.lock().unwrap();
    notes.slowest = notes.slowest.max(sent.elapsed());
    notes.writes += u64::from(is_write);
    match answer {
        Ok(release) => {
            seen.answered.fetch_add(1, SeqCst);
            let latest = notes.latest.entry(release).or_insert(sent);
            *latest = sent.max(*latest);
        }
        Err(why) => notes.failed.push(Failed { is_write, why }),
    }
}
