//! The table of jobs.

use super::{Kind, LEASE, Next, OTHER_RELEASE_GRACE};
use crate::config::Release;
use crate::database::{Pool, Transaction};
use serde::Serialize;
use sqlx::mysql::MySqlConnection;
use sqlx::{FromRow, QueryBuilder};

const LAST_ERROR_MAX_CHARS: usize = 500;

/// A job that is this worker's until its lease ends.
#[derive(Debug, FromRow)]
pub struct Claim {
    pub id: u64,
    pub payload: String,
    /// This one included.
    pub attempts: u32,
}

/// Call it with the transaction of what causes the job, and ring the bell after the commit.
pub async fn enqueue(
    transaction: &mut MySqlConnection,
    kind: Kind,
    payload: &impl Serialize,
    release: &Release,
) -> sqlx::Result<()> {
    let payload = serde_json::to_string(payload).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query("INSERT INTO jobs (kind, payload, release_id) VALUES (?, ?, ?)")
        .bind(kind.name())
        .bind(payload)
        .bind(&release.id)
        .execute(transaction)
        .await?;
    Ok(())
}

/// Due jobs, oldest first; those that another claims in this moment are skipped rather than waited for.
pub async fn claim(pool: &Pool, kind: Kind, release: &Release, worker: &str, most: usize) -> sqlx::Result<Vec<Claim>> {
    let mut connection = pool.acquire().await?;
    // Locks the rows alone and not the gaps between them, which would hold up whoever enqueues.
    sqlx::raw_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        .execute(&mut *connection)
        .await?;
    let mut transaction = Transaction::begin(connection).await?;
    let claims: Vec<Claim> = sqlx::query_as(
        "SELECT id, payload, attempts + 1 AS attempts FROM jobs \
         WHERE kind = ? AND due_at <= NOW(6) \
           AND (release_id <=> ? OR due_at <= NOW(6) - INTERVAL ? SECOND) \
         ORDER BY due_at LIMIT ? FOR UPDATE SKIP LOCKED",
    )
    .bind(kind.name())
    .bind(&release.id)
    .bind(OTHER_RELEASE_GRACE.as_secs())
    .bind(most as u64)
    .fetch_all(&mut *transaction)
    .await?;
    if !claims.is_empty() {
        let mut lease = QueryBuilder::new("UPDATE jobs SET attempts = attempts + 1, due_at = NOW(6) + INTERVAL ");
        lease
            .push_bind(LEASE.as_secs())
            .push(" SECOND, claimed_by = ")
            .push_bind(worker);
        lease.push(" WHERE id IN (");
        let mut ids = lease.separated(", ");
        for claim in &claims {
            ids.push_bind(claim.id);
        }
        lease.push(")").build().execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(claims)
}

/// How many jobs wait or are under way, and how many were given up.
pub async fn depth(pool: &Pool, kind: Kind) -> sqlx::Result<(i64, i64)> {
    sqlx::query_as("SELECT COUNT(due_at), COUNT(*) - COUNT(due_at) FROM jobs WHERE kind = ?")
        .bind(kind.name())
        .fetch_one(pool)
        .await
}

/// Touches the job only while it is still this worker's.
pub async fn settle(pool: &Pool, id: u64, worker: &str, next: &Next) -> sqlx::Result<()> {
    let cut = |error: &str| error.chars().take(LAST_ERROR_MAX_CHARS).collect::<String>();
    let query = match next {
        Next::Done => sqlx::query("DELETE FROM jobs WHERE id = ? AND claimed_by = ?"),
        Next::Retry { after, error } => sqlx::query(
            "UPDATE jobs SET due_at = NOW(6) + INTERVAL ? SECOND, last_error = ?, claimed_by = NULL \
             WHERE id = ? AND claimed_by = ?",
        )
        .bind(after.as_secs())
        .bind(cut(error)),
        Next::GiveUp { error } => sqlx::query(
            "UPDATE jobs SET due_at = NULL, last_error = ?, claimed_by = NULL WHERE id = ? AND claimed_by = ?",
        )
        .bind(cut(error)),
    };
    query.bind(id).bind(worker).execute(pool).await?;
    Ok(())
}

/// An attempt that was cut short counts as none.
pub async fn give_back(pool: &Pool, worker: &str) -> sqlx::Result<u64> {
    let given_back =
        sqlx::query("UPDATE jobs SET due_at = NOW(6), attempts = attempts - 1, claimed_by = NULL WHERE claimed_by = ?")
            .bind(worker)
            .execute(pool)
            .await?;
    Ok(given_back.rows_affected())
}
