//! Members who listen for messages over WebSocket, and come back where they were when the server they are connected to
//! ends.

use super::Member;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Frame;

const BETWEEN_MESSAGES: Duration = Duration::from_millis(150);
/// What is under way when the last message was sent.
const LAST_WORDS: Duration = Duration::from_secs(15);

pub struct Listeners {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    failures: Arc<Mutex<Vec<String>>>,
    sender: JoinHandle<()>,
    listeners: Vec<JoinHandle<Heard>>,
}

/// By all of them together.
pub struct Report {
    pub listeners: usize,
    pub sent: usize,
    pub reconnected: usize,
    pub lost: usize,
    pub disordered: usize,
    /// Requests that were not answered with success.
    pub failures: Vec<String>,
}

#[derive(Default)]
struct Heard {
    texts: Vec<String>,
    reconnected: usize,
}

impl Listeners {
    /// `fan` listens at every router, `author` speaks at one after the other.
    pub fn start(routers: &[String], author: &Member, fan: &Member) -> Self {
        let (stop, sent, failures) = (Arc::default(), Arc::default(), Arc::default());
        let (said, last) = (Shared::new(&stop, &sent, &failures), routers.to_vec());
        let listening = Arc::new(AtomicUsize::new(0));
        let listeners: Vec<_> = routers
            .iter()
            .map(|router| {
                let (router, fan, shared, listening) =
                    (router.clone(), fan.clone(), said.clone(), Arc::clone(&listening));
                std::thread::spawn(move || block_on(listen(&router, &fan, &shared, &listening)))
            })
            .collect();
        let (author, fan, all) = (author.clone(), fan.clone(), listeners.len());
        let sender = std::thread::spawn(move || {
            while listening.load(Ordering::Relaxed) < all {
                std::thread::sleep(Duration::from_millis(10));
            }
            block_on(speak(&last, &author, &fan, &said));
        });
        Self {
            stop,
            sent,
            failures,
            sender,
            listeners,
        }
    }

    pub fn end(self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        self.sender.join().unwrap();
        let heard: Vec<Heard> = self.listeners.into_iter().map(|heard| heard.join().unwrap()).collect();
        let sent = self.sent.load(Ordering::Relaxed);
        let expected: Vec<String> = (0..sent).map(|number| number.to_string()).collect();
        let lost = |heard: &Heard| expected.iter().filter(|text| !heard.texts.contains(text)).count();
        let disordered = |heard: &Heard| {
            let numbers = heard.texts.iter().map(|text| text.parse::<i64>().unwrap());
            let numbers: Vec<i64> = numbers.collect();
            numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1).count()
        };
        Report {
            listeners: heard.len(),
            sent,
            reconnected: heard.iter().map(|heard| heard.reconnected).sum(),
            lost: heard.iter().map(lost).sum(),
            disordered: heard.iter().map(disordered).sum(),
            failures: std::mem::take(&mut self.failures.lock().unwrap()),
        }
    }
}

#[derive(Clone)]
struct Shared {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    failures: Arc<Mutex<Vec<String>>>,
}

impl Shared {
    fn new(stop: &Arc<AtomicBool>, sent: &Arc<AtomicUsize>, failures: &Arc<Mutex<Vec<String>>>) -> Self {
        Self {
            stop: Arc::clone(stop),
            sent: Arc::clone(sent),
            failures: Arc::clone(failures),
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn fail(&self, what: String) {
        self.failures.lock().unwrap().push(what);
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(work)
}

async fn speak(routers: &[String], author: &Member, fan: &Member, shared: &Shared) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .retry(reqwest::retry::never())
        .build()
        .unwrap();
    let room = client
        .post(format!("{}/api/rooms", routers[0]))
        .bearer_auth(author.token())
        .json(&json!({ "member_id": fan.id }));
    let room: Value = room.send().await.unwrap().json().await.unwrap();
    while !shared.stopped() {
        let number = shared.sent.load(Ordering::Relaxed);
        let router = &routers[number % routers.len()];
        let message = client
            .post(format!("{router}/api/rooms/{}/messages", room["id"]))
            .bearer_auth(author.token())
            .json(&json!({ "text": number.to_string() }));
        match message.send().await {
            Ok(answer) if answer.status().is_success() => drop(shared.sent.fetch_add(1, Ordering::Relaxed)),
            // Was it written? Without an idempotency key nobody knows, so the run is over for this one.
            Ok(answer) => return shared.fail(format!("message {number} to {router}: {}", answer.status())),
            Err(error) => return shared.fail(format!("message {number} to {router}: {error:?}")),
        }
        tokio::time::sleep(BETWEEN_MESSAGES).await;
    }
}

async fn listen(router: &str, fan: &Member, shared: &Shared, listening: &AtomicUsize) -> Heard {
    let mut heard = Heard::default();
    let mut cursor = Value::Null;
    let mut ends_at = None;
    let address = router.trim_start_matches("http://");
    loop {
        let stream = TcpStream::connect(address).await;
        let url = format!("ws://{address}/api/messages/live");
        let connected = match stream {
            Ok(stream) => tokio_tungstenite::client_async(url, stream)
                .await
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let mut socket = match connected {
            Ok((socket, _)) => socket,
            Err(why) => {
                shared.fail(format!("a listener at {router}: {why}"));
                return heard;
            }
        };
        let hello = json!({ "token": fan.token(), "cursor": cursor });
        let _ = socket.send(Frame::text(hello.to_string())).await;
        loop {
            if shared.stopped() {
                let end = *ends_at.get_or_insert_with(|| Instant::now() + LAST_WORDS);
                let all = heard.texts.len() >= shared.sent.load(Ordering::Relaxed);
                if all || Instant::now() > end {
                    return heard;
                }
            }
            let frame = tokio::time::timeout(Duration::from_millis(100), socket.next()).await;
            let text = match frame {
                Err(_) => continue,
                Ok(Some(Ok(Frame::Text(text)))) => text,
                Ok(Some(Ok(Frame::Ping(_) | Frame::Pong(_)))) => continue,
                // The server said that it ends, or ended.
                Ok(_) => break,
            };
            let told: Value = serde_json::from_str(&text).unwrap();
            cursor = told["cursor"].clone();
            match told["type"].as_str() {
                Some("ready") => drop(listening.fetch_add(1, Ordering::Relaxed)),
                _ => heard.texts.push(told["message"]["text"].as_str().unwrap().to_owned()),
            }
        }
        heard.reconnected += 1;
    }
}
