//! Client connections, from accept to close, and the drain when the router is told to stop.

use crate::connection::{Client, Overdue, Watch, WatchedStream};
use crate::forward::Proxy;
use crate::limits::{CONNECTIONS, DRAIN, HEAD_BYTES, HEAD_TIMEOUT, PING, STREAMS, TIMEOUT_CHECK};
use crate::origin::Origin;
use crate::protocol::{self, Protocol, Recognised};
use crate::tls::Tls;
use crate::workers::Workers;
use contract::Network;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustix::net::sockopt;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Where users come in.
#[derive(Debug)]
pub struct Door {
    pub proxy: Arc<Proxy>,
    pub tls: Option<Arc<Tls>>,
    pub trusted_proxies: Arc<Vec<Network>>,
}

/// Accepts connections until told to drain. What then waits in the listening socket's queue stays there for the next
/// router: the socket is the supervisor's, and closing our copy of it closes nothing.
pub async fn accept(door: Arc<Door>, listener: std::net::TcpListener, workers: Workers) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return Ok(());
        };
        let accepted = tokio::select! {
            biased;
            () = door.proxy.draining.cancelled() => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        // A worker's thread watches it from here on, so this one lets go of it.
        let (stream, peer) = match accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer))) {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely; connections in hand will end and free some.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Counted before it is handed over: a drain waits for it.
        let token = door.proxy.tasks.token();
        let door = door.clone();
        workers.hand_over(Box::new(move || {
            tokio::spawn(async move {
                if let Err(error) = serve(door, stream, peer).await {
                    tracing::debug!(%peer, %error, "a connection ended badly");
                }
                drop((place, token));
            });
        }));
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

async fn serve(door: Arc<Door>, stream: std::net::TcpStream, peer: SocketAddr) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // A tunnel may be silent for hours; one whose other end is gone is found out by this.
    sockopt::set_socket_keepalive(&stream, true)?;
    sockopt::set_tcp_keepidle(&stream, Duration::from_secs(60))?;
    let stream = TcpStream::from_std(stream)?;
    let watch = Arc::new(Watch::default());
    let client = Arc::new(Client {
        origin: Origin::new(peer.ip(), &door.trusted_proxies, door.tls.is_some()),
        trusted_proxies: door.trusted_proxies.clone(),
        watch: watch.clone(),
    });
    match &door.tls {
        None => speak(&door.proxy, client, WatchedStream { stream, watch }).await,
        Some(tls) => {
            let stream = tokio::time::timeout(HEAD_TIMEOUT, tls.acceptor.accept(stream)).await??;
            speak(&door.proxy, client, WatchedStream { stream, watch }).await
        }
    }
}

async fn speak<S>(proxy: &Arc<Proxy>, client: Arc<Client>, stream: WatchedStream<S>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let watch = client.watch.clone();
    let Some((protocol, stream)) = recognise(proxy, &watch, stream).await? else {
        return Ok(());
    };
    let service = service_fn(|request: Request<Incoming>| {
        let (proxy, client) = (proxy.clone(), client.clone());
        async move { Ok::<_, Infallible>(proxy.answer(&client, request).await) }
    });
    match protocol {
        Protocol::Http1 => {
            let mut builder = http1::Builder::new();
            builder.max_buf_size(HEAD_BYTES).max_header_size(HEAD_BYTES);
            let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
            attend(proxy, &watch, connection, |connection| connection.graceful_shutdown()).await
        }
        Protocol::Http2 => {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .keep_alive_interval(PING)
                .max_concurrent_streams(STREAMS)
                .max_header_list_size(HEAD_BYTES as u32);
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            attend(proxy, &watch, connection, |connection| connection.graceful_shutdown()).await
        }
    }
}

/// `None` for whoever connects and says nothing.
async fn recognise<S: AsyncRead + Unpin>(
    proxy: &Proxy,
    watch: &Watch,
    stream: S,
) -> io::Result<Option<(Protocol, Recognised<S>)>> {
    let recognised = protocol::recognise(stream);
    tokio::pin!(recognised);
    loop {
        tokio::select! {
            biased;
            recognised = &mut recognised => return recognised.map(Some),
            () = tick(proxy) => if watch.overdue(proxy.draining.is_cancelled()).is_some() {
                return Ok(None);
            },
        }
    }
}

/// Sees a connection to its end, and to its end sooner when its time is up.
async fn attend<C>(proxy: &Proxy, watch: &Watch, connection: C, finish: fn(Pin<&mut C>)) -> io::Result<()>
where
    C: Future<Output = hyper::Result<()>>,
{
    tokio::pin!(connection);
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => return ended.map_err(io::Error::other),
            () = tick(proxy) => match watch.overdue(proxy.draining.is_cancelled()) {
                None => (),
                Some(Overdue::Idle) => finish(connection.as_mut()),
                Some(Overdue::SlowHead | Overdue::SlowReader) => return Ok(()),
            },
        }
    }
}

/// Until it is time to look at a connection again. A draining router has seconds left, so it looks more often.
async fn tick(proxy: &Proxy) {
    if proxy.draining.is_cancelled() {
        return tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::select! {
        () = proxy.draining.cancelled() => (),
        () = tokio::time::sleep(TIMEOUT_CHECK) => (),
    }
}
