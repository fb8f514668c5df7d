//! A database of one test's own.

use sqlx::mysql::{MySqlConnectOptions, MySqlPool};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};
use std::process::Command;

pub struct Database {
    pub url: String,
    pub pool: MySqlPool,
}

impl Database {
    /// With the schema of this binary.
    pub async fn new() -> Database {
        let given = std::env::var("DATABASE_URL").expect("DATABASE_URL is not set: see the head of hosts.rs");
        let (server, _) = given.rsplit_once('/').expect("DATABASE_URL names a database");
        let name = format!("hosts_{:016x}", rand::random::<u64>());
        let options: MySqlConnectOptions = given.parse().expect("DATABASE_URL is a database address");
        let mut connection = options.connect().await.expect("connected");
        let create = format!("CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci");
        connection.execute(AssertSqlSafe(create)).await.expect("created");

        let url = format!("{server}/{name}");
        let migrated = Command::new(env!("CARGO_BIN_EXE_instagram"))
            .arg("migrate")
            .env_clear()
            .env("DATABASE_URL", &url)
            .output()
            .expect("ran");
        assert!(
            migrated.status.success(),
            "{}",
            String::from_utf8_lossy(&migrated.stderr)
        );
        let options: MySqlConnectOptions = url.parse().expect("a database address");
        // The time zone of the app's own sessions.
        let options = options.timezone(Some("+09:00".to_owned()));
        let pool = MySqlPool::connect_with(options).await.expect("connected");
        Database { url, pool }
    }

    pub async fn run(&self, statement: &'static str) {
        self.pool
            .execute(statement)
            .await
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    pub async fn count(&self, query: &'static str) -> i64 {
        let count = sqlx::query_scalar(query).fetch_one(&self.pool).await;
        count.unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    /// Cuts every connection to this database but the one that asks.
    pub async fn kill_all_others(&self) {
        let mut own = self.pool.acquire().await.expect("a connection");
        let others = "SELECT CAST(id AS UNSIGNED) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()";
        let others: Vec<u64> = sqlx::query_scalar(others).fetch_all(&mut *own).await.expect("ids");
        for id in others {
            // One that has ended by itself since cannot be cut any more.
            own.execute(AssertSqlSafe(format!("KILL {id}"))).await.ok();
        }
    }

    pub async fn drop(self) {
        let name = self.url.rsplit('/').next().expect("a name");
        self.pool
            .execute(AssertSqlSafe(format!("DROP DATABASE {name}")))
            .await
            .expect("dropped");
    }
}
