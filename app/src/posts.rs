//! Posts: making, changing and deleting one, and reading them, newest first.

mod lists;
mod post;

use crate::app::App;
use crate::body::{Json, id_in_path};
use crate::database::{despite_deadlocks, violated_foreign_key};
use crate::members::MemberId;
use crate::problem::{Code, Fields, Problem};
use crate::prose::Prose;
use crate::token::SignedIn;
use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::get;
use post::Post;
use serde::{Deserialize, Serialize};
use sqlx::{MySqlPool, query_scalar};

const TEXT_MAX_CHARS: usize = 2_200;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/posts", get(lists::everyones).post(create))
        .route("/api/posts/{id}", get(show).patch(update).delete(remove))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type)]
#[sqlx(transparent)]
pub struct PostId(pub u64);

/// The `{id}` of a path; what is no number names no post.
impl<S: Send + Sync> FromRequestParts<S> for PostId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<PostId, Problem> {
        let id = id_in_path(parts, state).await;
        id.map(PostId).ok_or_else(|| Problem::new(Code::NotFoundPost))
    }
}

/// What is written in a post, first or anew.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PostBody {
    text: String,
}

impl PostBody {
    fn parse(&self) -> Result<Prose, Problem> {
        let mut fields = Fields::default();
        fields
            .check("text", Prose::parse(&self.text, TEXT_MAX_CHARS))
            .ok_or_else(|| fields.into_problem())
    }
}

async fn create(
    State(app): State<App>,
    SignedIn(author): SignedIn,
    Json(body): Json<PostBody>,
) -> Result<impl IntoResponse, Problem> {
    let id = insert(&app.database.pool, author, &body.parse()?)
        .await
        .map_err(|error| match violated_foreign_key(&error) {
            // The author is gone though the token still lives.
            Some(_) => Problem::new(Code::InvalidToken),
            None => error.into(),
        })?;
    let post = found(&app.database.pool, id, Some(author)).await?;
    let location = AppendHeaders([(header::LOCATION, format!("/api/posts/{}", id.0))]);
    Ok((StatusCode::CREATED, location, axum::Json(post)))
}

async fn show(State(app): State<App>, viewer: Option<SignedIn>, id: PostId) -> Result<axum::Json<Post>, Problem> {
    let viewer = viewer.map(|SignedIn(member)| member);
    found(&app.database.pool, id, viewer).await.map(axum::Json)
}

async fn update(
    State(app): State<App>,
    SignedIn(author): SignedIn,
    id: PostId,
    Json(body): Json<PostBody>,
) -> Result<axum::Json<Post>, Problem> {
    let pool = &app.database.pool;
    let text = body.parse()?;
    if !despite_deadlocks(|| change(pool, id, author, &text)).await? {
        return Err(refusal(pool, id).await?);
    }
    found(pool, id, Some(author)).await.map(axum::Json)
}

async fn remove(State(app): State<App>, SignedIn(author): SignedIn, id: PostId) -> Result<StatusCode, Problem> {
    let pool = &app.database.pool;
    if !despite_deadlocks(|| delete(pool, id, author)).await? {
        return Err(refusal(pool, id).await?);
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn found(pool: &MySqlPool, id: PostId, viewer: Option<MemberId>) -> Result<Post, Problem> {
    post::find(pool, id, viewer)
        .await?
        .ok_or_else(|| Problem::new(Code::NotFoundPost))
}

/// Why a post could not be changed by someone: it is another's, or is not there.
async fn refusal(pool: &MySqlPool, id: PostId) -> Result<Problem, Problem> {
    let code = match exists(pool, id).await? {
        true => Code::NotYourPost,
        false => Code::NotFoundPost,
    };
    Ok(Problem::new(code))
}

pub async fn exists(pool: &MySqlPool, id: PostId) -> sqlx::Result<bool> {
    query_scalar("SELECT EXISTS (SELECT 1 FROM posts WHERE id = ?)")
        .bind(id)
        .fetch_one(pool)
        .await
}

async fn insert(pool: &MySqlPool, author: MemberId, text: &Prose) -> sqlx::Result<PostId> {
    let inserted = sqlx::query("INSERT INTO posts (member_id, text) VALUES (?, ?)")
        .bind(author)
        .bind(text.as_str())
        .execute(pool)
        .await?;
    Ok(PostId(inserted.last_insert_id()))
}

/// Whether the post is there and the author's.
async fn change(pool: &MySqlPool, id: PostId, author: MemberId, text: &Prose) -> sqlx::Result<bool> {
    let changed =
        sqlx::query("UPDATE posts SET text = ?, updated_at = CURRENT_TIMESTAMP(6) WHERE id = ? AND member_id = ?")
            .bind(text.as_str())
            .bind(id)
            .bind(author)
            .execute(pool)
            .await?;
    Ok(changed.rows_affected() > 0)
}

/// Whether the post was there and the author's. Its likes and comments go with it, by their foreign keys.
async fn delete(pool: &MySqlPool, id: PostId, author: MemberId) -> sqlx::Result<bool> {
    let deleted = sqlx::query("DELETE FROM posts WHERE id = ? AND member_id = ?")
        .bind(id)
        .bind(author)
        .execute(pool)
        .await?;
    Ok(deleted.rows_affected() > 0)
}
