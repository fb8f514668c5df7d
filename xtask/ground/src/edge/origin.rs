//! The bucket that the site is served from.

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTimeFormat};
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Larger objects are passed through and never cached.
const MAX_CACHED_BYTES: u64 = 4 << 20;
/// Bounds what concurrent fetches hold in memory.
const MAX_FETCHES: usize = 32;

pub struct Origin {
    client: Client,
    bucket: String,
    fetches: Semaphore,
}

#[derive(Debug, PartialEq)]
pub struct Object {
    pub bytes: Bytes,
    pub head: Head,
}

/// What the object's metadata says for its response.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Head {
    pub etag: String,
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub content_disposition: Option<String>,
    pub cache_control: Option<String>,
    pub last_modified: Option<String>,
}

pub enum Fetched {
    Whole(Arc<Object>),
    Streamed(Box<Streamed>),
    /// The version asked about is still the one in the bucket.
    Unchanged,
    Missing,
}

/// An object on its way from the bucket.
pub struct Streamed {
    pub head: Head,
    pub size: u64,
    pub body: ByteStream,
}

impl Origin {
    pub fn new(client: Client, bucket: String) -> Self {
        Self {
            client,
            bucket,
            fetches: Semaphore::new(MAX_FETCHES),
        }
    }

    pub async fn fetch(&self, key: &str, known_etag: Option<&str>) -> Result<Fetched, String> {
        // Never closed.
        let _slot = self.fetches.acquire().await.map_err(|error| error.to_string())?;
        let request = self.client.get_object().bucket(&self.bucket).key(key);
        let output = match request.set_if_none_match(known_etag.map(str::to_owned)).send().await {
            Ok(output) => output,
            Err(error) => {
                let status = error.raw_response().map(|response| response.status().as_u16());
                return match status {
                    Some(304) => Ok(Fetched::Unchanged),
                    Some(404) => Ok(Fetched::Missing),
                    _ => Err(aws_sdk_s3::error::DisplayErrorContext(&error).to_string()),
                };
            }
        };
        let size = output
            .content_length()
            .and_then(|length| u64::try_from(length).ok())
            .unwrap_or(u64::MAX);
        let head = head_of(&output);
        if size > MAX_CACHED_BYTES {
            let body = output.body;
            return Ok(Fetched::Streamed(Box::new(Streamed { head, size, body })));
        }
        let bytes = output
            .body
            .collect()
            .await
            .map_err(|error| error.to_string())?
            .into_bytes();
        Ok(Fetched::Whole(Arc::new(Object { bytes, head })))
    }
}

fn head_of(output: &GetObjectOutput) -> Head {
    Head {
        etag: output.e_tag().unwrap_or_default().to_owned(),
        content_type: output.content_type().map(str::to_owned),
        content_encoding: output.content_encoding().map(str::to_owned),
        content_language: output.content_language().map(str::to_owned),
        content_disposition: output.content_disposition().map(str::to_owned),
        cache_control: output.cache_control().map(str::to_owned),
        last_modified: output
            .last_modified()
            .and_then(|time| time.fmt(DateTimeFormat::HttpDate).ok()),
    }
}
