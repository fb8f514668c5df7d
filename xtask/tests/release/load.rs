//! An honest load: clients that never retry, each going straight to one host's router, counting every failure.

use crate::ask::complete;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What one client asks, given a number no other request has.
pub type Ask = Arc<dyn Fn(&reqwest::Client, &str, u64) -> reqwest::RequestBuilder + Send + Sync>;

pub struct Load {
    stop: Arc<AtomicBool>,
    seen: Arc<Seen>,
    clients: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    sent: AtomicU64,
    next: AtomicU64,
    /// Answers with success by what was asked, such as `POST /api/posts`.
    succeeded: Mutex<BTreeMap<String, u64>>,
    failures: Mutex<Vec<String>>,
}

pub struct LoadReport {
    pub sent: u64,
    /// POSTs that were answered with success.
    pub writes: u64,
    pub succeeded: BTreeMap<String, u64>,
    pub failures: Vec<String>,
}

/// Bounds every load, whatever a test forgets.
const MOST_REQUESTS: u64 = 400_000;

impl Load {
    pub fn start(routers: &[String], clients_per_router: usize, pause: Duration, ask: Ask) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Seen::default()));
        let clients = routers
            .iter()
            .flat_map(|router| std::iter::repeat_n(router.clone(), clients_per_router))
            .map(|router| {
                let (stop, seen, ask) = (Arc::clone(&stop), Arc::clone(&seen), Arc::clone(&ask));
                std::thread::spawn(move || client(&router, pause, &stop, &seen, &ask))
            })
            .collect();
        Self { stop, seen, clients }
    }

    pub fn gets(routers: &[String], path: &'static str) -> Self {
        let ask: Ask = Arc::new(move |client, router, _| client.get(format!("{router}{path}")));
        Self::start(routers, 4, Duration::from_millis(4), ask)
    }

    /// So far.
    pub fn sent(&self) -> u64 {
        self.seen.sent.load(Ordering::Relaxed)
    }

    /// So far.
    pub fn failed(&self) -> usize {
        self.seen.failures.lock().unwrap().len()
    }

    pub fn end(self) -> LoadReport {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().unwrap();
        }
        let succeeded = std::mem::take(&mut *self.seen.succeeded.lock().unwrap());
        let writes = succeeded.iter().filter(|(asked, _)| asked.starts_with("POST "));
        LoadReport {
            sent: self.seen.sent.load(Ordering::Relaxed),
            writes: writes.map(|(_, count)| count).sum(),
            succeeded,
            failures: std::mem::take(&mut self.seen.failures.lock().unwrap()),
        }
    }
}

fn client(router: &str, pause: Duration, stop: &AtomicBool, seen: &Seen, ask: &Ask) {
    complete(async {
        let mut client = fresh();
        while !stop.load(Ordering::Relaxed) && seen.sent.load(Ordering::Relaxed) < MOST_REQUESTS {
            let number = seen.next.fetch_add(1, Ordering::Relaxed);
            // Most users keep their connection; some come anew.
            if number.is_multiple_of(50) {
                client = fresh();
            }
            let request = ask(&client, router, number).build().unwrap();
            let asked = format!("{} {}", request.method(), request.url().path());
            let answer = client.execute(request).await;
            seen.sent.fetch_add(1, Ordering::Relaxed);
            match answer {
                Ok(response) if response.status().is_success() => match response.bytes().await {
                    Ok(_) => *seen.succeeded.lock().unwrap().entry(asked).or_default() += 1,
                    Err(error) => fail(
                        seen,
                        format!("the answer to request {number} from {router} broke off: {error:?}"),
                    ),
                },
                Ok(response) => fail(seen, format!("request {number} to {router}: {}", response.status())),
                Err(error) => fail(seen, format!("request {number} to {router}: {error:?}")),
            }
            tokio::time::sleep(pause).await;
        }
    });
}

fn fresh() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .retry(reqwest::retry::never())
        .build()
        .unwrap()
}

fn fail(seen: &Seen, what: String) {
    seen.failures.lock().unwrap().push(what);
}
