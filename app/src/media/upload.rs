//! Bringing a file, in a form or by way of the bucket.

use super::announcement::{AnnounceBody, Announced, PRESIGNED_LIFETIME};
use super::content::{self, Content};
use super::store::{self, Awaited, Facts, Media};
use super::{MediaId, file, key};
use crate::app::App;
use crate::body::Json;
use crate::database::violated_foreign_key;
use crate::jobs;
use crate::members::MemberId;
use crate::problem::{Code, Problem};
use crate::s3::Bucket;
use crate::token::SignedIn;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse};
use utoipa::ToSchema;

/// A form with the one file.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the form is read by `file`, this only describes it")]
struct Form {
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Upload a photo, a video or a document
///
/// A JPEG, PNG or WebP photo or a PDF document of at most 10 MiB, or an MP4 video of at most 20. What cameras add to a
/// picture is left out.
#[utoipa::path(
    post,
    path = "/api/media",
    security(("bearer" = [])),
    request_body(
        content_type = "multipart/form-data",
        content = Form,
        encoding(("file" = (content_type = "image/jpeg, image/png, image/webp, video/mp4, application/pdf"))),
    ),
    responses(
        (status = 201, body = Media, headers(("location" = String))),
        (status = 503, description = "NO_BUCKET, BUCKET_UNAVAILABLE"),
    ),
)]
pub async fn upload(
    State(app): State<App>,
    SignedIn(owner): SignedIn,
    request: Request,
) -> Result<impl IntoResponse, Problem> {
    let bucket = app.storage.bucket()?;
    let _turn = app.storage.turn().await?;
    let bytes = file::read(request, content::MOST_BYTES).await?;
    let content = looked_at(bytes).await?;
    let key = key::new_key();
    let awaited = Awaited {
        owner,
        key: &key,
        kind: content.kind,
        bytes: content.bytes.len(),
    };
    let id = insert(&app, &awaited).await?;
    take_in(&app, bucket, id, &key, content).await?;
    created(&app, id, owner).await
}

/// Announce a file that will be put into the bucket
///
/// The answer says how. When that is done, complete it.
#[utoipa::path(
    post,
    path = "/api/media/uploads",
    security(("bearer" = [])),
    request_body = AnnounceBody,
    responses(
        (status = 201, body = Announced, headers(("location" = String))),
        (status = 503, description = "NO_BUCKET"),
    ),
)]
pub async fn announce(
    State(app): State<App>,
    SignedIn(owner): SignedIn,
    Json(body): Json<AnnounceBody>,
) -> Result<impl IntoResponse, Problem> {
    let bucket = app.storage.bucket()?;
    let (kind, bytes) = body.parse()?;
    let key = key::new_key();
    let content_type = kind.content_type();
    let url = bucket.presigned_put(&key::incoming(&key), content_type, bytes, PRESIGNED_LIFETIME);
    let awaited = Awaited {
        owner,
        key: &key,
        kind,
        bytes,
    };
    let id = insert(&app, &awaited).await?;
    let (status, location, media) = created(&app, id, owner).await?;
    let announced = Announced::new(media.0, url, kind, bytes);
    Ok((status, location, axum::Json(announced)))
}

/// Take in a file that was put into the bucket
///
/// Once taken in, it stays as it is.
#[utoipa::path(
    post,
    path = "/api/media/{id}/complete",
    params(MediaId),
    security(("bearer" = [])),
    responses(
        (status = 200, body = Media),
        (status = 404, description = "NOT_FOUND_MEDIA"),
        (status = 409, description = "NOT_UPLOADED"),
        (status = 422, description = "INVALID_FIELDS"),
        (status = 503, description = "NO_BUCKET, BUCKET_UNAVAILABLE"),
    ),
)]
pub async fn complete(
    State(app): State<App>,
    SignedIn(owner): SignedIn,
    id: MediaId,
) -> Result<axum::Json<Media>, Problem> {
    let bucket = app.storage.bucket()?;
    let media = found(&app, id, owner).await?;
    if media.is_ready() {
        return Ok(axum::Json(media));
    }
    let _turn = app.storage.turn().await?;
    let incoming = key::incoming(media.key());
    let Some(answer) = bucket.get(&incoming, &HeaderMap::new()).await? else {
        return Err(Problem::new(Code::NotUploaded));
    };
    let bytes = to_bytes(answer.into_body(), content::MOST_BYTES).await.map_err(|_| {
        Problem::new(Code::InvalidFields).with_field("file", "could not be read whole, or is too large")
    })?;
    let content = match looked_at(bytes.into()).await {
        Ok(content) => content,
        Err(refused) => {
            tidy(bucket, &incoming).await;
            return Err(refused);
        }
    };
    take_in(&app, bucket, id, media.key(), content).await?;
    tidy(bucket, &incoming).await;
    found(&app, id, owner).await.map(axum::Json)
}

/// Show one's own photo, video or document
#[utoipa::path(
    get,
    path = "/api/media/{id}",
    params(MediaId),
    security(("bearer" = [])),
    responses((status = 200, body = Media), (status = 404, description = "NOT_FOUND_MEDIA")),
)]
pub async fn show(
    State(app): State<App>,
    SignedIn(owner): SignedIn,
    id: MediaId,
) -> Result<axum::Json<Media>, Problem> {
    found(&app, id, owner).await.map(axum::Json)
}

/// Off the async threads: twenty megabytes take a moment.
async fn looked_at(bytes: Vec<u8>) -> Result<Content, Problem> {
    tokio::task::spawn_blocking(move || Content::parse(bytes))
        .await
        .map_err(|panic| Problem::internal(&panic))?
        .map_err(|why| Problem::new(Code::InvalidFields).with_field("file", why))
}

async fn insert(app: &App, awaited: &Awaited<'_>) -> Result<MediaId, Problem> {
    let inserted = store::insert(&app.database.pool, awaited).await;
    inserted.map_err(|error| match violated_foreign_key(&error) {
        // The owner is gone though the token still lives.
        Some(_) => Problem::new(Code::InvalidToken),
        None => error.into(),
    })
}

/// Keeps what has been looked at. Whoever loses a file in between finds the row awaited, and the sweep finds both.
async fn take_in(app: &App, bucket: &Bucket, id: MediaId, key: &str, content: Content) -> Result<(), Problem> {
    let facts = Facts::from(&content);
    let content_type = content.kind.content_type();
    bucket.put(&key::kept(key), content_type, content.bytes).await?;
    store::make_ready(app, id, key, &facts).await?;
    app.bell.ring(jobs::Kind::Thumbnails);
    Ok(())
}

/// What came has been looked at, and is not looked at again.
async fn tidy(bucket: &Bucket, incoming: &str) {
    if bucket.delete(incoming).await.is_err() {
        tracing::warn!(incoming, "what came in stays in the bucket until its media are swept");
    }
}

async fn found(app: &App, id: MediaId, owner: MemberId) -> Result<Media, Problem> {
    store::find(&app.database.pool, id, owner)
        .await?
        .ok_or_else(|| Problem::new(Code::NotFoundMedia))
}

type Created = (StatusCode, AppendHeaders<[(HeaderName, String); 1]>, axum::Json<Media>);

async fn created(app: &App, id: MediaId, owner: MemberId) -> Result<Created, Problem> {
    let media = found(app, id, owner).await?;
    let location = AppendHeaders([(header::LOCATION, format!("/api/media/{}", id.0))]);
    Ok((StatusCode::CREATED, location, axum::Json(media)))
}
