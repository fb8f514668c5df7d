//! Named documents with revisions: in a directory, under a prefix of an S3 bucket, or in memory.
//!
//! A reader finds one whole document or none. A writer says which revision it replaces, and is refused if that is no longer
//! the one there, so that of several only one gets its way. What is written is durable when the call returns.

mod bucket;
mod directory;
mod memory;
mod probe;
mod s3;

pub use aws::Keys;
pub use memory::Memory;
pub use probe::Unfit;
pub use s3::S3Access;

use anyhow::{Context as _, Result, anyhow};
use bucket::Bucket;
use contract::ChannelPlace;
use directory::Directory;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Far above any real document, and small enough that a mistake cannot fill a machine's memory.
pub const MAX_DOCUMENT_BYTES: u64 = 1024 * 1024;

/// One state of one document. Opaque: an ETag on S3, a content digest in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision(String);

/// What must be true of the document that a write replaces.
#[derive(Debug, Clone, Copy)]
pub enum Condition<'a> {
    None,
    Absent,
    Is(&'a Revision),
}

#[derive(Debug)]
pub enum Read {
    Unchanged,
    Absent,
    /// Larger than any document may be; nothing that this crate wrote.
    Oversized,
    Found(Vec<u8>, Revision),
}

/// What lies in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surveyed {
    pub name: String,
    /// `None` where only a read tells.
    pub revision: Option<Revision>,
}

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("it is no longer the revision that this change was made for")]
    Conflict,
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// A place that holds documents.
pub trait Backend: fmt::Debug + Send + Sync {
    fn read<'a>(&'a self, key: &'a str, known: Option<&'a Revision>) -> BoxFuture<'a, Result<Read>>;

    fn write<'a>(
        &'a self,
        key: &'a str,
        bytes: Vec<u8>,
        condition: Condition<'a>,
    ) -> BoxFuture<'a, Result<Revision, WriteError>>;

    /// Makes the document `kept` and `more`, where `kept` is what it begins with. Cheaper than writing where it can be, and
    /// never a moment without `kept`: cut off in the middle, it may leave a part of `more`.
    fn append<'a>(
        &'a self,
        key: &'a str,
        kept: &'a [u8],
        more: &'a [u8],
        condition: Condition<'a>,
    ) -> BoxFuture<'a, Result<Revision, WriteError>> {
        self.write(key, [kept, more].concat(), condition)
    }

    /// Fine if there is none.
    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>>;

    /// What lies directly under `folder` (which ends in `/`), documents and folders, in no order.
    fn list<'a>(&'a self, folder: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<String>>>;

    /// The same, each document with its revision where the place can say it without reading the document.
    fn survey<'a>(&'a self, folder: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<Surveyed>>> {
        async move {
            let names = self.list(folder, limit).await?;
            let unknown = |name| Surveyed { name, revision: None };
            Ok(names.into_iter().map(unknown).collect())
        }
        .boxed()
    }

    /// Where a document is, for people.
    fn locate(&self, key: &str) -> String;
}

#[derive(Debug, Clone)]
pub struct Store(Arc<dyn Backend>);

impl Store {
    pub fn new(backend: impl Backend + 'static) -> Self {
        Self(Arc::new(backend))
    }

    pub fn directory(root: PathBuf) -> Self {
        Self::new(Directory::new(root))
    }

    /// `prefix` may be empty.
    pub fn s3(access: &S3Access, bucket: String, prefix: &str) -> Self {
        let prefix = match prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        Self::new(Bucket::new(access.client(), bucket, prefix))
    }

    /// The store at a configured place, under `folder` there. Keys for S3 are those of this process, container or instance.
    pub fn open(place: &ChannelPlace, folder: &str) -> Result<Self> {
        match place {
            ChannelPlace::Directory(root) => Ok(Self::directory(root.join(folder))),
            ChannelPlace::S3 {
                bucket,
                prefix,
                region,
                endpoint,
            } => {
                let access = S3Access::from_env(region.clone(), endpoint.clone());
                let access = access.with_context(|| format!("bucket `{bucket}` cannot be reached"))?;
                let prefix = format!("{}/{folder}", prefix.trim_matches('/'));
                Ok(Self::s3(&access, bucket.clone(), &prefix))
            }
        }
    }

    pub async fn read(&self, key: &str, known: Option<&Revision>) -> Result<Read> {
        self.0.read(key, known).await
    }

    /// The whole document, or none; an oversized one is an error.
    pub async fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Revision)>> {
        match self.0.read(key, None).await? {
            Read::Found(bytes, revision) => Ok(Some((bytes, revision))),
            Read::Absent | Read::Unchanged => Ok(None),
            Read::Oversized => Err(anyhow!(oversized(&self.locate(key)))),
        }
    }

    pub async fn write(&self, key: &str, bytes: Vec<u8>, condition: Condition<'_>) -> Result<Revision, WriteError> {
        self.expect_size(key, bytes.len())?;
        self.0.write(key, bytes, condition).await
    }

    pub async fn append(
        &self,
        key: &str,
        kept: &[u8],
        more: &[u8],
        condition: Condition<'_>,
    ) -> Result<Revision, WriteError> {
        self.expect_size(key, kept.len() + more.len())?;
        self.0.append(key, kept, more, condition).await
    }

    /// Fine if there is no such document.
    pub async fn delete(&self, key: &str) -> Result<()> {
        self.0.delete(key).await
    }

    /// What lies directly under `folder` (which ends in `/`), documents and folders, at most `limit` of them.
    pub async fn list(&self, folder: &str, limit: usize) -> Result<Vec<String>> {
        self.0.list(folder, limit).await
    }

    /// The same, each document with its revision where the place can say it without reading the document.
    pub async fn survey(&self, folder: &str, limit: usize) -> Result<Vec<Surveyed>> {
        self.0.survey(folder, limit).await
    }

    pub fn locate(&self, key: &str) -> String {
        self.0.locate(key)
    }

    fn expect_size(&self, key: &str, bytes: usize) -> Result<()> {
        if bytes as u64 > MAX_DOCUMENT_BYTES {
            return Err(anyhow!(oversized(&self.locate(key))));
        }
        Ok(())
    }
}

pub fn oversized(place: &str) -> String {
    format!("`{place}` is larger than {MAX_DOCUMENT_BYTES} bytes, the most a document may be")
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
