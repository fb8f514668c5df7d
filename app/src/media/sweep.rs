//! What nobody uses any more, and what was never brought to its end, goes from the bucket and from the table.
//!
//! In two steps. First a row is marked as removed: from then on nothing can begin to use it. Once whatever had begun
//! before must have ended, its files are deleted, and the row last. So a process that dies at any point leaves a row by
//! which the next sweep finds what is left, and what is done twice, by two processes or after a death, is done once.

use super::{MediaId, key, thumbnails};
use crate::app::App;
use crate::database::{Pool, despite_deadlocks};
use crate::s3::Bucket;
use sqlx::QueryBuilder;
use std::time::Duration;

/// Longer than any request or job takes.
const REMOVED_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// How much one sweep looks at, and does.
const MOST_LOOKED_AT: u64 = 10_000;
const MOST_MARKED_AT_ONCE: usize = 100;
const MOST_DELETED: u64 = 200;

/// In no post and in no message, and not just brought to be used.
const UNUSED: &str = "state IN ('ready', 'filed') AND (member_id IS NULL OR created_at < NOW(6) - INTERVAL 1 DAY) \
     AND NOT EXISTS (SELECT 1 FROM post_photos WHERE post_photos.media_id = media.id) \
     AND NOT EXISTS (SELECT 1 FROM messages WHERE messages.media_id = media.id)";

/// Announced, and not brought to its end in some times what the bucket allows.
const OVERDUE: &str = "state = 'awaited' AND created_at < NOW(6) - INTERVAL 1 HOUR";

/// Where a process is in going through the whole table, a part at each sweep: there is no index of what is unused.
#[derive(Debug)]
pub struct Walk {
    after: u64,
}

/// What one sweep has done.
#[derive(Debug, Default)]
pub struct Swept {
    pub marked: u64,
    pub deleted: u64,
    /// Whether the walk has come to the end of the table.
    pub at_end: bool,
}

impl Walk {
    pub fn from_the_start() -> Walk {
        Walk { after: 0 }
    }

    /// So that processes which never live long do not look at the same part for ever.
    pub async fn from_anywhere(pool: &Pool) -> sqlx::Result<Walk> {
        let newest: Option<u64> = sqlx::query_scalar("SELECT MAX(id) FROM media").fetch_one(pool).await?;
        let after = rand::random::<u64>() % newest.unwrap_or(0).max(1);
        Ok(Walk { after })
    }

    pub async fn sweep(&mut self, app: &App) -> anyhow::Result<Swept> {
        let pool = &app.database.pool;
        let mut swept = Swept {
            marked: mark_awaited(pool).await?,
            ..Swept::default()
        };
        match last_of_part(pool, self.after).await? {
            Some(last) => {
                let part = Part {
                    after: self.after,
                    last,
                };
                swept.marked += part.mark_unused(pool).await?;
                part.order_thumbnails(app).await?;
                self.after = last;
            }
            None => (self.after, swept.at_end) = (0, true),
        }
        if let Ok(bucket) = app.storage.bucket() {
            swept.deleted = delete_removed(pool, bucket).await?;
        }
        Ok(swept)
    }
}

async fn mark_awaited(pool: &Pool) -> sqlx::Result<u64> {
    let mut query = QueryBuilder::new("SELECT id FROM media WHERE ");
    query.push(OVERDUE).push(" LIMIT ").push_bind(MOST_LOOKED_AT);
    let overdue: Vec<u64> = query.build_query_scalar().fetch_all(pool).await?;
    mark(pool, &overdue, OVERDUE).await
}

async fn last_of_part(pool: &Pool, after: u64) -> sqlx::Result<Option<u64>> {
    sqlx::query_scalar("SELECT MAX(id) FROM (SELECT id FROM media WHERE id > ? ORDER BY id LIMIT ?) AS part")
        .bind(after)
        .bind(MOST_LOOKED_AT)
        .fetch_one(pool)
        .await
}

/// Some rows of the table, by their ids.
struct Part {
    after: u64,
    last: u64,
}

impl Part {
    async fn mark_unused(&self, pool: &Pool) -> sqlx::Result<u64> {
        let mut query = QueryBuilder::new("SELECT id FROM media WHERE id > ");
        query.push_bind(self.after).push(" AND id <= ").push_bind(self.last);
        query.push(" AND ").push(UNUSED);
        let unused: Vec<u64> = query.build_query_scalar().fetch_all(pool).await?;
        mark(pool, &unused, UNUSED).await
    }

    /// For photos that were brought to a release which knew nothing of thumbnails.
    async fn order_thumbnails(&self, app: &App) -> sqlx::Result<()> {
        let pool = &app.database.pool;
        let without: Vec<(MediaId, String, u32)> = sqlx::query_as(
            "SELECT id, object_key, width FROM media \
             WHERE id > ? AND id <= ? AND state = 'ready' AND thumbnails IS NULL AND width IS NOT NULL LIMIT ?",
        )
        .bind(self.after)
        .bind(self.last)
        .bind(MOST_DELETED)
        .fetch_all(pool)
        .await?;
        for (id, key, width) in without {
            let mut transaction = pool.begin().await?;
            let ordered = sqlx::query("UPDATE media SET thumbnails = '' WHERE id = ? AND thumbnails IS NULL")
                .bind(id)
                .execute(&mut *transaction)
                .await?;
            if ordered.rows_affected() > 0 && thumbnails::are_made_of(width) {
                thumbnails::order(&mut transaction, app, id, &key).await?;
            }
            transaction.commit().await?;
        }
        Ok(())
    }
}

/// What was found without locks is marked under locks, and only where it is still so.
async fn mark(pool: &Pool, found: &[u64], condition: &'static str) -> sqlx::Result<u64> {
    let mut marked = 0;
    for ids in found.chunks(MOST_MARKED_AT_ONCE) {
        marked += despite_deadlocks(|| mark_some(pool, ids, condition)).await?;
    }
    Ok(marked)
}

async fn mark_some(pool: &Pool, ids: &[u64], condition: &'static str) -> sqlx::Result<u64> {
    let mut query = QueryBuilder::new("UPDATE media SET state = 'removed', removed_at = NOW(6) WHERE id IN (");
    let mut list = query.separated(", ");
    for id in ids {
        list.push_bind(*id);
    }
    query.push(") AND ").push(condition);
    Ok(query.build().execute(pool).await?.rows_affected())
}

async fn delete_removed(pool: &Pool, bucket: &Bucket) -> anyhow::Result<u64> {
    let removed: Vec<(MediaId, String)> = sqlx::query_as(
        "SELECT id, object_key FROM media WHERE state = 'removed' AND removed_at < NOW(6) - INTERVAL ? SECOND LIMIT ?",
    )
    .bind(REMOVED_LIFETIME.as_secs())
    .bind(MOST_DELETED)
    .fetch_all(pool)
    .await?;
    let mut deleted = 0;
    for (id, key) in removed {
        let names = thumbnails::names(&key)
            .chain([key.clone()])
            .map(|name| key::kept(&name));
        for name in names.chain([key::incoming(&key)]) {
            let gone = bucket.delete(&name).await;
            gone.map_err(|problem| anyhow::anyhow!("cannot delete `{name}` from the bucket: {}", problem.code()))?;
        }
        let row = sqlx::query("DELETE FROM media WHERE id = ? AND state = 'removed'").bind(id);
        deleted += row.execute(pool).await?.rows_affected();
    }
    Ok(deleted)
}
