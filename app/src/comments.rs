//! Comments on posts, and replies to comments.
//!
//! A comment that is deleted while it has replies leaves a tombstone, which keeps its place and tells neither who wrote
//! it nor what; so does every comment of a member who withdraws. Neither keeps the text.

mod comment;

use crate::app::App;
use crate::body::{Json, Parameters, id_in_path};
use crate::database::{despite_deadlocks, violated_foreign_key};
use crate::idempotency::{self, Claim, Create, IdempotencyKey};
use crate::page::{Cursor, Page, PageQuery};
use crate::posts::{self, PostId};
use crate::problem::{Code, Fields, Problem};
use crate::prose::Prose;
use crate::token::SignedIn;
use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::get;
pub use comment::erase_of;
use comment::{Comment, Draft};
use serde::{Deserialize, Serialize};
use sqlx::{MySqlConnection, MySqlExecutor, MySqlPool};

const TEXT_MAX_CHARS: usize = 2_200;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/posts/{id}/comments", get(list).post(create))
        .route("/api/comments/{id}", get(show).patch(update).delete(remove))
        .route("/api/comments/{id}/replies", get(replies))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct CommentId(u64);

/// The `{id}` of a path; what is no number names no comment.
impl<S: Send + Sync> FromRequestParts<S> for CommentId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<CommentId, Problem> {
        let id = id_in_path(parts, state).await;
        id.map(CommentId).ok_or_else(|| Problem::new(Code::NotFoundComment))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    text: String,
    /// The comment that this one replies to.
    parent_id: Option<CommentId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateBody {
    text: String,
}

#[derive(Debug, Serialize)]
struct Comments {
    comments: Vec<Comment>,
    /// What to ask for as `before` to go on; null at the end.
    next: Option<Cursor>,
}

impl Comments {
    fn cut(page: &Page, mut comments: Vec<Comment>) -> axum::Json<Comments> {
        let next = page.cut(&mut comments, |comment| comment.id.0);
        axum::Json(Comments { comments, next })
    }
}

fn parse(text: &str) -> Result<Prose, Problem> {
    let mut fields = Fields::default();
    fields
        .check("text", Prose::parse(text, TEXT_MAX_CHARS))
        .ok_or_else(|| fields.into_problem())
}

async fn create(
    State(app): State<App>,
    SignedIn(author): SignedIn,
    post: PostId,
    Create { body, key }: Create<CreateBody>,
) -> Result<Response, Problem> {
    let draft = Draft {
        post,
        parent: body.parent_id,
        author,
        text: parse(&body.text)?,
    };
    idempotency::despite_deadlocks(|| make(&app.database.pool, &key, &draft)).await
}

async fn make(pool: &MySqlPool, key: &IdempotencyKey, draft: &Draft) -> Result<Response, Problem> {
    let mut creating = match key.claim(pool, Some(draft.author)).await? {
        Claim::New(creating) => creating,
        Claim::Answered(answer) => return Ok(answer),
    };
    let transaction = creating.transaction();
    let Some(id) = comment::insert(&mut *transaction, draft).await.map_err(gone)? else {
        return Err(orphan(transaction, draft.post).await?);
    };
    let comment = found(transaction, id).await?;
    let location = format!("/api/comments/{}", id.0);
    creating.finish(draft.author, &location, &comment).await
}

/// Why there was no parent for a reply.
async fn orphan(transaction: &mut MySqlConnection, post: PostId) -> Result<Problem, Problem> {
    Ok(match posts::exists(transaction, post).await? {
        true => {
            Problem::new(Code::InvalidFields).with_field("parent_id", "must be a comment of this post, not deleted")
        }
        false => Problem::new(Code::NotFoundPost),
    })
}

async fn list(
    State(app): State<App>,
    post: PostId,
    Parameters(query): Parameters<PageQuery>,
) -> Result<axum::Json<Comments>, Problem> {
    let page = Page::parse(&query)?;
    let comments = comment::newest(&app.database.pool, post, &page).await?;
    if comments.is_empty() && !posts::exists(&app.database.pool, post).await? {
        return Err(Problem::new(Code::NotFoundPost));
    }
    Ok(Comments::cut(&page, comments))
}

async fn replies(
    State(app): State<App>,
    parent: CommentId,
    Parameters(query): Parameters<PageQuery>,
) -> Result<axum::Json<Comments>, Problem> {
    let page = Page::parse(&query)?;
    let replies = comment::newest_replies(&app.database.pool, parent, &page).await?;
    if replies.is_empty() {
        found(&app.database.pool, parent).await?;
    }
    Ok(Comments::cut(&page, replies))
}

async fn show(State(app): State<App>, id: CommentId) -> Result<axum::Json<Comment>, Problem> {
    found(&app.database.pool, id).await.map(axum::Json)
}

async fn update(
    State(app): State<App>,
    SignedIn(author): SignedIn,
    id: CommentId,
    Json(body): Json<UpdateBody>,
) -> Result<axum::Json<Comment>, Problem> {
    let pool = &app.database.pool;
    let text = parse(&body.text)?;
    if !despite_deadlocks(|| comment::change(pool, id, author, &text)).await? {
        return Err(refusal(pool, id).await?);
    }
    found(pool, id).await.map(axum::Json)
}

async fn remove(State(app): State<App>, SignedIn(author): SignedIn, id: CommentId) -> Result<StatusCode, Problem> {
    let pool = &app.database.pool;
    if !despite_deadlocks(|| comment::delete(pool, id, author)).await? {
        return Err(refusal(pool, id).await?);
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn found(executor: impl MySqlExecutor<'_>, id: CommentId) -> Result<Comment, Problem> {
    comment::find(executor, id)
        .await?
        .ok_or_else(|| Problem::new(Code::NotFoundComment))
}

/// Why a comment could not be changed by someone: it is another's, or is not there, of which its tombstone is a sign.
async fn refusal(pool: &MySqlPool, id: CommentId) -> Result<Problem, Problem> {
    let comment = found(pool, id).await?;
    let code = match comment.is_deleted() {
        true => Code::NotFoundComment,
        false => Code::NotYourComment,
    };
    Ok(Problem::new(code))
}

/// What a new comment refers to is gone; the author, though the token still lives.
fn gone(error: sqlx::Error) -> Problem {
    match violated_foreign_key(&error).as_deref() {
        Some("comments_post") => Problem::new(Code::NotFoundPost),
        Some("comments_member") => Problem::new(Code::InvalidToken),
        _ => error.into(),
    }
}
