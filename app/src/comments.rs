//! Comments on posts, and replies to comments.
//!
//! A comment that is deleted while it has replies leaves a tombstone, which keeps its place and tells neither who wrote
//! it nor what; so does every comment of a member who withdraws. Neither keeps the text.

mod comment;

use crate::app::App;
use crate::body::{Json, Parameters, Whole};
use crate::database::{Pool, despite_deadlocks, violated_foreign_key};
use crate::idempotency::{self, Claim, Create, IdempotencyKey};
use crate::interface::Routes;
use crate::interface::schema::{self, written_as};
use crate::page::{Cursor, Page, PageQuery};
use crate::path::named_in_path;
use crate::posts::{self, PostId};
use crate::problem::{Code, Fields, Problem};
use crate::prose::Prose;
use crate::token::SignedIn;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
pub use comment::erase_of;
use comment::{Comment, Draft};
use serde::{Deserialize, Serialize};
use sqlx::{MySqlConnection, MySqlExecutor};
use utoipa::ToSchema;
use utoipa::openapi::Object;
use utoipa_axum::routes;

const TEXT_MAX_CHARS: usize = 2_200;

pub fn routes() -> Routes {
    Routes::of("Comments")
        .with(routes!(list, create))
        .with(routes!(show, update, remove))
        .with(routes!(replies))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(from = "Whole")]
#[sqlx(transparent)]
pub struct CommentId(u64);

impl From<Whole> for CommentId {
    fn from(Whole(id): Whole) -> CommentId {
        CommentId(id)
    }
}

written_as!(CommentId, schema::id());
named_in_path!(
    CommentId,
    "id",
    "A comment",
    |id| id.parse().ok().map(CommentId),
    NotFoundComment
);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewComment)]
struct CreateBody {
    #[schema(schema_with = text)]
    text: String,
    /// The comment that this one replies to.
    parent_id: Option<CommentId>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CommentChange)]
struct UpdateBody {
    #[schema(schema_with = text)]
    text: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct Comments {
    comments: Vec<Comment>,
    /// What to ask for as `before` to go on; null at the end.
    #[schema(required = true)]
    next: Option<Cursor>,
}

impl Comments {
    fn cut(page: &Page, mut comments: Vec<Comment>) -> axum::Json<Comments> {
        let next = page.cut(&mut comments, |comment| comment.id.0);
        axum::Json(Comments { comments, next })
    }
}

fn text() -> Object {
    Prose::schema(TEXT_MAX_CHARS)
}

fn parse(text: &str) -> Result<Prose, Problem> {
    let mut fields = Fields::default();
    fields
        .check("text", Prose::parse(text, TEXT_MAX_CHARS))
        .ok_or_else(|| fields.into_problem())
}

/// Comment on a post, or reply to a comment
#[utoipa::path(
    post,
    path = "/api/posts/{id}/comments",
    params(PostId, IdempotencyKey),
    security(("bearer" = [])),
    request_body = CreateBody,
    responses(
        (status = 201, body = Comment, headers(("location" = String))),
        (status = 404, description = "NOT_FOUND_POST"),
    ),
)]
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

async fn make(pool: &Pool, key: &IdempotencyKey, draft: &Draft) -> Result<Response, Problem> {
    let mut creating = match key.claim(pool, Some(draft.author)).await? {
        Claim::New(creating) => creating,
        Claim::Answered(answer) => return Ok(answer),
    };
    let transaction = creating.transaction();
    let Some(id) = comment::insert(&mut *transaction, draft).await.map_err(gone)? else {
        return Err(match draft.parent {
            None => Problem::new(Code::NotFoundPost),
            Some(_) => orphan(transaction, draft.post).await?,
        });
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

/// List the comments on a post, without the replies
#[utoipa::path(
    get,
    path = "/api/posts/{id}/comments",
    params(PostId, PageQuery),
    responses((status = 200, body = Comments), (status = 404, description = "NOT_FOUND_POST")),
)]
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

/// List the replies to a comment
#[utoipa::path(
    get,
    path = "/api/comments/{id}/replies",
    params(CommentId, PageQuery),
    responses((status = 200, body = Comments), (status = 404, description = "NOT_FOUND_COMMENT")),
)]
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

/// Show a comment
#[utoipa::path(
    get,
    path = "/api/comments/{id}",
    params(CommentId),
    responses((status = 200, body = Comment), (status = 404, description = "NOT_FOUND_COMMENT")),
)]
async fn show(State(app): State<App>, id: CommentId) -> Result<axum::Json<Comment>, Problem> {
    found(&app.database.pool, id).await.map(axum::Json)
}

/// Change one's own comment
#[utoipa::path(
    patch,
    path = "/api/comments/{id}",
    params(CommentId),
    security(("bearer" = [])),
    request_body = UpdateBody,
    responses(
        (status = 200, body = Comment),
        (status = 403, description = "NOT_YOUR_COMMENT"),
        (status = 404, description = "NOT_FOUND_COMMENT"),
    ),
)]
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

/// Delete one's own comment
///
/// One that has replies keeps its place, without its text and its author.
#[utoipa::path(
    delete,
    path = "/api/comments/{id}",
    params(CommentId),
    security(("bearer" = [])),
    responses(
        (status = 204),
        (status = 403, description = "NOT_YOUR_COMMENT"),
        (status = 404, description = "NOT_FOUND_COMMENT"),
    ),
)]
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
async fn refusal(pool: &Pool, id: CommentId) -> Result<Problem, Problem> {
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
