//! Media: photos that members bring, either through here or by putting them into the bucket themselves.
//!
//! Whatever way they come, they are looked at and stripped before anyone is shown them: under `incoming/` in the bucket
//! is what came, under `media/` what may be shown.

mod announcement;
mod file;
mod photo;
mod store;

use crate::app::App;
use crate::body::{Json, Whole};
use crate::database::violated_foreign_key;
use crate::interface::Routes;
use crate::interface::schema::{self, written_as};
use crate::members::MemberId;
use crate::path::named_in_path;
use crate::problem::{Code, Problem};
use crate::s3::Bucket;
use crate::token::SignedIn;
use announcement::{AnnounceBody, Announced};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse};
use photo::Photo;
use serde::{Deserialize, Serialize};
use std::time::Duration;
pub use store::READY;
use store::{Media, NewMedia};
use tokio::sync::{Semaphore, SemaphorePermit};
use utoipa::ToSchema;
use utoipa::openapi::Object;
use utoipa::openapi::schema::SchemaType;
use utoipa_axum::routes;

/// Each upload holds its file in memory, twice for a moment.
const UPLOADS_AT_ONCE: usize = 8;
const TURN_TIMEOUT: Duration = Duration::from_secs(2);
const PRESIGNED_LIFETIME: Duration = Duration::from_secs(10 * 60);
const KEY_CHARS: usize = 32;

pub fn routes() -> Routes {
    Routes::of("Media")
        .with(routes!(upload))
        .with(routes!(announce))
        .with(routes!(show))
        .with(routes!(complete))
        .with(routes!(serve))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(from = "Whole")]
#[sqlx(transparent)]
pub struct MediaId(pub u64);

impl From<Whole> for MediaId {
    fn from(Whole(id): Whole) -> MediaId {
        MediaId(id)
    }
}

written_as!(MediaId, schema::id());
named_in_path!(
    MediaId,
    "id",
    "One's own photo",
    |id| id.parse().ok().map(MediaId),
    NotFoundMedia
);

/// What the bytes of a photo are found by.
struct FileKey(String);

/// Any bytes.
struct Picture;

written_as!(Picture, Object::with_type(SchemaType::AnyValue));

written_as!(
    FileKey,
    schema::text(KEY_CHARS..=KEY_CHARS).pattern(Some("^[0-9a-f]+$"))
);
named_in_path!(
    FileKey,
    "key",
    "The last part of a photo's `url`",
    FileKey::parse,
    NotFoundMedia
);

impl FileKey {
    fn parse(key: String) -> Option<FileKey> {
        let is_key = key.len() == KEY_CHARS && key.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
        is_key.then_some(FileKey(key))
    }
}

/// Where media are kept, and how many may come in at once. Without a bucket nothing can be posted, and all else goes on.
pub struct Storage {
    bucket: Option<Bucket>,
    turns: Semaphore,
}

impl Storage {
    pub fn new(bucket: Option<Bucket>) -> Storage {
        Storage {
            bucket,
            turns: Semaphore::new(UPLOADS_AT_ONCE),
        }
    }

    fn bucket(&self) -> Result<&Bucket, Problem> {
        self.bucket.as_ref().ok_or_else(|| Problem::new(Code::NoBucket))
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        match tokio::time::timeout(TURN_TIMEOUT, self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(Problem::new(Code::Busy)),
        }
    }
}

/// A form with the one file.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the form is read by `file`, this only describes it")]
struct Form {
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Upload a photo
///
/// JPEG, PNG or WebP of at most 10 MiB. What cameras add to the picture is left out.
#[utoipa::path(
    post,
    path = "/api/media",
    security(("bearer" = [])),
    request_body(
        content_type = "multipart/form-data",
        content = Form,
        encoding(("file" = (content_type = "image/jpeg, image/png, image/webp"))),
    ),
    responses(
        (status = 201, body = Media, headers(("location" = String))),
        (status = 503, description = "NO_BUCKET, BUCKET_UNAVAILABLE"),
    ),
)]
async fn upload(
    State(app): State<App>,
    SignedIn(owner): SignedIn,
    request: Request,
) -> Result<impl IntoResponse, Problem> {
    let bucket = app.storage.bucket()?;
    let _turn = app.storage.turn().await?;
    let bytes = file::read(request, photo::MAX_BYTES).await?;
    let photo = looked_at(bytes).await?;
    let key = new_key();
    let new = NewMedia::ready(owner, &key, &photo);
    bucket
        .put(&kept(&key), photo.format.content_type(), photo.bytes)
        .await?;
    created(&app, &new).await
}

/// Announce a photo that will be put into the bucket
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
async fn announce(
    State(app): State<App>,
    SignedIn(owner): SignedIn,
    Json(body): Json<AnnounceBody>,
) -> Result<impl IntoResponse, Problem> {
    let bucket = app.storage.bucket()?;
    let (format, bytes) = body.parse()?;
    let key = new_key();
    let url = bucket.presigned_put(&incoming(&key), format.content_type(), bytes, PRESIGNED_LIFETIME);
    let (status, location, media) = created(&app, &NewMedia::awaited(owner, &key, format, bytes)).await?;
    let announced = Announced::new(media.0, url, format, bytes);
    Ok((status, location, axum::Json(announced)))
}

/// Take in a photo that was put into the bucket
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
async fn complete(
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
    let key = media.key();
    let Some(answer) = bucket.get(&incoming(key), &HeaderMap::new()).await? else {
        return Err(Problem::new(Code::NotUploaded));
    };
    let bytes = to_bytes(answer.into_body(), photo::MAX_BYTES).await.map_err(|_| {
        Problem::new(Code::InvalidFields).with_field("file", "could not be read whole, or is too large")
    })?;
    let photo = looked_at(bytes.into()).await?;
    let ready = NewMedia::ready(owner, key, &photo);
    bucket.put(&kept(key), photo.format.content_type(), photo.bytes).await?;
    store::make_ready(&app.database.pool, id, &ready).await?;
    if bucket.delete(&incoming(key)).await.is_err() {
        tracing::warn!(key, "what came in stays in the bucket");
    }
    found(&app, id, owner).await.map(axum::Json)
}

/// Show one's own photo
#[utoipa::path(
    get,
    path = "/api/media/{id}",
    params(MediaId),
    security(("bearer" = [])),
    responses((status = 200, body = Media), (status = 404, description = "NOT_FOUND_MEDIA")),
)]
async fn show(State(app): State<App>, SignedIn(owner): SignedIn, id: MediaId) -> Result<axum::Json<Media>, Problem> {
    found(&app, id, owner).await.map(axum::Json)
}

/// Get the bytes of a photo, whole or in ranges
///
/// Whoever knows the key may see them, as everything in posts is for everyone.
#[utoipa::path(
    get,
    path = "/api/files/{key}",
    params(FileKey),
    responses(
        (status = 200, content((Picture = "image/jpeg"), (Picture = "image/png"), (Picture = "image/webp"))),
        (status = 404, description = "NOT_FOUND_MEDIA"),
        (status = 503, description = "NO_BUCKET, BUCKET_UNAVAILABLE"),
    ),
)]
async fn serve(State(app): State<App>, FileKey(key): FileKey, headers: HeaderMap) -> Result<Response<Body>, Problem> {
    const ASKED: [HeaderName; 3] = [header::RANGE, header::IF_RANGE, header::IF_NONE_MATCH];
    const ANSWERED: [HeaderName; 7] = [
        header::ACCEPT_RANGES,
        header::CACHE_CONTROL,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::ETAG,
        header::LAST_MODIFIED,
    ];
    let bucket = app.storage.bucket()?;
    let Some(answer) = bucket.get(&kept(&key), &only(&headers, &ASKED)).await? else {
        return Err(Problem::new(Code::NotFoundMedia));
    };
    let (parts, body) = answer.into_parts();
    let mut response = Response::new(body);
    *response.status_mut() = parts.status;
    *response.headers_mut() = only(&parts.headers, &ANSWERED);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("inline"));
    // Even a browser that takes the file for a page runs nothing in it.
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; sandbox"),
    );
    Ok(response)
}

fn only(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let found = names
        .iter()
        .filter_map(|name| Some((name.clone(), headers.get(name)?.clone())));
    found.collect()
}

/// Off the async threads: ten megabytes take a moment.
async fn looked_at(bytes: Vec<u8>) -> Result<Photo, Problem> {
    tokio::task::spawn_blocking(move || Photo::parse(&bytes))
        .await
        .map_err(|panic| Problem::internal(&panic))?
        .map_err(|why| Problem::new(Code::InvalidFields).with_field("file", why))
}

async fn found(app: &App, id: MediaId, owner: MemberId) -> Result<Media, Problem> {
    store::find(&app.database.pool, id, owner)
        .await?
        .ok_or_else(|| Problem::new(Code::NotFoundMedia))
}

type Created = (StatusCode, AppendHeaders<[(HeaderName, String); 1]>, axum::Json<Media>);

async fn created(app: &App, new: &NewMedia<'_>) -> Result<Created, Problem> {
    let id = store::insert(&app.database.pool, new)
        .await
        .map_err(|error| match violated_foreign_key(&error) {
            // The owner is gone though the token still lives.
            Some(_) => Problem::new(Code::InvalidToken),
            None => error.into(),
        })?;
    let media = found(app, id, new.owner).await?;
    let location = AppendHeaders([(header::LOCATION, format!("/api/media/{}", id.0))]);
    Ok((StatusCode::CREATED, location, axum::Json(media)))
}

fn new_key() -> String {
    format!("{:032x}", rand::random::<u128>())
}

fn incoming(key: &str) -> String {
    format!("incoming/{key}")
}

fn kept(key: &str) -> String {
    format!("media/{key}")
}

/// Where the bytes of this key are shown.
pub fn url(key: &str) -> String {
    format!("/api/files/{key}")
}
