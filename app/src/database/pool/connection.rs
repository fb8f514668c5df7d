//! A connection in use, alone or for a transaction.
//!
//! Whoever has read all the answers says so, and the connection goes back as it is. One that is merely dropped, because
//! its work failed or was given up in the middle, may still owe an answer or hold locks: it is asked first, aside.

use super::{Inner, Open, ask};
use sqlx::Executor;
use sqlx::mysql::MySqlConnection;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

const HELD: &str = "a connection is held until it is given back or dropped";

pub struct Connection(Option<Held>);

struct Held {
    open: Open,
    pool: Arc<Inner>,
    place: OwnedSemaphorePermit,
}

impl Connection {
    pub(super) fn new(open: Open, pool: Arc<Inner>, place: OwnedSemaphorePermit) -> Connection {
        Connection(Some(Held { open, pool, place }))
    }

    /// It owes no answer and holds no lock.
    pub fn give_back(mut self) {
        if let Some(Held { open, pool, place }) = self.0.take() {
            pool.put_back(open);
            drop(place);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(Held { open, pool, place }) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(ask(open, pool, place));
        }
    }
}

impl Deref for Connection {
    type Target = MySqlConnection;

    fn deref(&self) -> &MySqlConnection {
        &self.0.as_ref().expect(HELD).open.connection
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        &mut self.0.as_mut().expect(HELD).open.connection
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

/// Undone unless it is committed.
#[derive(Debug)]
pub struct Transaction(Connection);

impl Transaction {
    pub async fn begin(mut connection: Connection) -> sqlx::Result<Transaction> {
        connection.execute("BEGIN").await?;
        Ok(Transaction(connection))
    }

    pub async fn commit(mut self) -> sqlx::Result<()> {
        self.0.execute("COMMIT").await?;
        self.0.give_back();
        Ok(())
    }
}

impl Deref for Transaction {
    type Target = MySqlConnection;

    fn deref(&self) -> &MySqlConnection {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        &mut self.0
    }
}
