//! A member's media as the database knows them.

use super::content::{Content, Kind};
use super::thumbnails::{self, Thumbnail};
use super::{MediaId, key};
use crate::app::App;
use crate::database::Pool;
use crate::interface::schema::{self, moment};
use crate::members::MemberId;
use serde::Serialize;
use sqlx::{FromRow, MySqlConnection};
use utoipa::ToSchema;
use utoipa::openapi::Object;

const AWAITED: &str = "awaited";
/// A photo that may be used.
pub const READY: &str = "ready";
/// Anything else that may be used. A release that knows only photos finds none in this state, and so puts none into a
/// post.
pub const FILED: &str = "filed";

/// As only its owner sees it.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub struct Media {
    id: MediaId,
    #[serde(skip)]
    object_key: String,
    #[schema(schema_with = super::announcement::content_types)]
    kind: String,
    #[schema(schema_with = states)]
    state: String,
    bytes: u32,
    #[schema(required = true)]
    width: Option<u32>,
    #[schema(required = true)]
    height: Option<u32>,
    #[schema(schema_with = moment)]
    created_at: String,
    /// Null until it is ready.
    #[sqlx(skip)]
    #[schema(required = true)]
    url: Option<String>,
    #[serde(skip)]
    sizes: Option<String>,
    #[sqlx(skip)]
    thumbnails: Vec<Thumbnail>,
}

fn states() -> Object {
    schema::one_of([AWAITED, READY, FILED]).build()
}

/// What its owner has said of a file that is not looked at yet.
pub struct Awaited<'a> {
    pub owner: MemberId,
    pub key: &'a str,
    pub kind: Kind,
    pub bytes: usize,
}

impl Media {
    pub fn is_ready(&self) -> bool {
        self.state == READY
    }

    pub fn key(&self) -> &str {
        &self.object_key
    }
}

pub async fn insert(pool: &Pool, awaited: &Awaited<'_>) -> sqlx::Result<MediaId> {
    let inserted = sqlx::query("INSERT INTO media (member_id, object_key, kind, state, bytes) VALUES (?, ?, ?, ?, ?)")
        .bind(awaited.owner)
        .bind(awaited.key)
        .bind(awaited.kind.content_type())
        .bind(AWAITED)
        .bind(awaited.bytes as u64)
        .execute(pool)
        .await?;
    Ok(MediaId(inserted.last_insert_id()))
}

/// What has been removed is not there any more.
pub async fn find(pool: &Pool, id: MediaId, owner: MemberId) -> sqlx::Result<Option<Media>> {
    let media: Option<Media> = sqlx::query_as(
        "SELECT id, object_key, kind, IF(state = 'filed', 'ready', state) AS state, bytes, width, height, \
                DATE_FORMAT(created_at, '%Y-%m-%dT%H:%i:%s.%f+09:00') AS created_at, thumbnails AS sizes \
         FROM media WHERE id = ? AND member_id = ? AND state IN ('awaited', 'ready', 'filed')",
    )
    .bind(id)
    .bind(owner)
    .fetch_optional(pool)
    .await?;
    Ok(media.map(|media| Media {
        url: media.is_ready().then(|| key::url(&media.object_key)),
        thumbnails: thumbnails::told(&media.object_key, media.sizes.as_deref()),
        ..media
    }))
}

/// What was found overwrites what was said before, and thumbnails are ordered. Nothing happens to what is ready already,
/// or gone meanwhile.
pub async fn make_ready(app: &App, id: MediaId, key: &str, found: &Facts) -> sqlx::Result<()> {
    let mut transaction = app.database.pool.begin().await?;
    let made = sqlx::query(
        "UPDATE media SET kind = ?, state = ?, bytes = ?, width = ?, height = ?, thumbnails = '' \
         WHERE id = ? AND state = ?",
    )
    .bind(found.kind.content_type())
    .bind(if found.kind.is_photo() { READY } else { FILED })
    .bind(found.bytes as u64)
    .bind(found.size.map(|(width, _)| width))
    .bind(found.size.map(|(_, height)| height))
    .bind(id)
    .bind(AWAITED)
    .execute(&mut *transaction)
    .await?;
    if made.rows_affected() > 0 && found.has_thumbnails() {
        thumbnails::order(&mut transaction, app, id, key).await?;
    }
    transaction.commit().await
}

/// Of a file that has been looked at, all but its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    kind: Kind,
    size: Option<(u32, u32)>,
    bytes: usize,
}

impl From<&Content> for Facts {
    fn from(content: &Content) -> Facts {
        Facts {
            kind: content.kind,
            size: content.size,
            bytes: content.bytes.len(),
        }
    }
}

impl Facts {
    fn has_thumbnails(&self) -> bool {
        self.kind.is_photo() && self.size.is_some_and(|(width, _)| thumbnails::are_made_of(width))
    }
}

/// The type of what its owner may use, held until the end of the transaction.
pub async fn usable(transaction: &mut MySqlConnection, id: MediaId, owner: MemberId) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar(
        "SELECT kind FROM media WHERE id = ? AND member_id = ? AND state IN ('ready', 'filed') LOCK IN SHARE MODE",
    )
    .bind(id)
    .bind(owner)
    .fetch_optional(transaction)
    .await
}

/// The type of a photo that is still there.
pub async fn photo(pool: &Pool, id: MediaId) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar("SELECT kind FROM media WHERE id = ? AND state = 'ready'")
        .bind(id)
        .fetch_optional(pool)
        .await
}

/// Whether the photo is still there.
pub async fn set_thumbnails(pool: &Pool, id: MediaId, sizes: &str) -> sqlx::Result<bool> {
    let set = sqlx::query("UPDATE media SET thumbnails = ? WHERE id = ? AND state = 'ready'")
        .bind(sizes)
        .bind(id)
        .execute(pool)
        .await?;
    Ok(set.rows_affected() > 0)
}

/// To be called with the transaction in which a member withdraws: what was not sent to anyone goes too.
pub async fn release_of(transaction: &mut MySqlConnection, member: MemberId) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE media SET state = 'removed', removed_at = NOW(6) \
         WHERE member_id = ? AND NOT EXISTS (SELECT 1 FROM messages WHERE messages.media_id = media.id)",
    )
    .bind(member)
    .execute(transaction)
    .await
    .map(drop)
}
