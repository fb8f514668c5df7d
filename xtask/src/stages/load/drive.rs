//! Requests at fixed times, whether or not those before them were answered. Latency counts from those times, so that a
//! server that stalls is felt by all who would have come meanwhile, and not by the one whose request it held.

use super::figures::Sample;
use crate::failure::{OrFail, Result};
use crate::plan::span;
use contract::{ReleaseId, TESTER_HEADER};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use pipeline::model::Load;
use reqwest::header::HeaderValue;
use reqwest::{Client, Request};
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Of one answer, which is read and not kept.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// When each request is due.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    pub rps: u32,
    pub count: u32,
}

/// Times count from when a request was due.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Of one release; what is due beyond waits, and its wait counts.
    pub in_flight: usize,
    pub sent_within: Duration,
    pub given_up_after: Duration,
}

/// A load on one release.
#[derive(Debug)]
pub struct Drive {
    /// Sent in turn.
    pub requests: Vec<Request>,
    pub schedule: Schedule,
    pub begin: Instant,
    pub bounds: Bounds,
}

impl Schedule {
    pub fn of(load: &Load) -> Self {
        let count = u128::from(load.rps) * load.duration.as_millis() / 1000;
        Self {
            rps: load.rps,
            count: u32::try_from(count).unwrap_or(u32::MAX).max(1),
        }
    }

    /// Counted from the beginning.
    pub fn due(self, number: u32) -> Duration {
        Duration::from_secs(number.into()) / self.rps
    }
}

/// Each path on each host.
pub fn requests(load: &Load, routers: &[SocketAddr], release: ReleaseId) -> Result<Vec<Request>> {
    let method = load.method.as_str();
    let tester = release.to_string();
    let tester = HeaderValue::from_str(&tester).or_fail(|| format!("`{tester}` cannot be asked for"))?;
    let mut requests = Vec::new();
    for router in routers {
        for path in &load.paths {
            let url = format!("http://{router}{path}");
            let mut request = Request::new(
                method.parse().or_fail(|| format!("`{method}` is no method"))?,
                url.parse().or_fail(|| format!("`{url}` cannot be asked for"))?,
            );
            request.headers_mut().insert(TESTER_HEADER, tester.clone());
            requests.push(request);
        }
    }
    Ok(requests)
}

impl Drive {
    /// One for each request of the schedule, in the order of their ends.
    pub async fn samples(&self, mut ended: impl FnMut(&Sample)) -> Vec<Sample> {
        let client = crate::http::client_that_asks_once();
        let slots = Semaphore::new(self.bounds.in_flight);
        let mut open = FuturesUnordered::new();
        let mut samples = Vec::new();
        let mut keep = |sample| {
            ended(&sample);
            samples.push(sample);
        };
        let in_turn = self.requests.iter().cycle();
        for (number, request) in (0..self.schedule.count).zip(in_turn) {
            let due = self.begin + self.schedule.due(number);
            loop {
                tokio::select! {
                    biased;
                    () = sleep_until(due) => break,
                    Some(sample) = open.next() => keep(sample),
                }
            }
            open.push(self.ask(&client, request, &slots, due));
        }
        while let Some(sample) = open.next().await {
            keep(sample);
        }
        samples
    }

    async fn ask(&self, client: &Client, request: &Request, slots: &Semaphore, due: Instant) -> Sample {
        let Bounds {
            in_flight,
            sent_within,
            given_up_after,
        } = self.bounds;
        let answered = match timeout_at(due + sent_within, slots.acquire()).await {
            Ok(_slot) => timeout_at(due + given_up_after, answer(client, request))
                .await
                .unwrap_or_else(|_| Err(format!("no answer within {}", span(given_up_after)))),
            Err(_) => Err(format!("overdue, with {in_flight} in flight before it")),
        };
        Sample {
            took: due.elapsed(),
            error: answered.err(),
        }
    }
}

async fn answer(client: &Client, request: &Request) -> Result<(), String> {
    let request = request.try_clone().ok_or("it cannot be asked twice")?;
    let mut response = client.execute(request).await.map_err(|error| cause(&error))?;
    let mut bytes = 0;
    while let Some(chunk) = response.chunk().await.map_err(|error| cause(&error))? {
        bytes += chunk.len();
        if bytes > MOST_BYTES {
            return Err(format!(
                "an answer of more than {}",
                crate::report::bytes(MOST_BYTES as u64)
            ));
        }
    }
    match response.status().as_u16() {
        0..400 => Ok(()),
        status => Err(format!("HTTP {status}")),
    }
}

/// The innermost reason: the others name the address, and would make each path an error of its own.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupt::Interrupt;
    use crate::report::{Mode, Report};
    use crate::screen::Screen;
    use crate::stages::load::{Sides, put};
    use axum::Router;
    use axum::http::{HeaderMap, StatusCode, Uri};
    use contract::Weight;
    use pipeline::model::Method;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    const MS: Duration = Duration::from_millis(1);
    const BOUNDS: Bounds = Bounds {
        in_flight: 256,
        sent_within: Duration::from_secs(5),
        given_up_after: Duration::from_secs(5),
    };

    /// What a server was asked, by the name of the release in its header.
    #[derive(Clone)]
    struct Server {
        address: SocketAddr,
        asked: Arc<Mutex<Vec<(String, String)>>>,
    }

    impl Server {
        /// Answers each path as told.
        async fn start<A: Future<Output = (StatusCode, Vec<u8>)> + Send>(
            answer: impl Fn(String) -> A + Clone + Send + Sync + 'static,
        ) -> Self {
            // As the door of the tool does. Each test may be the first.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let server = Self {
                address: listener.local_addr().unwrap(),
                asked: Arc::default(),
            };
            let asked = server.asked.clone();
            let handler = async move |uri: Uri, headers: HeaderMap| {
                let release = headers[TESTER_HEADER].to_str().unwrap().to_owned();
                asked.lock().unwrap().push((release, uri.path().to_owned()));
                answer(uri.path().to_owned()).await
            };
            let router = Router::new().fallback(handler);
            tokio::spawn(async move { axum::serve(listener, router).await });
            server
        }

        fn asked(&self) -> Vec<(String, String)> {
            self.asked.lock().unwrap().clone()
        }

        fn drive(&self, load: &Load, bounds: Bounds) -> Drive {
            Drive {
                requests: requests(load, &[self.address], release(1)).unwrap(),
                schedule: Schedule::of(load),
                begin: Instant::now(),
                bounds,
            }
        }
    }

    async fn fine(_: String) -> (StatusCode, Vec<u8>) {
        (StatusCode::OK, b"fine".to_vec())
    }

    fn release(number: u64) -> ReleaseId {
        ReleaseId::from_parts(number, 0)
    }

    fn load(rps: u32, ms: u32, paths: &[&str]) -> Load {
        Load {
            rps,
            duration: MS * ms,
            method: Method::Get,
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            p99: None,
            max_error_rate: Weight::NONE,
            slower_by: None,
        }
    }

    fn errors(samples: &[Sample]) -> Vec<&str> {
        samples.iter().filter_map(|sample| sample.error.as_deref()).collect()
    }

    #[test]
    fn requests_are_spread_evenly_over_the_time_there_is() {
        let schedule = Schedule::of(&load(20, 5_000, &["/"]));
        assert_eq!(schedule.count, 100);
        assert_eq!(
            [0, 1, 20, 99].map(|number| schedule.due(number)),
            [0, 50, 1_000, 4_950].map(|ms| MS * ms)
        );
        let most = Schedule::of(&load(1_000, 300_000, &["/"]));
        assert_eq!((most.count, most.due(most.count - 1)), (300_000, MS * 299_999));
    }

    #[tokio::test]
    async fn as_many_as_asked_for_are_sent_at_their_rate_and_paths_take_turns() {
        let server = Server::start(fine).await;
        let drive = server.drive(&load(100, 600, &["/a", "/b"]), BOUNDS);
        let samples = drive.samples(|_| ()).await;
        let took = drive.begin.elapsed();
        assert!((MS * 590..MS * 5_000).contains(&took), "{took:?}");
        assert_eq!((samples.len(), errors(&samples)), (60, Vec::new()));
        let asked = server.asked();
        assert_eq!(asked.len(), 60);
        assert!(asked.iter().all(|(name, _)| *name == release(1).to_string()));
        assert_eq!(asked.iter().filter(|(_, path)| path == "/a").count(), 30);
    }

    #[tokio::test]
    async fn a_server_that_stalls_is_felt_by_all_who_would_have_come_meanwhile() {
        let begin = Instant::now();
        let stalled = move |_| async move {
            sleep_until(begin + MS * 500).await;
            fine(String::new()).await
        };
        let server = Server::start(stalled).await;
        // Four wait for it, and all others for these.
        let bounds = Bounds { in_flight: 4, ..BOUNDS };
        let samples = server.drive(&load(100, 800, &["/"]), bounds).samples(|_| ()).await;
        assert_eq!((samples.len(), errors(&samples)), (80, Vec::new()));
        let felt = samples.iter().filter(|sample| sample.took > MS * 100).count();
        assert!(
            felt >= 35,
            "{felt} of 80 were slow, for a stall of half a second at 100/s"
        );
        let longest = samples.iter().map(|sample| sample.took).max().unwrap();
        assert!(longest >= MS * 400, "{longest:?}");
    }

    #[tokio::test]
    async fn errors_are_counted_by_name_and_nothing_is_asked_twice() {
        let server = Server::start(async |path: String| match path.as_str() {
            "/broken" => (StatusCode::INTERNAL_SERVER_ERROR, Vec::new()),
            "/gone" => (StatusCode::NOT_FOUND, Vec::new()),
            "/moved" => (StatusCode::FOUND, Vec::new()),
            "/endless" => (StatusCode::OK, vec![0; MOST_BYTES + 1]),
            _ => fine(path).await,
        })
        .await;
        let paths = ["/broken", "/gone", "/moved", "/endless", "/fine"];
        let samples = server.drive(&load(50, 200, &paths), BOUNDS).samples(|_| ()).await;
        let mut found = errors(&samples);
        found.sort_unstable();
        let endless = "an answer of more than 16.8 MB";
        assert_eq!(
            found,
            ["HTTP 404", "HTTP 404", "HTTP 500", "HTTP 500", endless, endless]
        );
        assert_eq!(server.asked().len(), 10);
    }

    #[tokio::test]
    async fn who_refuses_connections_is_told_from_who_answers() {
        let server = Server::start(fine).await;
        let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refusing = Server {
            address: nobody.local_addr().unwrap(),
            ..server
        };
        drop(nobody);
        let samples = refusing.drive(&load(50, 100, &["/"]), BOUNDS).samples(|_| ()).await;
        let refused = "Connection refused (os error 111)";
        assert_eq!(errors(&samples), [refused; 5]);
    }

    #[tokio::test]
    async fn a_server_that_never_answers_ends_it_in_time_and_what_could_not_be_sent_is_overdue() {
        let server = Server::start(async |_| std::future::pending().await).await;
        let bounds = Bounds {
            in_flight: 2,
            sent_within: MS * 100,
            given_up_after: MS * 300,
        };
        let drive = server.drive(&load(20, 500, &["/"]), bounds);
        let samples = drive.samples(|_| ()).await;
        let took = drive.begin.elapsed();
        assert!(took < MS * 5_000, "{took:?}");
        let found = errors(&samples);
        assert_eq!(found.len(), 10);
        assert!(found.contains(&"no answer within 300ms"), "{found:?}");
        assert!(found.contains(&"overdue, with 2 in flight before it"), "{found:?}");
        assert!(server.asked().len() < 10, "never more than two at once");
    }

    #[tokio::test]
    async fn what_is_dropped_sends_nothing_more() {
        let server = Server::start(fine).await;
        let drive = server.drive(&load(100, 60_000, &["/"]), BOUNDS);
        let seen = async {
            while server.asked().len() < 5 {
                tokio::time::sleep(MS * 10).await;
            }
        };
        tokio::select! {
            samples = drive.samples(|_| ()) => panic!("it ended with {}", samples.len()),
            () = seen => {}
        }
        // What was on its way arrives.
        tokio::time::sleep(MS * 200).await;
        let sent = server.asked().len();
        tokio::time::sleep(MS * 200).await;
        assert_eq!(server.asked().len(), sent);
    }

    #[tokio::test]
    async fn both_releases_are_asked_the_same_at_the_same_time() {
        // Nobody is answered before more have come than one release is sent.
        let came = Arc::new(AtomicUsize::new(0));
        let server = Server::start(move |path| {
            came.fetch_add(1, Ordering::Relaxed);
            let came = came.clone();
            async move {
                while came.load(Ordering::Relaxed) <= 20 {
                    tokio::time::sleep(MS * 5).await;
                }
                fine(path).await
            }
        })
        .await;
        let report = Report::shown(Mode::Plain, Screen::kept(80), Interrupt::new());
        let sides = Sides {
            candidate: release(2),
            running: Some(release(1)),
        };
        let load = load(50, 400, &["/a", "/b"]);
        let found = put(&report, &load, &[server.address], sides).await.unwrap();
        let running = found.running.unwrap();
        assert_eq!([found.candidate.requests, running.requests], [20; 2]);
        assert_eq!([found.candidate.errors, running.errors], [0; 2]);
        let asked = server.asked();
        let of = |number| {
            let name = release(number).to_string();
            let mut paths: Vec<_> = asked.iter().filter(|(asked, _)| *asked == name).collect();
            paths.sort();
            paths.into_iter().map(|(_, path)| path.clone()).collect::<Vec<_>>()
        };
        assert_eq!(of(2), of(1));
    }
}
