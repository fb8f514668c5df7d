//! Media: photos, videos and documents that members bring, either through here or by putting them into the bucket
//! themselves.
//!
//! Whatever way they come, they are looked at and stripped before anyone is shown them: under `incoming/` in the bucket
//! is what came, under `media/` what may be shown. Only their owner sees them here and may use them: photos in posts, all
//! of them in messages. Their bytes are for whoever has the address, which nobody can guess and which is told to those
//! alone who may see the post or the room.
//!
//! A file is in the bucket only while a row of the table knows its key: the row comes first and goes last. What a process
//! that dies leaves behind is therefore found by the [`sweep`].

mod announcement;
mod content;
mod document;
mod file;
mod key;
mod photo;
mod serve;
mod store;
mod sweep;
mod thumbnails;
mod upload;
mod video;

use crate::body::Whole;
use crate::interface::Routes;
use crate::interface::schema::{self, written_as};
use crate::path::named_in_path;
use crate::problem::{Code, Problem};
use crate::s3::Bucket;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use utoipa_axum::routes;

pub use key::url;
pub use store::{READY, release_of, usable};
pub use sweep::Walk;
pub use thumbnails::{Thumbnail, start, told};

/// Each upload holds its file in memory, and for a moment a second copy of it.
const UPLOADS_AT_ONCE: usize = 8;
const TURN_TIMEOUT: Duration = Duration::from_secs(2);

pub fn routes() -> Routes {
    Routes::of("Media")
        .with(routes!(upload::upload))
        .with(routes!(upload::announce))
        .with(routes!(upload::show))
        .with(routes!(upload::complete))
        .with(routes!(serve::serve))
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
    "One's own photo, video or document",
    |id| id.parse().ok().map(MediaId),
    NotFoundMedia
);

/// Where media are kept, and how much may be done with them at once. Without a bucket nothing can be posted, and all else
/// goes on.
pub struct Storage {
    bucket: Option<Bucket>,
    turns: Semaphore,
    /// A photo takes up to 250 MB while its thumbnails are drawn, so they are drawn one photo after the other.
    drawing: Arc<Semaphore>,
}

impl Storage {
    pub fn new(bucket: Option<Bucket>) -> Storage {
        Storage {
            bucket,
            turns: Semaphore::new(UPLOADS_AT_ONCE),
            drawing: Arc::new(Semaphore::new(1)),
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
