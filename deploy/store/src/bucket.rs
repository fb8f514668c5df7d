//! Documents as objects under a prefix of an S3 bucket.

use crate::{Backend, Condition, MAX_DOCUMENT_BYTES, Read, Revision, Surveyed, WriteError};
use anyhow::{Context as _, Result};
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, TryFutureExt as _};
use std::fmt;

#[derive(Clone)]
pub struct Bucket {
    client: Client,
    bucket: String,
    /// Empty, or ends in `/`.
    prefix: String,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.place(""))
    }
}

impl Bucket {
    pub fn new(client: Client, bucket: String, prefix: String) -> Self {
        Self { client, bucket, prefix }
    }

    async fn read_object(&self, key: &str, known: Option<&Revision>) -> Result<Read> {
        let request = self.client.get_object().bucket(&self.bucket).key(self.key(key));
        let answer = request
            .set_if_none_match(known.map(|revision| revision.0.clone()))
            .send()
            .await;
        let object = match answer {
            Ok(object) => object,
            Err(error) => {
                return match (status(&error), error.code()) {
                    (Some(304), _) => Ok(Read::Unchanged),
                    // Only the object may be missing: without the bucket there is nothing to follow.
                    (Some(404), Some("NoSuchKey")) => Ok(Read::Absent),
                    _ => Err(named(error)).with_context(|| format!("cannot read `{}`", self.place(key))),
                };
            }
        };
        let etag = object.e_tag().map(str::to_owned);
        let revision = Revision(etag.with_context(|| format!("`{}` came without an ETag", self.place(key)))?);
        if known == Some(&revision) {
            // Some servers answer in full all the same.
            return Ok(Read::Unchanged);
        }
        let body = self.body(key, object).await?;
        Ok(body.map_or(Read::Oversized, |bytes| Read::Found(bytes, revision)))
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, condition: Condition<'_>) -> Result<Revision, WriteError> {
        let request = self.client.put_object().bucket(&self.bucket).key(self.key(key));
        let request = match condition {
            Condition::None => request,
            Condition::Absent => request.if_none_match("*"),
            Condition::Is(revision) => request.if_match(&revision.0),
        };
        match request.content_type("application/json").body(bytes.into()).send().await {
            Ok(put) => {
                let etag = put.e_tag().map(str::to_owned);
                Ok(Revision(etag.with_context(|| {
                    format!("`{}` was written without an ETag", self.place(key))
                })?))
            }
            Err(error) if is_conflict(&error, condition) => Err(WriteError::Conflict),
            Err(error) => Err(named(error)
                .context(format!("cannot write `{}`", self.place(key)))
                .into()),
        }
    }

    async fn surveyed(&self, folder: &str, limit: usize) -> Result<Vec<Surveyed>> {
        let prefix = self.key(folder);
        let mut found = Vec::new();
        let mut token = None;
        while found.len() < limit {
            let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(&prefix);
            let request = request.delimiter("/");
            let page = request.set_continuation_token(token.take()).send().await;
            let page = page
                .map_err(named)
                .with_context(|| format!("cannot list `{}`", self.place(folder)))?;
            let objects = page.contents().iter().filter_map(|object| {
                let name = object.key()?.strip_prefix(&prefix)?.to_owned();
                let revision = object.e_tag().map(|etag| Revision(etag.to_owned()));
                Some(Surveyed { name, revision })
            });
            found.extend(objects);
            let folders = page.common_prefixes().iter().filter_map(|folder| {
                let name = folder.prefix()?.strip_prefix(&prefix)?.strip_suffix('/')?.to_owned();
                Some(Surveyed { name, revision: None })
            });
            found.extend(folders);
            token = page.next_continuation_token().map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    fn place(&self, key: &str) -> String {
        format!("s3://{}/{}", self.bucket, self.key(key))
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// `None` if it is larger than a document may be.
    async fn body(&self, key: &str, mut object: GetObjectOutput) -> Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        while let Some(chunk) = object.body.next().await {
            bytes.extend_from_slice(&chunk.with_context(|| format!("reading `{}` was cut off", self.place(key)))?);
            if bytes.len() as u64 > MAX_DOCUMENT_BYTES {
                return Ok(None);
            }
        }
        Ok(Some(bytes))
    }
}

impl Backend for Bucket {
    fn read<'a>(&'a self, key: &'a str, known: Option<&'a Revision>) -> BoxFuture<'a, Result<Read>> {
        self.read_object(key, known).boxed()
    }

    fn write<'a>(
        &'a self,
        key: &'a str,
        bytes: Vec<u8>,
        condition: Condition<'a>,
    ) -> BoxFuture<'a, Result<Revision, WriteError>> {
        self.put(key, bytes, condition).boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>> {
        async move {
            let request = self.client.delete_object().bucket(&self.bucket).key(self.key(key));
            match request.send().await {
                Err(error) if status(&error) != Some(404) => {
                    Err(named(error)).with_context(|| format!("cannot delete `{}`", self.place(key)))
                }
                _ => Ok(()),
            }
        }
        .boxed()
    }

    fn list<'a>(&'a self, folder: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<String>>> {
        let names = |found: Vec<Surveyed>| found.into_iter().map(|surveyed| surveyed.name).collect();
        self.surveyed(folder, limit).map_ok(names).boxed()
    }

    fn survey<'a>(&'a self, folder: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<Surveyed>>> {
        self.surveyed(folder, limit).boxed()
    }

    fn locate(&self, key: &str) -> String {
        self.place(key)
    }
}

/// 412: not the expected revision. 409: another conditional write is under way. 404: nothing is there to be replaced.
fn is_conflict<E: ProvideErrorMetadata>(error: &SdkError<E>, condition: Condition<'_>) -> bool {
    match (status(error), condition) {
        (_, Condition::None) => false,
        (Some(404), Condition::Is(_)) => error.code() == Some("NoSuchKey"),
        (status, _) => matches!(status, Some(409 | 412)),
    }
}

fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// The SDK's own `Display` says only "service error".
fn named<E: std::error::Error + Send + Sync + 'static>(error: SdkError<E>) -> anyhow::Error {
    anyhow::anyhow!("{}", aws_sdk_s3::error::DisplayErrorContext(error))
}
