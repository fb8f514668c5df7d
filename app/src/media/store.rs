//! A member's media as the database knows them.

use super::photo::{Format, Photo};
use super::{MediaId, url};
use crate::interface::schema::{self, moment};
use crate::members::MemberId;
use serde::Serialize;
use sqlx::{FromRow, MySqlPool};
use utoipa::ToSchema;
use utoipa::openapi::Object;

const AWAITED: &str = "awaited";
pub const READY: &str = "ready";

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
}

fn states() -> Object {
    schema::one_of([AWAITED, READY]).build()
}

pub struct NewMedia<'a> {
    pub owner: MemberId,
    key: &'a str,
    format: Format,
    state: &'static str,
    bytes: usize,
    size: Option<(u32, u32)>,
}

impl Media {
    pub fn is_ready(&self) -> bool {
        self.state == READY
    }

    pub fn key(&self) -> &str {
        &self.object_key
    }
}

impl<'a> NewMedia<'a> {
    pub fn awaited(owner: MemberId, key: &'a str, format: Format, bytes: usize) -> NewMedia<'a> {
        NewMedia {
            owner,
            key,
            format,
            state: AWAITED,
            bytes,
            size: None,
        }
    }

    pub fn ready(owner: MemberId, key: &'a str, photo: &Photo) -> NewMedia<'a> {
        NewMedia {
            owner,
            key,
            format: photo.format,
            state: READY,
            bytes: photo.bytes.len(),
            size: Some((photo.width, photo.height)),
        }
    }
}

pub async fn insert(pool: &MySqlPool, new: &NewMedia<'_>) -> sqlx::Result<MediaId> {
    let inserted = sqlx::query(
        "INSERT INTO media (member_id, object_key, kind, state, bytes, width, height) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.owner)
    .bind(new.key)
    .bind(new.format.content_type())
    .bind(new.state)
    .bind(new.bytes as u64)
    .bind(new.size.map(|(width, _)| width))
    .bind(new.size.map(|(_, height)| height))
    .execute(pool)
    .await?;
    Ok(MediaId(inserted.last_insert_id()))
}

pub async fn find(pool: &MySqlPool, id: MediaId, owner: MemberId) -> sqlx::Result<Option<Media>> {
    let media: Option<Media> = sqlx::query_as(
        "SELECT id, object_key, kind, state, bytes, width, height, \
                DATE_FORMAT(created_at, '%Y-%m-%dT%H:%i:%s.%f+09:00') AS created_at \
         FROM media WHERE id = ? AND member_id = ?",
    )
    .bind(id)
    .bind(owner)
    .fetch_optional(pool)
    .await?;
    Ok(media.map(|media| Media {
        url: media.is_ready().then(|| url(&media.object_key)),
        ..media
    }))
}

/// Nothing happens to what is ready already.
pub async fn make_ready(pool: &MySqlPool, id: MediaId, ready: &NewMedia<'_>) -> sqlx::Result<()> {
    sqlx::query("UPDATE media SET kind = ?, state = ?, bytes = ?, width = ?, height = ? WHERE id = ? AND state = ?")
        .bind(ready.format.content_type())
        .bind(ready.state)
        .bind(ready.bytes as u64)
        .bind(ready.size.map(|(width, _)| width))
        .bind(ready.size.map(|(_, height)| height))
        .bind(id)
        .bind(AWAITED)
        .execute(pool)
        .await
        .map(drop)
}
