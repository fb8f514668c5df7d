//! Named documents with revisions, over one of two backends.

use crate::bucket::Bucket;
use crate::directory::Directory;
use anyhow::Result;
use std::fmt;

/// Far above any real document, and small enough that a mistake cannot fill a host's memory.
pub const MAX_DOCUMENT_BYTES: u64 = 1024 * 1024;

/// One state of one document. Opaque: an ETag on S3, a content digest in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision(pub(crate) String);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

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

#[derive(Debug)]
pub enum WriteError {
    Conflict,
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for WriteError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

pub fn oversized(place: &str) -> String {
    format!("`{place}` is larger than {MAX_DOCUMENT_BYTES} bytes, the most a document may be")
}

#[derive(Debug, Clone)]
pub enum Store {
    Directory(Directory),
    Bucket(Bucket),
}

impl Store {
    pub async fn read(&self, key: &str, known: Option<&Revision>) -> Result<Read> {
        match self {
            Self::Directory(directory) => directory.read(key, known).await,
            Self::Bucket(bucket) => bucket.read(key, known).await,
        }
    }

    pub async fn write(&self, key: &str, bytes: Vec<u8>, condition: Condition<'_>) -> Result<Revision, WriteError> {
        if bytes.len() as u64 > MAX_DOCUMENT_BYTES {
            return Err(anyhow::anyhow!(oversized(&self.locate(key))).into());
        }
        match self {
            Self::Directory(directory) => directory.write(key, bytes, condition).await,
            Self::Bucket(bucket) => bucket.write(key, bytes, condition).await,
        }
    }

    /// The names directly under `folder` (which ends in `/`), at most `limit` of them.
    pub async fn list(&self, folder: &str, limit: usize) -> Result<Vec<String>> {
        match self {
            Self::Directory(directory) => directory.list(folder, limit).await,
            Self::Bucket(bucket) => bucket.list(folder, limit).await,
        }
    }

    /// Where a document is, for people.
    pub fn locate(&self, key: &str) -> String {
        match self {
            Self::Directory(directory) => directory.locate(key),
            Self::Bucket(bucket) => bucket.locate(key),
        }
    }
}
