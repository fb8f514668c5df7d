//! The connections to the database, and whether it is fit to serve this binary.

mod pool;

pub use pool::{Pool, Transaction};

use crate::config::{DatabaseConfig, Tls};
use crate::handshake::distrust;
use crate::migrations;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError};
use sqlx::{ConnectOptions, query_scalar};
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;
use tokio::sync::Mutex;

const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// Longer than any statement may wait for a lock.
const PATIENCE: Duration = Duration::from_secs(10);
const LOCK_TIMEOUT_ERROR: u16 = 1205;
const DEADLOCK_ATTEMPTS: u32 = 10;
/// A server that is full, shuts down, ends sessions or statements by an administrator's word, or is not the one to write
/// to any more.
const AWAY_ERRORS: [u16; 10] = [1040, 1053, 1079, 1203, 1290, 1317, 1836, 1927, 3168, 3169];

pub struct Database {
    pub pool: Pool,
    pub pool_max: u32,
    probe: Probe,
    tls: Tls,
}

/// One connection for `/readyz` alone. A pool that is busy must not make a healthy process look unready, and a pool
/// retries a refused connection until its time is up, where this answers at once and with the cause.
struct Probe {
    session: MySqlConnectOptions,
    connection: Mutex<Option<MySqlConnection>>,
}

impl Database {
    pub fn new(config: &DatabaseConfig) -> Database {
        let session = session(config.options.clone());
        Database {
            pool: Pool::new(session.clone(), config.pool_max),
            pool_max: config.pool_max,
            probe: Probe {
                session,
                connection: Mutex::new(None),
            },
            tls: config.tls.clone(),
        }
    }

    /// Ready when every migration that this binary embeds has been applied; a newer schema is accepted.
    pub async fn ready(&self) -> Result<(), String> {
        let applied = match tokio::time::timeout(PROBE_TIMEOUT, self.probe.applied()).await {
            Ok(Ok(applied)) => applied,
            Ok(Err(error)) if is_no_such_table(&error) => {
                return Err("the database has no schema yet: run `migrate`".to_owned());
            }
            Ok(Err(error)) => {
                if let Some(why) = distrust(&error, &self.tls) {
                    tracing::error!(cause = why, "the database is not trusted");
                    return Err("the database is not trusted: the log says why".to_owned());
                }
                tracing::warn!(cause = %error, "the database cannot be reached");
                return Err("the database cannot be reached".to_owned());
            }
            Err(_) => {
                return Err(format!(
                    "the database did not answer within {} s",
                    PROBE_TIMEOUT.as_secs()
                ));
            }
        };
        match migrations::needed().find(|version| !applied.contains(version)) {
            Some(version) => Err(format!("the schema lacks migration {version}: run `migrate`")),
            None => Ok(()),
        }
    }
}

/// For what no client waits for. A request has its deadline; anything else would wait for ever for a database that has
/// died without a word.
pub async fn patiently<T>(work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    within(PATIENCE, work).await
}

async fn within<T>(time: Duration, work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let late = |_| Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into()));
    tokio::time::timeout(time, work).await.unwrap_or_else(late)
}

impl Probe {
    async fn applied(&self) -> sqlx::Result<BTreeSet<i64>> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = kept.take()
            && let Ok(answer) = ask(connection, &mut kept).await
        {
            return Ok(answer);
        }
        // None yet, or one that the database has since closed.
        ask(self.session.connect().await?, &mut kept).await
    }
}

/// Keeps the connection only if it worked.
async fn ask(mut connection: MySqlConnection, kept: &mut Option<MySqlConnection>) -> sqlx::Result<BTreeSet<i64>> {
    let applied = query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
        .fetch_all(&mut connection)
        .await?;
    *kept = Some(connection);
    Ok(applied.into_iter().collect())
}

/// Every session: Seoul time (which has no summer time, so that the offset says it all, loaded zone tables or not) and
/// one collation.
pub fn session(options: MySqlConnectOptions) -> MySqlConnectOptions {
    options
        .timezone(Some("+09:00".to_owned()))
        .charset("utf8mb4")
        .collation("utf8mb4_unicode_ci")
}

/// The unique key that refused a row. MySQL names it only in the message, at its end, and prefixes its table;
/// MariaDB does not.
pub fn violated_unique_key(error: &sqlx::Error) -> Option<String> {
    let error = error.as_database_error().filter(|error| error.is_unique_violation())?;
    unique_key_in(error.message()).map(str::to_owned)
}

fn unique_key_in(message: &str) -> Option<&str> {
    let (_, key) = message.rsplit_once("for key '")?;
    let key = key.strip_suffix('\'')?;
    Some(key.rsplit('.').next().unwrap_or(key))
}

/// The foreign key that refused a row: what it refers to is not there.
pub fn violated_foreign_key(error: &sqlx::Error) -> Option<String> {
    let error = error
        .as_database_error()
        .filter(|error| error.is_foreign_key_violation())?;
    foreign_key_in(error.message()).map(str::to_owned)
}

fn foreign_key_in(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("CONSTRAINT `")?;
    rest.split('`').next()
}

/// Runs again what the database gave up to end a deadlock, of which nothing has happened: a statement by itself, or a
/// transaction from its beginning.
pub async fn despite_deadlocks<T, F>(work: impl Fn() -> F) -> sqlx::Result<T>
where
    F: Future<Output = sqlx::Result<T>>,
{
    for _ in 1..DEADLOCK_ATTEMPTS {
        match work().await {
            Err(error) if is_deadlock(&error) => {}
            outcome => return outcome,
        }
    }
    work().await
}

pub fn is_deadlock(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|error| error.code())
        .is_some_and(|state| state == "40001")
}

pub fn is_lock_timeout(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>())
        .is_some_and(|error| error.number() == LOCK_TIMEOUT_ERROR)
}

/// The database is going away, is not yet back, or takes no more connections: not an answer to what was asked.
pub fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Tls(_) => true,
        // What the server cannot be asked over, such as a password without TLS.
        sqlx::Error::Configuration(_) => true,
        sqlx::Error::Database(error) => error
            .try_downcast_ref::<MySqlDatabaseError>()
            .is_some_and(|error| AWAY_ERRORS.contains(&error.number())),
        _ => false,
    }
}

fn is_no_such_table(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|error| error.code())
        .is_some_and(|state| state == "42S02")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_violated_key_is_found_whatever_the_value_holds() {
        for message in [
            "Duplicate entry 'a@b.co' for key 'members_email_unique'",
            "Duplicate entry 'a@b.co' for key 'members.members_email_unique'",
            "Duplicate entry 'x for key 'members_phone_unique'' for key 'members_email_unique'",
        ] {
            assert_eq!(unique_key_in(message), Some("members_email_unique"));
        }
        assert_eq!(unique_key_in("Deadlock found"), None);
    }

    #[test]
    fn the_violated_foreign_key_is_found() {
        let message = "Cannot add or update a child row: a foreign key constraint fails (`app`.`follows`, CONSTRAINT \
                       `follows_follower` FOREIGN KEY (`follower_id`) REFERENCES `members` (`id`) ON DELETE CASCADE)";
        assert_eq!(foreign_key_in(message), Some("follows_follower"));
        assert_eq!(foreign_key_in("Deadlock found"), None);
    }
}
