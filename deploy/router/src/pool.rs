//! Connections to one backend.

use crate::body::Upload;
use crate::limits::{CONNECT_TIMEOUT, HEAD_BYTES, POOL_CONNECTIONS, POOL_IDLE, WORKERS};
use crate::workers;
use http::Request;
use http::Response;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::net::TcpStream;

#[derive(Debug)]
pub struct Pool {
    pub address: SocketAddr,
    /// Requests sent here, or about to be, and not wholly answered.
    in_flight: AtomicU64,
    /// Of each worker, for itself alone: a connection is served by the thread that opened it. Most recently used last,
    /// which is where the next is taken from.
    idle: [Mutex<Vec<Idle>>; WORKERS],
}

/// Connections by address. They outlive tables: an address keeps its own until it is out of the table and has answered all.
#[derive(Debug, Default)]
pub struct Pools(BTreeMap<SocketAddr, Arc<Pool>>);

/// A request's place among those that a backend has to answer.
#[derive(Debug)]
pub struct Occupied(Arc<Pool>);

#[derive(Debug)]
struct Idle {
    connection: SendRequest<Upload>,
    since: Instant,
}

/// An answer, and the connection it is still coming through.
#[derive(Debug)]
pub struct Answered {
    pub response: Response<Incoming>,
    pub lease: Lease,
}

/// A connection in use. Given back when its answer is complete; otherwise dropped, which closes it.
#[derive(Debug)]
pub struct Lease {
    connection: SendRequest<Upload>,
    pool: Arc<Pool>,
}

#[derive(Debug)]
pub enum SendError {
    /// Not a byte of it was written: it may go elsewhere.
    NotSent {
        request: Box<Request<Upload>>,
        why: io::Error,
    },
    /// The backend may have begun to act on it.
    Broken(hyper::Error),
}

impl Pools {
    pub fn pool(&mut self, address: SocketAddr) -> Arc<Pool> {
        let pool = self.0.entry(address).or_insert_with(|| Arc::new(Pool::new(address)));
        pool.clone()
    }

    pub fn forget_finished(&mut self, is_routed: impl Fn(&SocketAddr) -> bool) {
        self.0
            .retain(|address, pool| is_routed(address) || pool.in_flight() > 0);
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.0.values()
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, SeqCst);
    }
}

impl Pool {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            in_flight: AtomicU64::new(0),
            idle: Default::default(),
        }
    }

    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(SeqCst)
    }

    /// One request more, as long as what this gives is kept.
    pub fn occupy(self: &Arc<Self>) -> Occupied {
        self.in_flight.fetch_add(1, SeqCst);
        Occupied(self.clone())
    }

    pub async fn send(self: &Arc<Self>, mut request: Request<Upload>) -> Result<Answered, SendError> {
        // An idle connection may have been closed by the backend; each is tried at most once, then a new one.
        loop {
            let (mut connection, is_new) = match self.take_idle() {
                Some(connection) => (connection, false),
                None => match self.connect().await {
                    Ok(connection) => (connection, true),
                    Err(why) => {
                        return Err(SendError::NotSent {
                            request: Box::new(request),
                            why,
                        });
                    }
                },
            };
            let mut error = match connection.try_send_request(request).await {
                Ok(response) => {
                    return Ok(Answered {
                        response,
                        lease: Lease {
                            connection,
                            pool: self.clone(),
                        },
                    });
                }
                Err(error) => error,
            };
            match error.take_message() {
                Some(unsent) if !is_new => request = unsent,
                Some(unsent) => {
                    let why = io::Error::other(error.into_error());
                    return Err(SendError::NotSent {
                        request: Box::new(unsent),
                        why,
                    });
                }
                None => return Err(SendError::Broken(error.into_error())),
            }
        }
    }

    async fn connect(&self) -> io::Result<SendRequest<Upload>> {
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(self.address)).await??;
        stream.set_nodelay(true)?;
        let mut builder = Builder::new();
        builder.max_buf_size(HEAD_BYTES).max_header_size(HEAD_BYTES);
        let (sender, connection) = builder
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(async move {
            // Whoever waits for an answer through this connection gets the error too; an idle one has nobody to tell.
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a backend connection ended");
            }
        });
        Ok(sender)
    }

    fn own(&self) -> MutexGuard<'_, Vec<Idle>> {
        let idle = &self.idle[workers::own_index() % WORKERS];
        idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_idle(&self) -> Option<SendRequest<Upload>> {
        let mut idle = self.own();
        while let Some(Idle { connection, since }) = idle.pop() {
            if since.elapsed() < POOL_IDLE && !connection.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    fn give_back(&self, connection: SendRequest<Upload>) {
        let mut idle = self.own();
        if idle.len() < POOL_CONNECTIONS && !connection.is_closed() {
            idle.push(Idle {
                connection,
                since: Instant::now(),
            });
        }
    }

    /// Closes what has been idle for too long.
    pub fn prune(&self) {
        let is_fresh = |idle: &Idle| idle.since.elapsed() < POOL_IDLE && !idle.connection.is_closed();
        for idle in &self.idle {
            idle.lock().unwrap_or_else(PoisonError::into_inner).retain(is_fresh);
        }
    }
}

impl Lease {
    /// Gives the connection back once it is ready for another request, which is at once or a moment after the answer's
    /// last byte, unless the request's body is still being sent.
    pub fn finish(mut self) {
        if self.connection.is_ready() {
            return self.pool.give_back(self.connection);
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            if let Ok(Ok(())) = tokio::time::timeout(CONNECT_TIMEOUT, self.connection.ready()).await {
                self.pool.give_back(self.connection);
            }
        });
    }
}
