//! The pool of connections, and how it keeps them fit.
//!
//! A database whose machine has died does not say so: a connection to it answers nothing, and is not reset either. The
//! pool itself would wait for it until the network gives up, which may be never, and close it by waiting for it once
//! more. So each is asked with an end to the waiting, and one that does not answer in time is replaced in its place.

use super::within;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPool, MySqlPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor};
use std::sync::Arc;
use std::time::Duration;

const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
const PING_TIMEOUT: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_INTERVAL: Duration = Duration::from_secs(1);
/// A connection that has not been used for so long is asked before it is used. Else it was asked when it was given back.
const STALE: Duration = Duration::from_secs(1);
/// Shorter than the deadline of a request: none is left waiting in the database after its client has been answered.
const LOCK_TIMEOUT: &str = "SET SESSION innodb_lock_wait_timeout = 5";

/// Connects on first use, so that the process starts and stays alive while the database is away.
pub fn pool(session: MySqlConnectOptions, most: u32) -> MySqlPool {
    let replacement = Arc::new(session.clone());
    let other = replacement.clone();
    MySqlPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(move |connection, about| {
            let session = replacement.clone();
            Box::pin(async move {
                if about.idle_for > STALE && !answers(connection).await? {
                    *connection = connect(&session).await?;
                }
                Ok(true)
            })
        })
        .after_release(move |connection, _| {
            let session = other.clone();
            Box::pin(async move {
                if !answers(connection).await? {
                    *connection = connect_at_last(&session).await;
                }
                Ok(true)
            })
        })
        .after_connect(|connection, _| Box::pin(limit_waiting(connection)))
        .connect_lazy_with(session)
}

/// False if it is silent; an error if it is closed, which the pool copes with.
async fn answers(connection: &mut MySqlConnection) -> sqlx::Result<bool> {
    match tokio::time::timeout(PING_TIMEOUT, connection.ping()).await {
        Ok(answer) => answer.map(|()| true),
        Err(_) => Ok(false),
    }
}

async fn connect(session: &MySqlConnectOptions) -> sqlx::Result<MySqlConnection> {
    within(CONNECT_TIMEOUT, async {
        let mut connection = session.connect().await?;
        limit_waiting(&mut connection).await?;
        Ok(connection)
    })
    .await
}

/// As long as this takes, nobody else could connect either.
async fn connect_at_last(session: &MySqlConnectOptions) -> MySqlConnection {
    loop {
        match connect(session).await {
            Ok(connection) => return connection,
            Err(_) => tokio::time::sleep(CONNECT_INTERVAL).await,
        }
    }
}

async fn limit_waiting(connection: &mut MySqlConnection) -> sqlx::Result<()> {
    connection.execute(LOCK_TIMEOUT).await.map(drop)
}
