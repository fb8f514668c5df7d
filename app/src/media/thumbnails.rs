//! Thumbnails: smaller copies of a photo, drawn in the background after it was brought.
//!
//! Not while it is brought. That takes 0.1 s and 45 MB for the 12 million pixels of a phone, but up to a second and 250 MB
//! for the largest photos, and nobody should wait, or be sent away, because of someone else's. So a photo whose headers are right but whose picture cannot be decoded is
//! found out only here: its job is given up at once, and it goes on without thumbnails.

mod drawing;

use super::content::Kind;
use super::{MediaId, key, store};
use crate::app::App;
use crate::jobs::{self, Failure, Workers};
use crate::problem::Problem;
use crate::s3::Bucket;
use axum::body::to_bytes;
use axum::http::HeaderMap;
use drawing::Drawing;
use serde::{Deserialize, Serialize};
use sqlx::mysql::MySqlConnection;
use utoipa::ToSchema;

/// Of each width that the photo itself exceeds, one.
const WIDTHS: [u32; 2] = [320, 1080];

/// A smaller copy as it is shown.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Thumbnail {
    width: u32,
    height: u32,
    url: String,
}

/// What a job is told.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    media: MediaId,
    key: String,
}

pub fn are_made_of(width: u32) -> bool {
    WIDTHS.iter().any(|smaller| *smaller < width)
}

/// From the sizes in the table, such as `320x240 1080x810`; none until they are made.
pub fn told(key: &str, sizes: Option<&str>) -> Vec<Thumbnail> {
    let sizes = sizes.unwrap_or_default().split(' ');
    let told = sizes.filter_map(|size| {
        let (width, height) = size.split_once('x')?;
        let (width, height) = (width.parse().ok()?, height.parse().ok()?);
        let url = key::url(&key::thumbnail(key, width));
        Some(Thumbnail { width, height, url })
    });
    told.collect()
}

/// What there may be in the bucket under this key.
pub fn names(key: &str) -> impl Iterator<Item = String> {
    WIDTHS.into_iter().map(move |width| key::thumbnail(key, width))
}

/// To be called with the transaction that makes the photo ready.
pub async fn order(transaction: &mut MySqlConnection, app: &App, id: MediaId, key: &str) -> sqlx::Result<()> {
    let order = Order {
        media: id,
        key: key.to_owned(),
    };
    jobs::enqueue(transaction, jobs::Kind::Thumbnails, &order, &app.release).await
}

/// Starts the worker that draws them, if there is a bucket to put them into.
pub fn start(app: &App, workers: &mut Workers) {
    if app.storage.bucket.is_some() {
        let of = app.clone();
        workers.start(app, jobs::Kind::Thumbnails, move |payload| make(payload, of.clone()));
    }
}

async fn make(payload: String, app: App) -> Result<(), Failure> {
    let order: Order = serde_json::from_str(&payload).map_err(Failure::lasting)?;
    let bucket = app.storage.bucket().map_err(passing)?;
    let pool = &app.database.pool;
    let photo = store::photo(pool, order.media).await.map_err(Failure::passing)?;
    let Some(content_type) = photo else {
        return delete(bucket, &order.key).await;
    };
    let kind = Kind::of_content_type(&content_type).filter(|kind| kind.is_photo());
    let kind = kind.ok_or_else(|| Failure::Lasting(format!("`{content_type}` is no photo")))?;
    let bytes = read(bucket, &order.key, kind).await?;
    let drawings = draw(&app, kind, bytes).await?;
    let sizes: Vec<String> = drawings
        .iter()
        .map(|drawing| format!("{}x{}", drawing.width, drawing.height))
        .collect();
    for drawing in drawings {
        let name = key::kept(&key::thumbnail(&order.key, drawing.width));
        bucket
            .put(&name, drawing.content_type, drawing.bytes)
            .await
            .map_err(passing)?;
    }
    let is_there = store::set_thumbnails(pool, order.media, &sizes.join(" ")).await;
    if is_there.map_err(Failure::passing)? {
        return Ok(());
    }
    delete(bucket, &order.key).await
}

async fn read(bucket: &Bucket, key: &str, kind: Kind) -> Result<Vec<u8>, Failure> {
    let answer = bucket.get(&key::kept(key), &HeaderMap::new()).await.map_err(passing)?;
    let answer = answer.ok_or_else(|| Failure::Lasting("the photo is not in the bucket".to_owned()))?;
    let bytes = to_bytes(answer.into_body(), kind.max_bytes()).await;
    bytes.map(Into::into).map_err(Failure::passing)
}

/// The turn is taken along: a drawing goes on even when nobody waits for it any more.
async fn draw(app: &App, kind: Kind, bytes: Vec<u8>) -> Result<Vec<Drawing>, Failure> {
    let turn = app
        .storage
        .drawing
        .clone()
        .acquire_owned()
        .await
        .map_err(Failure::passing)?;
    let drawn = tokio::task::spawn_blocking(move || {
        let drawn = drawing::draw(kind, &bytes, &WIDTHS);
        drop(turn);
        drawn
    });
    drawn.await.map_err(Failure::lasting)?.map_err(Failure::Lasting)
}

/// The photo has been removed; what was drawn of it before, or just now, goes too.
async fn delete(bucket: &Bucket, key: &str) -> Result<(), Failure> {
    for name in names(key) {
        bucket.delete(&key::kept(&name)).await.map_err(passing)?;
    }
    Ok(())
}

fn passing(problem: Problem) -> Failure {
    Failure::passing(problem.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_with_their_addresses() {
        let told = told("k", Some("320x240 1080x810"));
        let told: Vec<_> = told
            .iter()
            .map(|told| (told.width, told.height, told.url.as_str()))
            .collect();
        assert_eq!(told, [(320, 240, "/api/files/k-320"), (1080, 810, "/api/files/k-1080")]);
        for none in [None, Some(""), Some("later")] {
            assert_eq!(super::told("k", none).len(), 0);
        }
    }
}
