//! The accept loop that all servers share: HTTP/1.1, bounded connections, upgrades, graceful stop.

use crate::reply::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Per listener; further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 2_048;
/// Also closes idle connections, so it is longer than common clients keep theirs in a pool (90 s): the client should be
/// the one to close.
const HEAD_TIMEOUT: Duration = Duration::from_secs(120);
/// Out of file descriptors and the like: accepting again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers requests. Never fails: what goes wrong becomes a response.
pub trait Handler: Send + Sync + 'static {
    fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> impl Future<Output = Response<Body>> + Send;
}

pub struct Servers {
    stop: CancellationToken,
    running: JoinSet<()>,
}

impl Servers {
    pub fn new(stop: CancellationToken) -> Self {
        Self {
            stop,
            running: JoinSet::new(),
        }
    }

    pub fn start<H: Handler>(&mut self, listener: TcpListener, handler: Arc<H>) {
        self.running.spawn(serve(listener, handler, self.stop.clone()));
    }

    /// Runs beside the servers until they stop.
    pub fn start_background(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.running.spawn(async move {
            stop.run_until_cancelled(work).await;
        });
    }

    /// Resolves once every connection of every server is finished; call after the token was cancelled.
    pub async fn finished(&mut self) {
        while self.running.join_next().await.is_some() {}
    }
}

async fn serve<H: Handler>(listener: TcpListener, handler: Arc<H>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Some((stream, peer, slot)) = stop.run_until_cancelled(next(&listener, &slots)).await {
        let (handler, stop) = (handler.clone(), stop.clone());
        connections.spawn(async move {
            if let Err(error) = converse(stream, peer, handler, stop).await {
                tracing::debug!(%peer, %error, "connection broke off");
            }
            drop(slot);
        });
    }
    // Closed before draining, so that a successor can bind while the last requests finish.
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// One connection, until it ends or is told to after the request under way.
async fn converse<H: Handler>(
    stream: TcpStream,
    peer: SocketAddr,
    handler: Arc<H>,
    stop: CancellationToken,
) -> hyper::Result<()> {
    let service = service_fn(move |request| {
        let handler = handler.clone();
        async move { Ok::<_, Infallible>(handler.answer(request, peer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        served = connection.as_mut() => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}

async fn next(listener: &TcpListener, slots: &Arc<Semaphore>) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed; were it, connections would go uncounted rather than unserved.
    let slot = slots.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let _ = stream.set_nodelay(true);
                return (stream, peer, slot);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
