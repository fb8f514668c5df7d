//! `serve`: the listening socket, its connections, and how they end.

use crate::address::Peer;
use crate::app::App;
use crate::config::Config;
use crate::jobs::Workers;
use crate::{log, mail, media, messages, queries, sweep};
use anyhow::Context;
use axum::Router;
use futures_util::FutureExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

const MOST_CONNECTIONS: u32 = 4_096;
/// Also how long a connection may idle between requests. Longer than proxies keep theirs (90 s is common), so that it
/// is not closed here in the moment a proxy sends the next request on it.
const HEADER_TIMEOUT: Duration = Duration::from_secs(120);
/// Between being told to stop and closing the socket: proxies see `/readyz` say no, and connections in use end after an
/// answer that says so, instead of being cut as their next request arrives.
const NOTICE: Duration = Duration::from_millis(500);
/// Between closing the socket and closing what is still connected: whoever came last gets to send its request.
const LINGER: Duration = Duration::from_millis(250);
/// How long requests may then take to finish. With `NOTICE` and `LINGER` it stays under the 10 s that container engines
/// give by default.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(8_500);
/// When the process has no file descriptor left, accepting again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub async fn serve(config: Config) -> anyhow::Result<()> {
    // Before anyone can see that this process is there: until then, being told to stop would kill it.
    let stop = Stop::new()?;
    let app = App::new(&config);
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {} (set LISTEN to another address)", config.listen))?;
    tracing_subscriber::registry()
        .with(log::to_stdout(config.log))
        .with(queries::counter())
        .init();
    tracing::info!(listen = %config.listen, release = config.release.id, commit = config.release.commit, "started");

    let mut workers = Workers::default();
    mail::deliver(&app, config.mail, &mut workers)?;
    media::start(&app, &mut workers);
    tokio::spawn(messages::follow(app.clone()));
    let door = Door {
        listener,
        router: app.router(),
        connections: Connections {
            room: Arc::new(Semaphore::new(MOST_CONNECTIONS as usize)),
            closing: watch::Sender::new(()),
        },
    };
    tokio::spawn(sweep::keep_sweeping(app.clone()));
    tokio::select! {
        () = door.keep_open() => {}
        () = notice(&app, stop) => {}
    }
    finish(&app, door.close(), workers).await;
    Ok(())
}

/// The signals that tell this process to stop.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> std::io::Result<Stop> {
        Ok(Stop {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

/// Waits to be told to stop, and lets everyone see it.
async fn notice(app: &App, mut stop: Stop) {
    tokio::select! {
        _ = stop.terminate.recv() => {}
        _ = stop.interrupt.recv() => {}
    }
    app.drain();
    tracing::info!("draining");
    tokio::time::sleep(NOTICE).await;
}

/// Where connections come in.
struct Door {
    listener: TcpListener,
    router: Router,
    connections: Connections,
}

/// What is connected, but for those that have become WebSockets: they end by themselves.
struct Connections {
    room: Arc<Semaphore>,
    closing: watch::Sender<()>,
}

impl Connections {
    /// Lets each finish the request it is at.
    async fn shutdown(self) {
        self.closing.send_replace(());
        // Fails only when the semaphore is closed, which it never is.
        self.room.acquire_many(MOST_CONNECTIONS).await.ok();
    }
}

impl Door {
    async fn keep_open(&self) {
        loop {
            self.let_one_in().await;
        }
    }

    /// Takes those who queue already, for closing the socket would reset them, and no one after.
    fn close(self) -> Connections {
        (0..MOST_CONNECTIONS)
            .map_while(|_| self.let_one_in().now_or_never())
            .for_each(drop);
        self.connections
    }

    async fn let_one_in(&self) {
        // The semaphore is never closed. Beyond the bound, clients queue in the listening socket.
        let Ok(place) = self.connections.room.clone().acquire_owned().await else {
            return;
        };
        match self.listener.accept().await {
            Ok((stream, peer)) => self.serve(stream, Peer(peer.ip()), place),
            Err(error) => {
                tracing::warn!(cause = %error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    fn serve(&self, stream: TcpStream, peer: Peer, place: OwnedSemaphorePermit) {
        // Only costs latency when it fails.
        stream.set_nodelay(true).ok();
        let router = TowerToHyperService::new(self.router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            router.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut closing = self.connections.closing.subscribe();
        tokio::spawn(async move {
            tokio::pin!(connection);
            let outcome = tokio::select! {
                outcome = connection.as_mut() => outcome,
                _ = closing.changed() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = outcome {
                tracing::debug!(cause = %error, "connection ended early");
            }
            drop(place);
        });
    }
}

async fn finish(app: &App, connections: Connections, workers: Workers) {
    let finished = async {
        tokio::time::sleep(LINGER).await;
        tokio::join!(connections.shutdown(), app.places.all_free(), workers.stopped());
        app.database.pool.close().await;
    };
    match tokio::time::timeout(DRAIN_TIMEOUT, finished).await {
        Ok(()) => tracing::info!("stopped"),
        Err(_) => tracing::warn!("stopped with requests unfinished after {DRAIN_TIMEOUT:?}"),
    }
}
