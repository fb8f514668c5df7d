//! Content by digest: the one place where bytes of images live.

use crate::disk;
use contract::Digest;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

#[derive(Clone)]
pub struct Blobs {
    dir: PathBuf,
    scratch: PathBuf,
}

impl Blobs {
    pub fn open(root: &Path, scratch: &Path) -> io::Result<Self> {
        let blobs = Self {
            dir: root.join("blobs/sha256"),
            scratch: scratch.to_owned(),
        };
        // All 256 folders at once, so that no later write has to create and sync one.
        for prefix in 0..=255u8 {
            std::fs::create_dir_all(blobs.dir.join(format!("{prefix:02x}")))?;
        }
        Ok(blobs)
    }

    pub fn path(&self, digest: Digest) -> PathBuf {
        let hex = digest.hex();
        self.dir.join(&hex[..2]).join(hex)
    }

    pub fn has(&self, digest: Digest) -> bool {
        self.path(digest).is_file()
    }

    /// `None` where there is no such blob.
    pub async fn read(&self, digest: Digest) -> io::Result<Option<(tokio::fs::File, u64)>> {
        let file = match tokio::fs::File::open(self.path(digest)).await {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let size = file.metadata().await?.len();
        Ok(Some((file, size)))
    }

    /// Small content, such as a manifest.
    pub fn put(&self, bytes: &[u8]) -> io::Result<Digest> {
        let digest = Digest::of(bytes);
        disk::write_atomically(&self.scratch, &self.path(digest), bytes)?;
        Ok(digest)
    }

    /// Takes over a synced file whose content was found to have this digest.
    pub fn adopt(&self, file: &Path, digest: Digest) -> io::Result<()> {
        let path = self.path(digest);
        std::fs::rename(file, &path)?;
        disk::sync_parent(&path)
    }

    /// Every blob with the time it was written.
    pub fn all(&self) -> io::Result<Vec<(Digest, SystemTime)>> {
        let mut found = Vec::new();
        for folder in std::fs::read_dir(&self.dir)? {
            for file in std::fs::read_dir(folder?.path())? {
                let file = file?;
                // Not ours if it is not named by a digest: then it is left alone.
                let name = file.file_name();
                let Ok(digest) = Digest::parse(&format!("sha256:{}", name.to_string_lossy())) else {
                    continue;
                };
                found.push((digest, file.metadata()?.modified()?));
            }
        }
        Ok(found)
    }

    pub fn remove(&self, digest: Digest) -> io::Result<bool> {
        disk::remove_if_there(&self.path(digest))
    }
}
