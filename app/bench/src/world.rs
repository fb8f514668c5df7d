//! The database at its size, filled by multi-row inserts: the same rows each time.

use crate::actors::Actor;
use anyhow::{Context, bail};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, query, query_scalar};
use std::collections::BTreeSet;
use std::fmt::Write as _;

pub const MEMBERS: u64 = 10_000;
pub const POSTS: u64 = 100_000;
pub const LIKES: u64 = 1_000_000;
const COMMENTS: u64 = 100_000;
const FOLLOWS_EACH: u64 = 20;
/// Of the members who ask.
const FOLLOWS_OF_ACTORS: u64 = 100;
const LIKES_EACH: u64 = LIKES / MEMBERS;
const ROWS_AT_ONCE: usize = 2_000;
/// Whoever has this name was made here.
const LAST: &str = "bench_last";

/// The members besides the actors have the ids that follow those of the actors.
#[derive(Debug, Clone, Copy)]
pub struct World {
    first_member: u64,
}

/// Empty, or filled by an earlier run.
pub async fn is_filled(database: &mut MySqlConnection) -> anyhow::Result<bool> {
    let query = "SELECT (SELECT COUNT(*) FROM members), EXISTS (SELECT 1 FROM members WHERE nickname = ?)";
    let (members, is_ours): (i64, bool) = sqlx::query_as(query)
        .bind(LAST)
        .fetch_one(database)
        .await
        .context("the database cannot be asked whether it is empty")?;
    if members > 0 && !is_ours {
        bail!(
            "the database holds {members} members who were not made here, and is left alone\n\
             hint: give the benchmark a database of its own, migrated and empty"
        );
    }
    Ok(is_ours)
}

impl World {
    pub fn new(actors: &[Actor]) -> World {
        World {
            first_member: actors.iter().map(|actor| actor.id).max().unwrap_or(0) + 1,
        }
    }

    /// The last statement makes the member who tells that all is there.
    pub async fn fill(self, database: &mut MySqlConnection, actors: &[Actor]) -> anyhow::Result<()> {
        // What is made up here is known to be sound, and checking a million rows one by one takes minutes.
        sqlx::raw_sql("SET SESSION foreign_key_checks = 0, unique_checks = 0")
            .execute(&mut *database)
            .await?;
        self.members(database).await?;
        self.posts(database).await?;
        self.follows(database, actors).await?;
        self.likes(database).await?;
        self.comments(database).await?;
        sqlx::raw_sql("SET SESSION foreign_key_checks = 1, unique_checks = 1")
            .execute(&mut *database)
            .await?;
        sqlx::raw_sql("ANALYZE TABLE members, posts, media, post_photos, follows, likes, comments")
            .execute(&mut *database)
            .await?;
        let last = "INSERT INTO members (email, real_name, nickname, password_hash) VALUES ('last@example.com', 'Last', ?, '-')";
        query(last).bind(LAST).execute(database).await?;
        Ok(())
    }

    fn member(self, number: u64) -> u64 {
        self.first_member + number % MEMBERS
    }

    /// Neighbours in time are of different authors.
    fn author(self, post: u64) -> u64 {
        self.member(mixed(post))
    }

    async fn members(self, database: &mut MySqlConnection) -> anyhow::Result<()> {
        let rows = (0..MEMBERS).map(|n| {
            let id = self.first_member + n;
            format!("({id},'m{n}@example.com','회원 {n}','member_{n}','-')")
        });
        insert(
            database,
            "members (id, email, real_name, nickname, password_hash)",
            rows,
        )
        .await
    }

    /// Every third post has two photos, the others one.
    async fn posts(self, database: &mut MySqlConnection) -> anyhow::Result<()> {
        let photos =
            || (1..=POSTS).flat_map(|post| (0..1 + u64::from(post % 3 == 0)).map(move |position| (post, position)));
        let rows = (1..=POSTS).map(|post| {
            format!(
                "({post},{},'오늘의 사진 {post} 번째, nothing but words 🌇')",
                self.author(post)
            )
        });
        insert(database, "posts (id, member_id, text)", rows).await?;
        let rows = photos().map(|(post, position)| {
            let id = post * 2 + position;
            format!(
                "({id},{},'{id:032x}','image/jpeg','ready',80000,1080,1080,'320x320')",
                self.author(post)
            )
        });
        let columns = "media (id, member_id, object_key, kind, state, bytes, width, height, thumbnails)";
        insert(database, columns, rows).await?;
        let rows = photos().map(|(post, position)| format!("({post},{position},{})", post * 2 + position));
        insert(database, "post_photos (post_id, position, media_id)", rows).await
    }

    async fn follows(self, database: &mut MySqlConnection, actors: &[Actor]) -> anyhow::Result<()> {
        let others = (0..MEMBERS).map(|n| (self.member(n), FOLLOWS_EACH, n));
        let actors = actors
            .iter()
            .zip(0..)
            .map(|(actor, n)| (actor.id, FOLLOWS_OF_ACTORS, n * 1_000));
        let rows = others.chain(actors).flat_map(|(follower, count, start)| {
            (1..=count).map(move |step| format!("({follower},{})", self.member(start + step * 97)))
        });
        insert(database, "follows (follower_id, followed_id)", rows).await
    }

    /// As many of each member; the newer a post, the more it is liked.
    async fn likes(self, database: &mut MySqlConnection) -> anyhow::Result<()> {
        let rows = (0..MEMBERS).flat_map(|n| {
            let member = self.first_member + n;
            let mut liked = BTreeSet::new();
            let mut draw = n * 1_000_003;
            while (liked.len() as u64) < LIKES_EACH {
                draw += 1;
                liked.insert(newer_rather(mixed(draw)));
            }
            liked.into_iter().map(move |post| format!("({post},{member})"))
        });
        insert(database, "likes (post_id, member_id)", rows).await
    }

    async fn comments(self, database: &mut MySqlConnection) -> anyhow::Result<()> {
        let rows = (0..COMMENTS).map(|n| {
            format!(
                "({},{},'정말 좋네요 {n}')",
                newer_rather(mixed(n ^ 0xC0)),
                self.author(n)
            )
        });
        insert(database, "comments (post_id, member_id, text)", rows).await
    }
}

/// One statement for many rows, and one transaction for all.
async fn insert(database: &mut MySqlConnection, into: &str, rows: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let mut rows = rows.peekable();
    let mut transaction = database.begin().await?;
    while rows.peek().is_some() {
        let mut statement = format!("INSERT INTO {into} VALUES ");
        for (number, row) in rows.by_ref().take(ROWS_AT_ONCE).enumerate() {
            let comma = if number == 0 { "" } else { "," };
            // Writing to a string cannot fail.
            write!(statement, "{comma}{row}").ok();
        }
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut *transaction)
            .await
            .with_context(|| format!("filling {into}"))?;
    }
    transaction.commit().await?;
    Ok(())
}

/// A number of all bits from one of few.
fn mixed(number: u64) -> u64 {
    let z = (number ^ 0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A post: the newest hundredth gets a tenth of all.
fn newer_rather(random: u64) -> u64 {
    let unit = (random >> 11) as f64 / (1_u64 << 53) as f64;
    POSTS - (unit * unit * POSTS as f64) as u64
}

/// Takes away what earlier runs measured with.
pub async fn forget(database: &mut MySqlConnection, actors: &[Actor]) -> anyhow::Result<()> {
    for actor in actors {
        query("DELETE FROM likes WHERE member_id = ?")
            .bind(actor.id)
            .execute(&mut *database)
            .await?;
        query("DELETE FROM posts WHERE member_id = ?")
            .bind(actor.id)
            .execute(&mut *database)
            .await?;
    }
    Ok(())
}

/// How much there really is, for the heading of the figures.
pub async fn sizes(database: &mut MySqlConnection) -> anyhow::Result<(i64, i64, i64)> {
    let count = |table| AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
    let members = query_scalar(count("members")).fetch_one(&mut *database).await?;
    let posts = query_scalar(count("posts")).fetch_one(&mut *database).await?;
    let likes = query_scalar(count("likes")).fetch_one(database).await?;
    Ok((members, posts, likes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_liked_is_there_and_new_posts_are_liked_more() {
        let liked: Vec<u64> = (0..10_000).map(|n| newer_rather(mixed(n))).collect();
        assert!(liked.iter().all(|post| (1..=POSTS).contains(post)));
        let newest = liked.iter().filter(|post| **post > POSTS - POSTS / 100).count();
        assert!(
            (800..1_200).contains(&newest),
            "{newest} of 10,000 likes went to the newest hundredth"
        );
    }
}
