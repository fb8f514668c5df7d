//! `migrate`: brings the database to the schema this binary needs, once, whoever else tries at the same time.

use crate::config::DatabaseConfig;
use crate::database;
use crate::handshake::distrust;
use anyhow::{anyhow, bail};
use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::mysql::MySqlConnection;
use sqlx::{ConnectOptions, Connection, query_scalar};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::time::Instant;

static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = sqlx::migrate!();
    // An older release must go on working beside, and after, a newer one.
    migrator.set_ignore_missing(true);
    // `lock` is taken instead.
    migrator.set_locking(false);
    migrator
});

const TABLE: &str = "_sqlx_migrations";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_INTERVAL: Duration = Duration::from_millis(250);
const LOCK_TIMEOUT_SECS: u32 = 60;

/// The versions that must have been applied before this binary can serve.
pub fn needed() -> impl Iterator<Item = i64> {
    MIGRATOR.iter().map(|migration| migration.version)
}

pub async fn migrate(config: DatabaseConfig) -> anyhow::Result<()> {
    let mut connection = connect(config).await?;
    lock(&mut connection).await?;
    let outcome = apply(&mut connection).await;
    // The lock goes with the connection.
    connection.close().await.ok();
    outcome
}

/// Waits for a database that is still starting; credentials that it refuses, and a certificate that is not trusted, will
/// not get better.
async fn connect(config: DatabaseConfig) -> anyhow::Result<MySqlConnection> {
    let options = database::session(config.options);
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    let address = format!("{}:{}", options.get_host(), options.get_port());
    loop {
        let error = match tokio::time::timeout_at(deadline, options.connect()).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => error,
            Err(_) => bail!(
                "the database at {address} did not answer within {} s",
                CONNECT_TIMEOUT.as_secs()
            ),
        };
        if error.as_database_error().is_some() {
            bail!("the database at {address} refuses the connection: {error}");
        }
        if let Some(why) = distrust(&error, &config.tls) {
            bail!("the database at {address} is not trusted: {why}");
        }
        if Instant::now() + CONNECT_INTERVAL >= deadline {
            bail!(
                "cannot reach the database at {address} within {} s: {error}",
                CONNECT_TIMEOUT.as_secs()
            );
        }
        tokio::time::sleep(CONNECT_INTERVAL).await;
    }
}

/// sqlx's own lock waits without end on MySQL, and is none on MariaDB, which answers its `GET_LOCK(…, -1)` with NULL.
/// The name is hashed by SHA2 because MySQL 9 has no MD5 any more, and cut because it may have 64 characters at most.
async fn lock(connection: &mut MySqlConnection) -> anyhow::Result<()> {
    let got: Option<i64> = query_scalar("SELECT GET_LOCK(CONCAT('migrate:', LEFT(SHA2(DATABASE(), 256), 32)), ?)")
        .bind(LOCK_TIMEOUT_SECS)
        .fetch_one(connection)
        .await
        .map_err(|error| anyhow!("cannot ask for the migration lock: {error}"))?;
    if got != Some(1) {
        bail!(
            "another migration has held the lock for {LOCK_TIMEOUT_SECS} s: see SHOW PROCESSLIST, then run `migrate` again"
        );
    }
    Ok(())
}

async fn apply(connection: &mut MySqlConnection) -> anyhow::Result<()> {
    let before = applied(connection).await?;
    if let Err(error) = MIGRATOR.run_direct(None, connection, false).await {
        return Err(explain(error, connection.dirty_version(TABLE).await?));
    }

    let mut count = 0;
    for migration in MIGRATOR.iter().filter(|migration| !before.contains(&migration.version)) {
        println!("applied {:04} {}", migration.version, migration.description);
        count += 1;
    }
    let newest = applied(connection).await?.last().copied().unwrap_or(0);
    match count {
        0 => println!("nothing to apply: the schema is at {newest}"),
        count => println!("{count} applied: the schema is at {newest}"),
    }
    Ok(())
}

async fn applied(connection: &mut MySqlConnection) -> anyhow::Result<BTreeSet<i64>> {
    connection.ensure_migrations_table(TABLE).await?;
    let migrations = connection.list_applied_migrations(TABLE).await?;
    Ok(migrations.into_iter().map(|migration| migration.version).collect())
}

/// `dirty` is the migration that was begun and not finished.
fn explain(error: MigrateError, dirty: Option<i64>) -> anyhow::Error {
    match (error, dirty) {
        (MigrateError::VersionMismatch(version), _) => anyhow!(
            "migration {version} was changed after it had been applied: put the file back as it was released and \
             add a new one"
        ),
        (MigrateError::Dirty(_), Some(version)) => anyhow!("{}", half_applied(version)),
        (error, Some(version)) => anyhow!("{error}\n{}", half_applied(version)),
        (error, None) => anyhow!("{error}; nothing of this migration was applied"),
    }
}

fn half_applied(version: i64) -> String {
    format!(
        "migration {version} is half applied. Look whether its change is there, tell the database which it is, and \
         run `migrate` again:\n  \
         not there:  DELETE FROM {TABLE} WHERE version = {version} AND NOT success;\n  \
         there:      UPDATE {TABLE} SET success = TRUE WHERE version = {version};"
    )
}
