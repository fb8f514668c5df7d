//! The objects of all buckets: files, and the index over them.

use super::condition::WriteCondition;
use super::record::Record;
use crate::disk;
use anyhow::{Result, bail};
use s3s::{S3Error, S3Result, s3_error};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Cheap to clone.
#[derive(Clone)]
pub struct Store {
    root: Arc<Path>,
    index: Arc<RwLock<BTreeMap<String, Objects>>>,
}

pub type Objects = BTreeMap<String, Arc<Record>>;

impl Store {
    pub fn open(root: &Path) -> io::Result<Self> {
        let store = Self {
            root: Arc::from(root),
            index: Arc::default(),
        };
        disk::emptied_dir(&store.scratch())?;
        std::fs::create_dir_all(store.uploads())?;
        for entry in std::fs::read_dir(root)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() && s3s::path::check_bucket_name(&name) {
                let objects = read_objects(&entry.path().join("objects"))?;
                store.write().insert(name, objects);
            }
        }
        store.remove_abandoned_uploads()?;
        Ok(store)
    }

    pub fn ensure_bucket(&self, name: &str) -> Result<()> {
        if !s3s::path::check_bucket_name(name) {
            bail!("`{name}` is not a bucket name: expected 3 to 63 lower-case letters, digits, `-` and `.`");
        }
        if !self.read().contains_key(name) {
            self.create_bucket(name)?;
        }
        Ok(())
    }

    pub fn create_bucket(&self, name: &str) -> io::Result<()> {
        // All 256 folders at once, so that no later write has to create and sync one.
        for prefix in 0..=255u8 {
            std::fs::create_dir_all(self.root.join(name).join(format!("objects/{prefix:02x}")))?;
        }
        self.write().entry(name.to_owned()).or_default();
        Ok(())
    }

    pub fn delete_bucket(&self, name: &str) -> S3Result<()> {
        let mut index = self.write();
        match index.get(name) {
            None => Err(s3_error!(NoSuchBucket)),
            Some(objects) if !objects.is_empty() => Err(s3_error!(BucketNotEmpty)),
            Some(_) => {
                std::fs::remove_dir_all(self.root.join(name)).map_err(disk_error)?;
                index.remove(name);
                Ok(())
            }
        }
    }

    pub fn buckets(&self) -> Vec<String> {
        self.read().keys().cloned().collect()
    }

    pub fn has_bucket(&self, name: &str) -> bool {
        self.read().contains_key(name)
    }

    pub fn head(&self, bucket: &str, key: &str) -> S3Result<Arc<Record>> {
        let index = self.read();
        let objects = index.get(bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        objects.get(key).cloned().ok_or_else(|| s3_error!(NoSuchKey))
    }

    /// The record comes from the opened file, not the index: a write in between cannot mix two objects.
    pub fn open_object(&self, bucket: &str, key: &str) -> S3Result<(File, Record)> {
        self.head(bucket, key)?;
        let mut file = match File::open(self.path(bucket, key)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(s3_error!(NoSuchKey)),
            Err(error) => return Err(disk_error(error)),
        };
        let record = Record::read(&mut file).map_err(disk_error)?;
        Ok((file, record))
    }

    /// Puts a sealed file in place. Condition, rename and index change are one step to all others.
    pub fn commit(&self, bucket: &str, sealed: &Path, record: Record, condition: &WriteCondition) -> S3Result<()> {
        let path = self.path(bucket, &record.key);
        {
            let mut index = self.write();
            let objects = index.get_mut(bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
            condition.check(objects.get(&record.key).map(Arc::as_ref))?;
            std::fs::rename(sealed, &path).map_err(disk_error)?;
            objects.insert(record.key.clone(), Arc::new(record));
        }
        disk::sync_parent(&path).map_err(disk_error)
    }

    /// Deleting what is not there is no error, in S3 as here.
    pub fn delete(&self, bucket: &str, key: &str, condition: &WriteCondition) -> S3Result<()> {
        let path = self.path(bucket, key);
        {
            let mut index = self.write();
            let objects = index.get_mut(bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
            condition.check(objects.get(key).map(Arc::as_ref))?;
            if objects.remove(key).is_none() {
                return Ok(());
            }
            disk::remove_if_there(&path).map_err(disk_error)?;
        }
        disk::sync_parent(&path).map_err(disk_error)
    }

    /// Calls `visit` with each record from `start` on, in key order, until it says stop.
    pub fn scan(&self, bucket: &str, start: Bound<&str>, mut visit: impl FnMut(&Record) -> bool) -> S3Result<()> {
        let index = self.read();
        let objects = index.get(bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        let _ = objects
            .range::<str, _>((start, Bound::Unbounded))
            .try_for_each(|(_, record)| visit(record).then_some(()));
        Ok(())
    }

    pub fn scratch(&self) -> PathBuf {
        self.root.join(".scratch")
    }

    pub fn uploads(&self) -> PathBuf {
        self.root.join(".uploads")
    }

    /// Named by a hash: any key fits any file system, and none can lead elsewhere.
    fn path(&self, bucket: &str, key: &str) -> PathBuf {
        let hash = Sha256::digest(key.as_bytes());
        let name: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        self.root.join(bucket).join("objects").join(&name[..2]).join(&name)
    }

    // Nothing that holds the lock panics halfway through a change, so a poisoned one is still right.
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Objects>> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Objects>> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_objects(dir: &Path) -> io::Result<Objects> {
    let mut objects = Objects::new();
    for folder in std::fs::read_dir(dir)? {
        for file in std::fs::read_dir(folder?.path())? {
            let path = file?.path();
            match File::open(&path).and_then(|mut file| Record::read(&mut file)) {
                Ok(record) => {
                    objects.insert(record.key.clone(), Arc::new(record));
                }
                // One bad file must not take all others with it; to readers its object is missing.
                Err(error) => tracing::error!(path = %path.display(), %error, "object left out"),
            }
        }
    }
    Ok(objects)
}

pub fn disk_error(error: io::Error) -> S3Error {
    tracing::error!(%error, "the bucket store's disk failed");
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            s3_error!(error, InternalError, "the bucket store's disk is full; free some space")
        }
        _ => s3_error!(error, InternalError, "the bucket store's disk failed"),
    }
}

/// Runs blocking file work off the async threads.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> S3Result<T> + Send + 'static) -> S3Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(disk_error(io::Error::other(error))))
}
