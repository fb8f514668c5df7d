//! A small server that stands for one version of an app.

use crate::host::release;
use bytes::Bytes;
use contract::ReleaseId;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::task::{Context, Poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

pub struct Backend {
    pub release: ReleaseId,
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
    accepting: tokio::task::JoinHandle<()>,
}

/// What the server saw, and what it waits for.
#[derive(Default)]
pub struct Seen {
    pub requests: AtomicU64,
    pub connections: AtomicU64,
    /// Bytes of request bodies so far.
    pub uploaded: AtomicU64,
    /// Bytes of `/endless` given out so far.
    pub streamed: AtomicU64,
    fails: AtomicBool,
    /// Requests that came to `/gate`.
    pub at_gate: AtomicU64,
    gate: Gate,
}

struct Gate(Semaphore);

impl Default for Gate {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

impl Seen {
    /// Lets that many requests to `/gate` go on.
    pub fn open_gate(&self, requests: usize) {
        self.gate.0.add_permits(requests);
    }
}

impl Backend {
    pub async fn start(number: u64) -> Self {
        Self::start_at(number, "127.0.0.1:0".parse().unwrap()).await
    }

    /// Answers 500 to everything.
    pub async fn failing(number: u64) -> Self {
        let backend = Self::start(number).await;
        backend.seen.fails.store(true, SeqCst);
        backend
    }

    pub async fn start_at(number: u64, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let accepting = tokio::spawn(accept(number, listener, seen.clone()));
        Self {
            release: release(number),
            address,
            seen,
            accepting,
        }
    }

    /// A version that nothing listens for.
    pub async fn absent(number: u64) -> Self {
        let backend = Self::start(number).await;
        let (release, address, seen) = (backend.release, backend.address, backend.seen.clone());
        backend.stop().await;
        Self {
            release,
            address,
            seen,
            accepting: tokio::spawn(async {}),
        }
    }

    /// Closes the socket and all connections.
    pub async fn stop(self) {
        self.accepting.abort();
        let _ = self.accepting.await;
    }

    pub fn requests(&self) -> u64 {
        self.seen.requests.load(SeqCst)
    }
}

async fn accept(number: u64, listener: TcpListener, seen: Arc<Seen>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        seen.connections.fetch_add(1, SeqCst);
        let seen = seen.clone();
        let service = service_fn(move |request| {
            let seen = seen.clone();
            async move { answer(number, seen, request).await }
        });
        let builder = hyper::server::conn::http1::Builder::new();
        connections.spawn(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
    }
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// An error closes the connection without an answer.
async fn answer(number: u64, seen: Arc<Seen>, mut request: Request<Incoming>) -> Result<Answer, &'static str> {
    seen.requests.fetch_add(1, SeqCst);
    let text = |text: String| Response::new(Full::from(text).boxed());
    let failure = || Response::builder().status(500).body(Full::from("no").boxed()).unwrap();
    Ok(match request.uri().path() {
        "/break" => return Err("broken on purpose"),
        _ if seen.fails.load(SeqCst) => failure(),
        "/fail" => failure(),
        "/gate" => {
            seen.at_gate.fetch_add(1, SeqCst);
            seen.gate.0.acquire().await.unwrap().forget();
            text(number.to_string())
        }
        "/headers" => {
            let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
                format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()))
            };
            let mut response = text(request.headers().iter().map(line).collect());
            response
                .headers_mut()
                .insert("keep-alive", "timeout=9".parse().unwrap());
            response.headers_mut().insert("x-mine", "1".parse().unwrap());
            response
                .headers_mut()
                .insert("connection", "x-private".parse().unwrap());
            response.headers_mut().insert("x-private", "1".parse().unwrap());
            response
        }
        "/upload" => {
            while let Some(frame) = request.body_mut().frame().await {
                let frame = frame.map_err(|_| "the upload broke off")?;
                let length = frame.data_ref().map_or(0, Bytes::len);
                seen.uploaded.fetch_add(length as u64, SeqCst);
            }
            text(seen.uploaded.load(SeqCst).to_string())
        }
        "/endless" => Response::new(Endless(seen).boxed()),
        "/trailers" => {
            let trailers = http::HeaderMap::from_iter([("x-sum".parse().unwrap(), "7".parse().unwrap())]);
            let body = Full::from("data")
                .with_trailers(async move { Some(Ok(trailers)) })
                .boxed();
            Response::builder()
                .header("trailer", "x-sum")
                .header("transfer-encoding", "chunked")
                .body(body)
                .unwrap()
        }
        "/echo-socket" => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgrade.await.unwrap());
                let mut bytes = [0; 64];
                while let Ok(length @ 1..) = stream.read(&mut bytes).await {
                    stream.write_all(&bytes[..length]).await.unwrap();
                }
            });
            let builder = Response::builder()
                .status(101)
                .header("connection", "upgrade")
                .header("upgrade", "echo");
            builder.body(Full::default().boxed()).unwrap()
        }
        _ => text(number.to_string()),
    })
}

/// A body that goes on for as long as somebody takes it.
struct Endless(Arc<Seen>);

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        static CHUNK: [u8; 65_536] = [b'x'; 65_536];
        self.0.streamed.fetch_add(CHUNK.len() as u64, SeqCst);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&CHUNK)))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
