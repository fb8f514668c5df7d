//! Posts: making, changing and deleting one, and reading them, newest first.

mod lists;
mod photos;
mod post;

use crate::app::App;
use crate::body::Json;
use crate::database::{Pool, despite_deadlocks, violated_foreign_key};
use crate::idempotency::{self, Claim, Create, IdempotencyKey};
use crate::interface::Routes;
use crate::interface::schema::{self, written_as};
use crate::media::MediaId;
use crate::members::MemberId;
use crate::path::named_in_path;
use crate::problem::{Code, Fields, Problem};
use crate::prose::Prose;
use crate::token::SignedIn;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use photos::Photos;
use post::Post;
use serde::{Deserialize, Serialize};
use sqlx::{MySqlConnection, MySqlExecutor, query_scalar};
use utoipa::ToSchema;
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{AllOfBuilder, Object, ObjectBuilder, Type};
use utoipa_axum::routes;

const TEXT_MAX_CHARS: usize = 2_200;

pub fn routes() -> Routes {
    Routes::of("Posts")
        .with(routes!(lists::everyones, create))
        .with(routes!(lists::feed))
        .with(routes!(lists::members))
        .with(routes!(show, update, remove))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type)]
#[sqlx(transparent)]
pub struct PostId(pub u64);

written_as!(PostId, schema::id());
named_in_path!(PostId, "id", "A post", |id| id.parse().ok().map(PostId), NotFoundPost);

/// What a post is made of; in an update, what is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PostBody {
    #[schema(value_type = Option<PostText>)]
    text: Option<String>,
    #[schema(value_type = Option<Photos>)]
    photos: Option<Vec<MediaId>>,
}

/// A new post needs photos.
struct NewPost;

written_as!(
    NewPost,
    AllOfBuilder::new()
        .item(PostBody::schema())
        .item(with("photos", Type::Array)),
    PostBody
);

/// An update needs something to change.
struct PostChange;

written_as!(
    PostChange,
    {
        let given = AnyOfBuilder::new()
            .item(with("text", Type::String))
            .item(with("photos", Type::Array));
        AllOfBuilder::new().item(PostBody::schema()).item(given)
    },
    PostBody
);

/// An object in which this is given, and is not null.
fn with(field: &str, kind: Type) -> Object {
    let value = Object::with_type(kind);
    ObjectBuilder::new().property(field, value).required(field).build()
}

struct PostText;

written_as!(PostText, Prose::schema(TEXT_MAX_CHARS));

struct Draft {
    text: Option<Prose>,
    photos: Photos,
}

struct Change {
    text: Option<Prose>,
    photos: Option<Photos>,
}

impl PostBody {
    fn parse_draft(self) -> Result<Draft, Problem> {
        let mut fields = Fields::default();
        let text = fields.check("text", self.text());
        let photos = self.photos.as_deref().ok_or("is required".to_owned());
        let photos = fields.check("photos", photos.and_then(Photos::parse));
        match (text, photos) {
            (Some(text), Some(photos)) => Ok(Draft { text, photos }),
            _ => Err(fields.into_problem()),
        }
    }

    fn parse_change(self) -> Result<Change, Problem> {
        let mut fields = Fields::default();
        let text = fields.check("text", self.text());
        let photos = fields.check("photos", self.photos.as_deref().map(Photos::parse).transpose());
        match (text, photos) {
            (Some(None), Some(None)) => {
                Err(Problem::new(Code::InvalidFields).with_field("text", "or `photos` is required"))
            }
            (Some(text), Some(photos)) => Ok(Change { text, photos }),
            _ => Err(fields.into_problem()),
        }
    }

    fn text(&self) -> Result<Option<Prose>, String> {
        let text = self.text.as_deref();
        text.map(|text| Prose::parse(text, TEXT_MAX_CHARS)).transpose()
    }
}

/// They are another's, still awaited, or not there: which of these is nobody else's business.
fn not_your_photos() -> Problem {
    Problem::new(Code::InvalidFields).with_field("photos", "must be photos that you have uploaded")
}

/// Publish a post
///
/// With a text, with photos, or with both.
#[utoipa::path(
    post,
    path = "/api/posts",
    params(IdempotencyKey),
    security(("bearer" = [])),
    request_body = NewPost,
    responses((status = 201, body = Post, headers(("location" = String)))),
)]
async fn create(
    State(app): State<App>,
    SignedIn(author): SignedIn,
    Create { body, key }: Create<PostBody>,
) -> Result<Response, Problem> {
    let draft = body.parse_draft()?;
    idempotency::despite_deadlocks(|| make(&app.database.pool, &key, author, &draft)).await
}

async fn make(pool: &Pool, key: &IdempotencyKey, author: MemberId, draft: &Draft) -> Result<Response, Problem> {
    let mut creating = match key.claim(pool, Some(author)).await? {
        Claim::New(creating) => creating,
        Claim::Answered(answer) => return Ok(answer),
    };
    let transaction = creating.transaction();
    let id = insert(transaction, author, draft)
        .await
        .map_err(|error| match violated_foreign_key(&error) {
            // The author is gone though the token still lives.
            Some(_) => Problem::new(Code::InvalidToken),
            None => error.into(),
        })?
        .ok_or_else(not_your_photos)?;
    let post = post::find(transaction, id, Some(author)).await?;
    let post = post.ok_or_else(|| Problem::new(Code::NotFoundPost))?;
    creating.finish(author, &format!("/api/posts/{}", id.0), &post).await
}

/// Show a post
#[utoipa::path(
    get,
    path = "/api/posts/{id}",
    params(PostId),
    security((), ("bearer" = [])),
    responses((status = 200, body = Post), (status = 404, description = "NOT_FOUND_POST")),
)]
async fn show(State(app): State<App>, viewer: Option<SignedIn>, id: PostId) -> Result<axum::Json<Post>, Problem> {
    let viewer = viewer.map(|SignedIn(member)| member);
    found(&app.database.pool, id, viewer).await.map(axum::Json)
}

/// Change one's own post
///
/// What is left out stays as it is; photos are replaced as a whole.
#[utoipa::path(
    patch,
    path = "/api/posts/{id}",
    params(PostId),
    security(("bearer" = [])),
    request_body = PostChange,
    responses(
        (status = 200, body = Post),
        (status = 403, description = "NOT_YOUR_POST"),
        (status = 404, description = "NOT_FOUND_POST"),
    ),
)]
async fn update(
    State(app): State<App>,
    SignedIn(author): SignedIn,
    id: PostId,
    Json(body): Json<PostBody>,
) -> Result<axum::Json<Post>, Problem> {
    let pool = &app.database.pool;
    let change = body.parse_change()?;
    match despite_deadlocks(|| apply(pool, id, author, &change)).await? {
        Applied::Whole => found(pool, id, Some(author)).await.map(axum::Json),
        Applied::NotYours => Err(refusal(pool, id).await?),
        Applied::NotYourPhotos => Err(not_your_photos()),
    }
}

/// Delete one's own post
#[utoipa::path(
    delete,
    path = "/api/posts/{id}",
    params(PostId),
    security(("bearer" = [])),
    responses(
        (status = 204),
        (status = 403, description = "NOT_YOUR_POST"),
        (status = 404, description = "NOT_FOUND_POST"),
    ),
)]
async fn remove(State(app): State<App>, SignedIn(author): SignedIn, id: PostId) -> Result<StatusCode, Problem> {
    let pool = &app.database.pool;
    if !despite_deadlocks(|| delete(pool, id, author)).await? {
        return Err(refusal(pool, id).await?);
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn found(pool: &Pool, id: PostId, viewer: Option<MemberId>) -> Result<Post, Problem> {
    let mut connection = pool.acquire().await?;
    let found = post::find(&mut connection, id, viewer).await?;
    connection.give_back();
    found.ok_or_else(|| Problem::new(Code::NotFoundPost))
}

/// Why a post could not be changed by someone: it is another's, or is not there.
async fn refusal(pool: &Pool, id: PostId) -> Result<Problem, Problem> {
    let code = match exists(pool, id).await? {
        true => Code::NotYourPost,
        false => Code::NotFoundPost,
    };
    Ok(Problem::new(code))
}

pub async fn exists(executor: impl MySqlExecutor<'_>, id: PostId) -> sqlx::Result<bool> {
    query_scalar("SELECT EXISTS (SELECT 1 FROM posts WHERE id = ?)")
        .bind(id)
        .fetch_one(executor)
        .await
}

/// `None` if the photos are not the author's; then what was done here must be rolled back.
async fn insert(transaction: &mut MySqlConnection, author: MemberId, draft: &Draft) -> sqlx::Result<Option<PostId>> {
    let inserted = sqlx::query("INSERT INTO posts (member_id, text) VALUES (?, ?)")
        .bind(author)
        .bind(draft.text.as_ref().map_or("", Prose::as_str))
        .execute(&mut *transaction)
        .await?;
    let id = PostId(inserted.last_insert_id());
    let attached = photos::attach(transaction, id, author, &draft.photos).await?;
    Ok(attached.then_some(id))
}

enum Applied {
    Whole,
    /// The post is not the author's, or not there.
    NotYours,
    NotYourPhotos,
}

async fn apply(pool: &Pool, id: PostId, author: MemberId, change: &Change) -> sqlx::Result<Applied> {
    let mut transaction = pool.begin().await?;
    let changed = sqlx::query(
        "UPDATE posts SET text = COALESCE(?, text), updated_at = CURRENT_TIMESTAMP(6) WHERE id = ? AND member_id = ?",
    )
    .bind(change.text.as_ref().map(Prose::as_str))
    .bind(id)
    .bind(author)
    .execute(&mut *transaction)
    .await?;
    if changed.rows_affected() == 0 {
        return Ok(Applied::NotYours);
    }
    if let Some(photos) = &change.photos {
        photos::detach(&mut transaction, id).await?;
        if !photos::attach(&mut transaction, id, author, photos).await? {
            return Ok(Applied::NotYourPhotos);
        }
    }
    transaction.commit().await?;
    Ok(Applied::Whole)
}

/// Whether the post was there and the author's. Its likes and comments go with it, by their foreign keys.
async fn delete(pool: &Pool, id: PostId, author: MemberId) -> sqlx::Result<bool> {
    let deleted = sqlx::query("DELETE FROM posts WHERE id = ? AND member_id = ?")
        .bind(id)
        .bind(author)
        .execute(pool)
        .await?;
    Ok(deleted.rows_affected() > 0)
}
