//! Uploads under way: a file each, so that they outlive a restart, and the hash of what it holds.

use super::refusal::Refusal;
use contract::Digest;
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tokio::sync::OwnedMutexGuard;

const MAX_BLOB_BYTES: u64 = 16 << 30;
const MAX_UPLOADS: usize = 1_000;
/// An upload nobody has added to for so long is removed at start.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// A client that lost its connection comes back before the server has noticed; then it waits for the old request to end.
const BUSY_WAIT: Duration = Duration::from_secs(10);
const HASH_CHUNK_BYTES: usize = 1 << 20;

pub struct Uploads {
    dir: PathBuf,
    known: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Slot>>>>,
}

/// `None`: what is on disk counts, and is hashed on the next use. So it is after a restart and after any error.
type Slot = Option<Progress>;

struct Progress {
    bytes: u64,
    hasher: Sha256,
}

/// One request's hold on an upload.
pub struct Upload {
    path: PathBuf,
    slot: OwnedMutexGuard<Slot>,
}

impl Uploads {
    pub fn open(root: &Path) -> io::Result<Self> {
        let dir = root.join("uploads");
        std::fs::create_dir_all(&dir)?;
        let mut known = HashMap::new();
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            if is_abandoned(&entry.path()) {
                std::fs::remove_file(entry.path())?;
            } else {
                known.insert(entry.file_name().to_string_lossy().into_owned(), Arc::default());
            }
        }
        Ok(Self {
            dir,
            known: Mutex::new(known),
        })
    }

    pub async fn start(&self) -> Result<String, Refusal> {
        let id = format!("{:032x}", rand::random::<u128>());
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= MAX_UPLOADS {
                known.retain(|id, _| !is_abandoned(&self.dir.join(id)));
            }
            if known.len() >= MAX_UPLOADS {
                let message = format!("{MAX_UPLOADS} uploads are under way; finish or cancel some");
                return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", message));
            }
            known.insert(id.clone(), Arc::default());
        }
        tokio::fs::File::create_new(self.dir.join(&id)).await?;
        Ok(id)
    }

    /// Only ids that we gave out are known, so none can name another file.
    pub async fn hold(&self, id: &str) -> Result<Upload, Refusal> {
        let slot = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned();
        let slot = slot.ok_or_else(|| Refusal::upload_unknown(id))?;
        let busy = || {
            let message = format!("another request is still writing to upload `{id}`");
            Refusal::new(StatusCode::CONFLICT, "BLOB_UPLOAD_INVALID", message)
        };
        let slot = tokio::time::timeout(BUSY_WAIT, slot.lock_owned())
            .await
            .map_err(|_| busy())?;
        let path = self.dir.join(id);
        // Finished or cancelled while we waited.
        if !path.exists() {
            return Err(Refusal::upload_unknown(id));
        }
        Ok(Upload { path, slot })
    }

    /// To be called once the upload's file is gone, or to make it go.
    pub async fn forget(&self, id: &str, upload: Upload) -> Result<(), Refusal> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        crate::disk::blocking(move || crate::disk::remove_if_there(&upload.path)).await?;
        Ok(())
    }
}

impl Upload {
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub async fn bytes(&mut self) -> Result<u64, Refusal> {
        let progress = self.take_progress().await?;
        Ok(self.slot.insert(progress).bytes)
    }

    /// Writes and hashes the body as it comes, and says how many bytes came. A body that breaks off leaves what had
    /// come: the client asks for the status and goes on from there.
    pub async fn append(&mut self, mut body: Incoming) -> Result<u64, Refusal> {
        let mut progress = self.take_progress().await?;
        let start = progress.bytes;
        let mut file = tokio::fs::OpenOptions::new().write(true).open(&self.path).await?;
        file.seek(SeekFrom::Start(start)).await?;
        let mut broken_off = None;
        while let Some(frame) = body.frame().await {
            let data = match frame.map(|frame| frame.into_data()) {
                Ok(Ok(data)) => data,
                Ok(Err(_trailers)) => continue,
                Err(error) => {
                    broken_off = Some(error);
                    break;
                }
            };
            if progress.bytes + data.len() as u64 > MAX_BLOB_BYTES {
                let message = format!("a blob may have {MAX_BLOB_BYTES} bytes at most");
                return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", message));
            }
            file.write_all(&data).await?;
            progress.hasher.update(&data);
            progress.bytes += data.len() as u64;
        }
        file.flush().await?;
        let received = progress.bytes - start;
        *self.slot = Some(progress);
        match broken_off {
            None => Ok(received),
            Some(error) => {
                let message = format!("the request broke off after {received} bytes, which are kept: {error}");
                Err(Refusal::bad("BLOB_UPLOAD_INVALID", message))
            }
        }
    }

    /// Makes the file durable and says what it holds.
    pub async fn seal(&mut self) -> Result<Digest, Refusal> {
        let progress = self.take_progress().await?;
        tokio::fs::File::open(&self.path).await?.sync_all().await?;
        let digest = Digest::from_sha256(progress.hasher.clone().finalize().into());
        *self.slot = Some(progress);
        Ok(digest)
    }

    /// Leaves the slot empty, so that a failure on the way makes the next request read the disk again.
    async fn take_progress(&mut self) -> Result<Progress, Refusal> {
        match self.slot.take() {
            Some(progress) => Ok(progress),
            None => {
                let path = self.path.clone();
                Ok(crate::disk::blocking(move || hash_file(&path)).await?)
            }
        }
    }
}

fn is_abandoned(path: &Path) -> bool {
    let written = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    written.map_or(true, |written| written.elapsed().unwrap_or_default() > ABANDONED_AFTER)
}

fn hash_file(path: &Path) -> io::Result<Progress> {
    let mut file = std::fs::File::open(path)?;
    let mut progress = Progress {
        bytes: 0,
        hasher: Sha256::new(),
    };
    let mut chunk = vec![0; HASH_CHUNK_BYTES];
    loop {
        let length = io::Read::read(&mut file, &mut chunk)?;
        if length == 0 {
            return Ok(progress);
        }
        progress.hasher.update(&chunk[..length]);
        progress.bytes += length as u64;
    }
}
