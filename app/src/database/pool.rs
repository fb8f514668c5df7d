//! The pool of connections, and how it keeps them fit.
//!
//! A database whose machine has died does not say so: a connection to it answers nothing, and is not reset either. So
//! every wait here has an end. And asking whether a connection still answers costs as much as a small query: one whose
//! last answer was read to its end goes back as it is, and is asked only when it has lain idle, or when another was found
//! broken. (sqlx's own pool asks at every return, and waits for the answer for as long as the network does.)

mod connection;
mod executor;

pub use connection::{Connection, Transaction};

use super::within;
use crate::queries::uncounted;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{ConnectOptions, Connection as _, Executor as _};
use std::fmt;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_INTERVAL: Duration = Duration::from_millis(100);
/// A connection that has not been used for so long is asked before it is used.
const STALE: Duration = Duration::from_secs(1);
/// Replaced then: behind a name there may be another server by now.
const OLD: Duration = Duration::from_secs(30 * 60);
/// Shorter than the deadline of a request: none is left waiting in the database after its client has been answered.
const LOCK_TIMEOUT: &str = "SET SESSION innodb_lock_wait_timeout = 5";

#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    session: MySqlConnectOptions,
    most: u32,
    /// A place each for the connections in use; an idle one has none.
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    open: Open,
    /// When it last answered; `None` once that says nothing any more.
    answered: Option<Instant>,
}

struct Open {
    connection: MySqlConnection,
    since: Instant,
}

impl Pool {
    /// Connects on first use, so that the process starts and stays alive while the database is away.
    pub fn new(session: MySqlConnectOptions, most: u32) -> Pool {
        Pool(Arc::new(Inner {
            session,
            most,
            places: Arc::new(Semaphore::new(most as usize)),
            idle: Mutex::default(),
        }))
    }

    pub async fn acquire(&self) -> sqlx::Result<Connection> {
        let deadline = Instant::now() + ACQUIRE_TIMEOUT;
        let place = tokio::time::timeout_at(deadline.into(), self.0.places.clone().acquire_owned()).await;
        let place = place.map_err(|_| sqlx::Error::PoolTimedOut)?;
        let place = place.map_err(|_| sqlx::Error::PoolClosed)?;
        let open = match self.0.take().await {
            Some(open) => open,
            None => self.0.connect(deadline).await?,
        };
        Ok(Connection::new(open, self.0.clone(), place))
    }

    pub async fn begin(&self) -> sqlx::Result<Transaction> {
        Transaction::begin(self.acquire().await?).await
    }

    /// Connections in use and idle.
    pub fn size(&self) -> u32 {
        let free = self.0.places.available_permits() as u32;
        self.0.most.saturating_sub(free) + self.idle()
    }

    pub fn idle(&self) -> u32 {
        self.0.idle_ones().len() as u32
    }

    /// When those in use have come back; nobody gets one any more.
    pub async fn close(&self) {
        let all = self.0.places.acquire_many(self.0.most).await;
        self.0.places.close();
        drop(all);
        let idle = std::mem::take(&mut *self.0.idle_ones());
        for Idle { open, .. } in idle {
            let goodbye = open.connection.close();
            tokio::time::timeout(ANSWER_TIMEOUT, goodbye).await.ok();
        }
    }
}

impl Inner {
    /// The one that was used last, if it is fit to be used again.
    async fn take(&self) -> Option<Open> {
        let Idle { mut open, answered } = self.idle_ones().pop()?;
        if open.since.elapsed() > OLD {
            return None;
        }
        if answered.is_some_and(|at| at.elapsed() <= STALE) || open.answers().await {
            return Some(open);
        }
        self.distrust();
        None
    }

    /// A server that is starting refuses connections at first.
    async fn connect(&self, deadline: Instant) -> sqlx::Result<Open> {
        loop {
            match within(CONNECT_TIMEOUT, uncounted(Open::new(&self.session))).await {
                Err(sqlx::Error::Io(error))
                    if error.kind() == ErrorKind::ConnectionRefused && Instant::now() + CONNECT_INTERVAL < deadline =>
                {
                    tokio::time::sleep(CONNECT_INTERVAL).await;
                }
                outcome => return outcome,
            }
        }
    }

    fn put_back(&self, open: Open) {
        let answered = Some(Instant::now());
        self.idle_ones().push(Idle { open, answered });
    }

    /// What broke one connection has likely broken others: each is asked before it is used.
    fn distrust(&self) {
        for idle in self.idle_ones().iter_mut() {
            idle.answered = None;
        }
    }

    fn idle_ones(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    async fn new(session: &MySqlConnectOptions) -> sqlx::Result<Open> {
        let mut connection = session.connect().await?;
        connection.execute(LOCK_TIMEOUT).await?;
        let since = Instant::now();
        Ok(Open { connection, since })
    }

    async fn answers(&mut self) -> bool {
        within(ANSWER_TIMEOUT, self.connection.ping()).await.is_ok()
    }

    /// Whatever it still owed is read on the way.
    async fn undo(&mut self) -> bool {
        within(ANSWER_TIMEOUT, self.connection.execute("ROLLBACK"))
            .await
            .is_ok()
    }
}

/// For a connection of which nobody knows what it still owes. Its place is free once that is known.
async fn ask(mut open: Open, pool: Arc<Inner>, place: OwnedSemaphorePermit) {
    if open.undo().await {
        pool.put_back(open);
    } else {
        pool.distrust();
    }
    drop(place);
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Pool({} of at most {}, {} idle)",
            self.size(),
            self.0.most,
            self.idle()
        )
    }
}
