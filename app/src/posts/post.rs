//! A post as it is shown, and the queries that read one and many.

use super::PostId;
use super::photos::{self, Photo};
use crate::author::Author;
use crate::database::Pool;
use crate::interface::schema::moment;
use crate::members::MemberId;
use crate::page::Page;
use serde::Serialize;
use sqlx::{FromRow, MySqlConnection, MySqlExecutor};
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub struct Post {
    pub id: PostId,
    #[schema(required = true)]
    text: Option<String>,
    photos: Vec<Photo>,
    author: Author,
    #[schema(schema_with = moment)]
    created_at: String,
    /// That of its making until it is first updated.
    #[schema(schema_with = moment)]
    updated_at: String,
    like_count: i64,
    /// Whether the member who asks likes it.
    liked: bool,
    /// Of every depth, without tombstones.
    comment_count: i64,
}

#[derive(FromRow)]
struct Row {
    id: PostId,
    text: Option<String>,
    author_id: MemberId,
    author_nickname: String,
    created_at: String,
    updated_at: String,
    like_count: i64,
    liked: bool,
    comment_count: i64,
}

impl Post {
    fn new(row: Row, photos: Vec<Photo>) -> Post {
        Post {
            id: row.id,
            text: row.text,
            photos,
            author: Author {
                id: row.author_id,
                nickname: row.author_nickname,
            },
            created_at: row.created_at,
            updated_at: row.updated_at,
            like_count: row.like_count,
            liked: row.liked,
            comment_count: row.comment_count,
        }
    }
}

/// The posts whose ids `$ids` selects, newest first, with everything that is shown of them: which posts is decided by
/// one index first, so that nothing is joined or counted for a post that is not on the page. The first value to bind is
/// the member who asks, if any.
macro_rules! select_posts {
    ($ids:literal) => {
        concat!(
            "SELECT posts.id, NULLIF(posts.text, '') AS text, members.id AS author_id, members.nickname AS author_nickname, ",
            "DATE_FORMAT(posts.created_at, '%Y-%m-%dT%H:%i:%s.%f+09:00') AS created_at, ",
            "DATE_FORMAT(COALESCE(posts.updated_at, posts.created_at), '%Y-%m-%dT%H:%i:%s.%f+09:00') AS updated_at, ",
            "(SELECT COUNT(*) FROM likes WHERE likes.post_id = posts.id) AS like_count, ",
            "EXISTS (SELECT 1 FROM likes WHERE likes.member_id = ? AND likes.post_id = posts.id) AS liked, ",
            "(SELECT COUNT(*) FROM comments ",
            "WHERE comments.post_id = posts.id AND comments.member_id IS NOT NULL) AS comment_count ",
            "FROM (",
            $ids,
            ") AS page JOIN posts ON posts.id = page.id JOIN members ON members.id = posts.member_id ",
            "ORDER BY posts.id DESC"
        )
    };
}

pub async fn find(
    connection: &mut MySqlConnection,
    id: PostId,
    viewer: Option<MemberId>,
) -> sqlx::Result<Option<Post>> {
    let row: Option<Row> = sqlx::query_as(select_posts!("SELECT id FROM posts WHERE id = ?"))
        .bind(viewer)
        .bind(id)
        .fetch_optional(&mut *connection)
        .await?;
    Ok(with_photos(connection, row.into_iter().collect()).await?.pop())
}

pub async fn newest(pool: &Pool, page: &Page, viewer: Option<MemberId>) -> sqlx::Result<Vec<Post>> {
    let query = select_posts!("SELECT id FROM posts WHERE id < ? ORDER BY id DESC LIMIT ?");
    let mut connection = pool.acquire().await?;
    let rows: Vec<Row> = sqlx::query_as(query)
        .bind(viewer)
        .bind(page.before())
        .bind(page.rows_to_fetch())
        .fetch_all(&mut *connection)
        .await?;
    let posts = with_photos(&mut *connection, rows).await?;
    connection.give_back();
    Ok(posts)
}

pub async fn newest_by(
    pool: &Pool,
    author: MemberId,
    page: &Page,
    viewer: Option<MemberId>,
) -> sqlx::Result<Vec<Post>> {
    let query = select_posts!("SELECT id FROM posts WHERE member_id = ? AND id < ? ORDER BY id DESC LIMIT ?");
    let mut connection = pool.acquire().await?;
    let rows: Vec<Row> = sqlx::query_as(query)
        .bind(viewer)
        .bind(author)
        .bind(page.before())
        .bind(page.rows_to_fetch())
        .fetch_all(&mut *connection)
        .await?;
    let posts = with_photos(&mut *connection, rows).await?;
    connection.give_back();
    Ok(posts)
}

/// Reads, from two indexes alone, as many entries as the followed have posts: 100 of them with 10 each take 0.5 ms. The
/// order of the join is fixed, since the other way a member who follows few would have all posts read.
pub async fn newest_followed(pool: &Pool, follower: MemberId, page: &Page) -> sqlx::Result<Vec<Post>> {
    let query = select_posts!(
        "SELECT posts.id FROM follows STRAIGHT_JOIN posts ON posts.member_id = follows.followed_id \
         WHERE follows.follower_id = ? AND posts.id < ? ORDER BY posts.id DESC LIMIT ?"
    );
    let mut connection = pool.acquire().await?;
    let rows: Vec<Row> = sqlx::query_as(query)
        .bind(follower)
        .bind(follower)
        .bind(page.before())
        .bind(page.rows_to_fetch())
        .fetch_all(&mut *connection)
        .await?;
    let posts = with_photos(&mut *connection, rows).await?;
    connection.give_back();
    Ok(posts)
}

/// One query for the photos of all posts: a join would tell each post once for every photo. It goes over the connection
/// of the query before it: taking one from the pool and giving it back costs as much as a small query.
async fn with_photos(executor: impl MySqlExecutor<'_>, rows: Vec<Row>) -> sqlx::Result<Vec<Post>> {
    let mut photos = photos::of(executor, rows.iter().map(|row| row.id)).await?;
    let posts = rows.into_iter().map(|row| {
        let photos = photos.remove(&row.id.0).unwrap_or_default();
        Post::new(row, photos)
    });
    Ok(posts.collect())
}
