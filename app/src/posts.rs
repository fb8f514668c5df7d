//! Posts: making one, and reading them, newest first.

use crate::app::App;
use crate::body::{Json, Parameters};
use crate::members::MemberId;
use crate::names::bounded;
use crate::page::{Cursor, Page, PageQuery};
use crate::problem::{Code, Fields, Problem};
use crate::token::SignedIn;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, MySqlPool};

const TEXT_MAX_CHARS: usize = 2_200;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/posts", get(list).post(create))
        .route("/api/posts/{id}", get(show))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type)]
#[sqlx(transparent)]
struct PostId(u64);

#[derive(Debug, PartialEq, Eq)]
struct PostText(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    text: String,
}

#[derive(Debug, Serialize)]
struct Post {
    id: PostId,
    text: String,
    created_at: String,
    author: Author,
}

#[derive(Debug, Serialize)]
struct Author {
    id: MemberId,
    nickname: String,
}

#[derive(Debug, Serialize)]
struct Posts {
    posts: Vec<Post>,
    /// What to ask for as `before` to go on; null at the end.
    next: Option<Cursor>,
}

impl PostText {
    fn parse(text: &str) -> Result<PostText, String> {
        bounded(text, 1..=TEXT_MAX_CHARS)?;
        if text.trim().is_empty() {
            return Err("must not be blank".to_owned());
        }
        if let Some(control) = text
            .chars()
            .find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        {
            return Err(format!(
                "must not hold control characters such as U+{:04X}",
                u32::from(control)
            ));
        }
        Ok(PostText(text.to_owned()))
    }
}

async fn create(
    State(app): State<App>,
    SignedIn(author): SignedIn,
    Json(body): Json<CreateBody>,
) -> Result<impl IntoResponse, Problem> {
    let mut fields = Fields::default();
    let Some(text) = fields.check("text", PostText::parse(&body.text)) else {
        return Err(fields.into_problem());
    };
    let id = insert(&app.database.pool, author, &text)
        .await
        .map_err(|error| match error.as_database_error() {
            // The author is gone though the token still lives.
            Some(cause) if cause.is_foreign_key_violation() => Problem::new(Code::InvalidToken),
            _ => error.into(),
        })?;
    let post = find(&app.database.pool, id)
        .await?
        .ok_or_else(|| Problem::new(Code::NotFoundPost))?;
    let location = AppendHeaders([(header::LOCATION, format!("/api/posts/{}", id.0))]);
    Ok((StatusCode::CREATED, location, axum::Json(post)))
}

async fn list(State(app): State<App>, Parameters(query): Parameters<PageQuery>) -> Result<axum::Json<Posts>, Problem> {
    let page = Page::parse(&query)?;
    let mut posts = newest(&app.database.pool, &page).await?;
    let next = page.cut(&mut posts, |post| post.id.0);
    Ok(axum::Json(Posts { posts, next }))
}

async fn show(State(app): State<App>, Path(id): Path<String>) -> Result<axum::Json<Post>, Problem> {
    let not_found = || Problem::new(Code::NotFoundPost);
    let id = id.parse().map(PostId).map_err(|_| not_found())?;
    find(&app.database.pool, id)
        .await?
        .map(axum::Json)
        .ok_or_else(not_found)
}

#[derive(FromRow)]
struct Row {
    id: PostId,
    text: String,
    created_at: String,
    author_id: MemberId,
    author_nickname: String,
}

impl From<Row> for Post {
    fn from(row: Row) -> Post {
        let author = Author {
            id: row.author_id,
            nickname: row.author_nickname,
        };
        Post {
            id: row.id,
            text: row.text,
            created_at: row.created_at,
            author,
        }
    }
}

/// The start of every query for posts with their authors.
macro_rules! select_posts {
    ($rest:literal) => {
        concat!(
            "SELECT posts.id, posts.text, ",
            "DATE_FORMAT(posts.created_at, '%Y-%m-%dT%H:%i:%s.%f+09:00') AS created_at, ",
            "members.id AS author_id, members.nickname AS author_nickname ",
            "FROM posts JOIN members ON members.id = posts.member_id ",
            $rest
        )
    };
}

async fn insert(pool: &MySqlPool, author: MemberId, text: &PostText) -> sqlx::Result<PostId> {
    let inserted = sqlx::query("INSERT INTO posts (member_id, text) VALUES (?, ?)")
        .bind(author)
        .bind(&text.0)
        .execute(pool)
        .await?;
    Ok(PostId(inserted.last_insert_id()))
}

async fn find(pool: &MySqlPool, id: PostId) -> sqlx::Result<Option<Post>> {
    let row: Option<Row> = sqlx::query_as(select_posts!("WHERE posts.id = ?"))
        .bind(id)
        .fetch_optional(pool)
        .await?;
    Ok(row.map(Post::from))
}

async fn newest(pool: &MySqlPool, page: &Page) -> sqlx::Result<Vec<Post>> {
    let rows: Vec<Row> = sqlx::query_as(select_posts!("WHERE posts.id < ? ORDER BY posts.id DESC LIMIT ?"))
        .bind(page.before())
        .bind(page.rows_to_fetch())
        .fetch_all(pool)
        .await?;
    Ok(rows.into_iter().map(Post::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_has_1_to_2200_characters_of_which_one_can_be_seen() {
        let longest = "🌸".repeat(TEXT_MAX_CHARS);
        for good in ["a", "두 줄\n🍣\t!", " spaces are kept ", &longest] {
            assert_eq!(PostText::parse(good), Ok(PostText(good.to_owned())));
        }
        for bad in ["", "  \n ", "a\0b", "a\u{1b}[0m", &format!("{longest}x")] {
            assert!(PostText::parse(bad).is_err(), "accepted {bad:?}");
        }
    }
}
