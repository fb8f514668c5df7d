//! Client connections, from accept to close, and the drain when the router is told to stop.

use crate::connection::{Client, Overdue, Watch, WatchedStream};
use crate::forward::Proxy;
use crate::limits::{CONNECTIONS, DRAIN, HEAD_BYTES, TIMEOUT_CHECK};
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Accepts connections until told to drain. What then waits in the listening socket's queue stays there for the next
/// router: the socket is the supervisor's, and closing our copy of it closes nothing.
pub async fn accept(proxy: Arc<Proxy>, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let (stream, peer) = tokio::select! {
            biased;
            () = proxy.draining.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely; connections in hand will end and free some.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let connection = serve(proxy.clone(), stream, peer);
        proxy.tasks.spawn(async move {
            connection.await;
            drop(place);
        });
    }
}

/// Waits for all that is in flight, for a time.
pub async fn drain(proxy: &Proxy) {
    proxy.tasks.close();
    tracing::info!(
        in_flight = proxy.in_flight.load(Relaxed),
        connections = proxy.tasks.len(),
        "draining"
    );
    match tokio::time::timeout(DRAIN, proxy.tasks.wait()).await {
        Ok(()) => tracing::info!("drained"),
        Err(_) => tracing::warn!(
            in_flight = proxy.in_flight.load(Relaxed),
            connections = proxy.tasks.len(),
            "stopping with requests unanswered: they took longer than {} s",
            DRAIN.as_secs()
        ),
    }
}

async fn serve(proxy: Arc<Proxy>, stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        return tracing::debug!(%peer, %error, "a connection was gone at once");
    }
    let watch = Arc::new(Watch::default());
    let client = Arc::new(Client {
        peer: peer.ip(),
        watch: watch.clone(),
    });
    let service = service_fn(|request: Request<Incoming>| {
        let (proxy, client) = (proxy.clone(), client.clone());
        async move { Ok::<_, Infallible>(proxy.answer(&client, request).await) }
    });
    let mut builder = Builder::new();
    builder.max_buf_size(HEAD_BYTES).max_header_size(HEAD_BYTES);
    let stream = TokioIo::new(WatchedStream {
        stream,
        watch: watch.clone(),
    });
    let connection = builder.serve_connection(stream, service).with_upgrades();
    tokio::pin!(connection);
    loop {
        let is_draining = proxy.draining.is_cancelled();
        // A draining router has seconds left, so it looks more often.
        let check = if is_draining {
            Duration::from_millis(100)
        } else {
            TIMEOUT_CHECK
        };
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                return ended.unwrap_or_else(|error| tracing::debug!(%peer, %error, "a connection ended badly"));
            }
            () = proxy.draining.cancelled(), if !is_draining => (),
            () = tokio::time::sleep(check) => match watch.overdue(is_draining) {
                None => (),
                Some(Overdue::Idle) => connection.as_mut().graceful_shutdown(),
                Some(Overdue::SlowHead) => return,
            },
        }
    }
}
