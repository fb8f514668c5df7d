//! A comment as it is shown, and the queries that read and write comments.

use super::CommentId;
use crate::author::Author;
use crate::database::Pool;
use crate::interface::schema::moment;
use crate::members::MemberId;
use crate::page::Page;
use crate::posts::PostId;
use crate::prose::Prose;
use serde::Serialize;
use sqlx::{FromRow, MySqlConnection, MySqlExecutor, query_scalar};
use utoipa::ToSchema;

/// A tombstone has neither text nor author.
#[derive(Debug, Serialize, ToSchema)]
pub struct Comment {
    pub id: CommentId,
    post_id: PostId,
    /// Null at the top level.
    #[schema(required = true)]
    parent_id: Option<CommentId>,
    #[schema(required = true)]
    text: Option<String>,
    #[schema(required = true)]
    author: Option<Author>,
    #[schema(schema_with = moment)]
    created_at: String,
    /// That of its making until it is first updated.
    #[schema(schema_with = moment)]
    updated_at: String,
    reply_count: i64,
}

/// A comment to be made.
pub struct Draft {
    pub post: PostId,
    pub parent: Option<CommentId>,
    pub author: MemberId,
    pub text: Prose,
}

impl Comment {
    pub fn is_deleted(&self) -> bool {
        self.author.is_none()
    }
}

#[derive(FromRow)]
struct Row {
    id: CommentId,
    post_id: PostId,
    parent_id: Option<CommentId>,
    text: String,
    member_id: Option<MemberId>,
    nickname: Option<String>,
    created_at: String,
    updated_at: String,
    reply_count: i64,
}

impl From<Row> for Comment {
    fn from(row: Row) -> Comment {
        let author = row
            .member_id
            .zip(row.nickname)
            .map(|(id, nickname)| Author { id, nickname });
        Comment {
            id: row.id,
            post_id: row.post_id,
            parent_id: row.parent_id,
            text: author.is_some().then_some(row.text),
            author,
            created_at: row.created_at,
            updated_at: row.updated_at,
            reply_count: row.reply_count,
        }
    }
}

/// The start of every query for comments with their authors; tombstones are not counted among the replies.
macro_rules! select_comments {
    ($rest:literal) => {
        concat!(
            "SELECT comments.id, comments.post_id, comments.parent_id, comments.text, ",
            "comments.member_id, members.nickname, ",
            "DATE_FORMAT(comments.created_at, '%Y-%m-%dT%H:%i:%s.%f+09:00') AS created_at, ",
            "DATE_FORMAT(COALESCE(comments.updated_at, comments.created_at), '%Y-%m-%dT%H:%i:%s.%f+09:00') ",
            "AS updated_at, ",
            "(SELECT COUNT(*) FROM comments AS replies ",
            "WHERE replies.parent_id = comments.id AND replies.member_id IS NOT NULL) AS reply_count ",
            "FROM comments LEFT JOIN members ON members.id = comments.member_id ",
            $rest
        )
    };
}

pub async fn find(executor: impl MySqlExecutor<'_>, id: CommentId) -> sqlx::Result<Option<Comment>> {
    let row: Option<Row> = sqlx::query_as(select_comments!("WHERE comments.id = ?"))
        .bind(id)
        .fetch_optional(executor)
        .await?;
    Ok(row.map(Comment::from))
}

/// Those of the top level.
pub async fn newest(pool: &Pool, post: PostId, page: &Page) -> sqlx::Result<Vec<Comment>> {
    let rows: Vec<Row> = sqlx::query_as(select_comments!(
        "WHERE comments.post_id = ? AND comments.parent_id IS NULL AND comments.id < ? \
         ORDER BY comments.id DESC LIMIT ?"
    ))
    .bind(post)
    .bind(page.before())
    .bind(page.rows_to_fetch())
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(Comment::from).collect())
}

pub async fn newest_replies(pool: &Pool, parent: CommentId, page: &Page) -> sqlx::Result<Vec<Comment>> {
    let rows: Vec<Row> = sqlx::query_as(select_comments!(
        "WHERE comments.parent_id = ? AND comments.id < ? ORDER BY comments.id DESC LIMIT ?"
    ))
    .bind(parent)
    .bind(page.before())
    .bind(page.rows_to_fetch())
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(Comment::from).collect())
}

/// `None` if there is no such post, or if the parent is no comment of it or a tombstone. The post is looked for here, not
/// left to the foreign key: MySQL 9.7 does not enforce one whose index goes on with a column that is null, as this
/// table's does with `parent_id`.
pub async fn insert(executor: impl MySqlExecutor<'_>, draft: &Draft) -> sqlx::Result<Option<CommentId>> {
    let query = match draft.parent {
        None => sqlx::query(
            "INSERT INTO comments (member_id, text, post_id) SELECT ?, ?, id FROM posts WHERE id = ? LOCK IN SHARE MODE",
        ),
        Some(_) => sqlx::query(
            "INSERT INTO comments (member_id, text, post_id, parent_id) \
             SELECT ?, ?, post_id, id FROM comments WHERE post_id = ? AND id = ? AND member_id IS NOT NULL \
             LOCK IN SHARE MODE",
        ),
    };
    let query = query.bind(draft.author).bind(draft.text.as_str()).bind(draft.post);
    let query = draft.parent.iter().fold(query, |query, parent| query.bind(*parent));
    let inserted = query.execute(executor).await?;
    Ok((inserted.rows_affected() > 0).then(|| CommentId(inserted.last_insert_id())))
}

/// Whether the comment is there and the author's.
pub async fn change(pool: &Pool, id: CommentId, author: MemberId, text: &Prose) -> sqlx::Result<bool> {
    let changed =
        sqlx::query("UPDATE comments SET text = ?, updated_at = CURRENT_TIMESTAMP(6) WHERE id = ? AND member_id = ?")
            .bind(text.as_str())
            .bind(id)
            .bind(author)
            .execute(pool)
            .await?;
    Ok(changed.rows_affected() > 0)
}

/// Whether the comment was there and the author's.
pub async fn delete(pool: &Pool, id: CommentId, author: MemberId) -> sqlx::Result<bool> {
    let mut transaction = pool.begin().await?;
    // A reply locks its parent as well, so that none can come between the look and the deed.
    let mine: Option<CommentId> = query_scalar("SELECT id FROM comments WHERE id = ? AND member_id = ? FOR UPDATE")
        .bind(id)
        .bind(author)
        .fetch_optional(&mut *transaction)
        .await?;
    if mine.is_none() {
        return Ok(false);
    }
    let has_replies: bool = query_scalar("SELECT EXISTS (SELECT 1 FROM comments WHERE parent_id = ?)")
        .bind(id)
        .fetch_one(&mut *transaction)
        .await?;
    let query = match has_replies {
        true => "UPDATE comments SET member_id = NULL, text = '' WHERE id = ?",
        false => "DELETE FROM comments WHERE id = ?",
    };
    sqlx::query(query).bind(id).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Takes the words from the comments of a member who is about to withdraw; the foreign key takes the name.
pub async fn erase_of(connection: &mut MySqlConnection, member: MemberId) -> sqlx::Result<()> {
    sqlx::query("UPDATE comments SET text = '' WHERE member_id = ?")
        .bind(member)
        .execute(connection)
        .await
        .map(drop)
}
