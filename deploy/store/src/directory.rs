//! Documents as files, for hosts and controller on one machine.

use crate::{Backend, Condition, MAX_DOCUMENT_BYTES, Read, Revision, WriteError, oversized};
use anyhow::{Context as _, Result, anyhow};
use contract::Digest;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Two writers hold the lock for milliseconds each; longer means that one of them hangs.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// Begins with a dot, so that what a killed writer leaves is never listed.
const TEMPORARY: &str = ".writing-";
const LOCK_RETRY: Duration = Duration::from_millis(5);

#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn lock(&self) -> PathBuf {
        self.root.join(".lock")
    }
}

impl Backend for Directory {
    fn read<'a>(&'a self, key: &'a str, known: Option<&'a Revision>) -> BoxFuture<'a, Result<Read>> {
        let (path, known) = (self.root.join(key), known.cloned());
        blocking(move || read(&path, known.as_ref())).boxed()
    }

    fn write<'a>(
        &'a self,
        key: &'a str,
        bytes: Vec<u8>,
        condition: Condition<'a>,
    ) -> BoxFuture<'a, Result<Revision, WriteError>> {
        let (path, lock) = (self.root.join(key), self.lock());
        let swap = move |expected: Expected| swap(&path, &lock, &expected, |path| replace(path, &bytes));
        conditionally(condition, swap).boxed()
    }

    fn append<'a>(
        &'a self,
        key: &'a str,
        kept: &'a [u8],
        more: &'a [u8],
        condition: Condition<'a>,
    ) -> BoxFuture<'a, Result<Revision, WriteError>> {
        let (path, lock) = (self.root.join(key), self.lock());
        let (kept, more) = (kept.to_vec(), more.to_vec());
        let swap = move |expected: Expected| swap(&path, &lock, &expected, |path| lengthen(path, &kept, &more));
        conditionally(condition, swap).boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>> {
        let path = self.root.join(key);
        blocking(move || delete(&path)).boxed()
    }

    fn list<'a>(&'a self, folder: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<String>>> {
        let path = self.root.join(folder);
        blocking(move || list(&path, limit)).boxed()
    }

    fn locate(&self, key: &str) -> String {
        self.root.join(key).display().to_string()
    }
}

/// A condition that can wait on another thread.
enum Expected {
    Anything,
    Absent,
    Is(Revision),
}

async fn conditionally(
    condition: Condition<'_>,
    swap: impl FnOnce(Expected) -> Result<Option<Revision>> + Send + 'static,
) -> Result<Revision, WriteError> {
    let expected = match condition {
        Condition::None => Expected::Anything,
        Condition::Absent => Expected::Absent,
        Condition::Is(revision) => Expected::Is(revision.clone()),
    };
    blocking(move || swap(expected)).await?.ok_or(WriteError::Conflict)
}

/// Files block, and an fsync may take long: none of it on the threads that serve probes and timers.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .context("a file operation was cut off")?
}

fn read(path: &Path, known: Option<&Revision>) -> Result<Read> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Read::Absent),
        Err(error) => return Err(error).with_context(|| format!("cannot open `{}`", path.display())),
    };
    let mut bytes = Vec::new();
    let read = file.take(MAX_DOCUMENT_BYTES + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read `{}`", path.display()))?;
    if bytes.len() as u64 > MAX_DOCUMENT_BYTES {
        return Ok(Read::Oversized);
    }
    let revision = revision(&bytes);
    Ok(if known == Some(&revision) {
        Read::Unchanged
    } else {
        Read::Found(bytes, revision)
    })
}

/// Of the content, not of the file's times: those are too coarse to tell two quick writes apart.
fn revision(bytes: &[u8]) -> Revision {
    Revision(Digest::of(bytes).to_string())
}

/// Changes the document if it is the expected one; `None` if it is not. The lock is the kernel's, so that a writer that was
/// killed leaves none behind.
fn swap(
    path: &Path,
    lock: &Path,
    expected: &Expected,
    change: impl FnOnce(&Path) -> Result<Revision>,
) -> Result<Option<Revision>> {
    let expected = match expected {
        Expected::Anything => return change(path).map(Some),
        Expected::Absent => None,
        Expected::Is(revision) => Some(revision),
    };
    let _lock = hold(lock)?;
    let found = match read(path, None)? {
        Read::Found(_, revision) => Some(revision),
        Read::Absent | Read::Unchanged => None,
        // What cannot be read must not be overwritten unseen.
        Read::Oversized => return Err(anyhow!(oversized(&path.display().to_string()))),
    };
    if found.as_ref() != expected {
        return Ok(None);
    }
    change(path).map(Some)
}

/// What is kept is never written again; whatever lies behind it, such as half a line that a crash left, is cut off.
fn lengthen(path: &Path, kept: &[u8], more: &[u8]) -> Result<Revision> {
    let folder = make_parent(path)?;
    let is_new = !path.exists();
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        file.set_len(kept.len() as u64)?;
        file.seek(SeekFrom::End(0))?;
        file.write_all(more)?;
        file.sync_data()?;
        if is_new { File::open(folder)?.sync_all() } else { Ok(()) }
    };
    write().with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(revision(&[kept, more].concat()))
}

fn hold(path: &Path) -> Result<File> {
    make_parent(path)?;
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    let file = opened.with_context(|| format!("cannot open the lock file `{}`", path.display()))?;
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(LOCK_RETRY),
            Err(TryLockError::WouldBlock) => {
                let seconds = LOCK_PATIENCE.as_secs();
                return Err(anyhow!(
                    "another writer has held `{}` for {seconds} s; `fuser -v` on it names the process",
                    path.display()
                ));
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock `{}`", path.display()));
            }
        }
    }
}

/// Temporary file, fsync, rename, fsync of the folder: whoever reads, also after power loss, finds the old document or
/// the new one.
fn replace(path: &Path, bytes: &[u8]) -> Result<Revision> {
    let folder = make_parent(path)?;
    let write = || -> std::io::Result<()> {
        let mut temporary = tempfile::Builder::new()
            .prefix(TEMPORARY)
            // Readable by whoever may enter the folder: these documents hold no secrets, and hosts may be other users.
            .permissions(fs::Permissions::from_mode(0o644))
            .tempfile_in(folder)?;
        temporary.write_all(bytes)?;
        temporary.as_file().sync_all()?;
        temporary.persist(path)?;
        File::open(folder)?.sync_all()
    };
    write().with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(revision(bytes))
}

/// With the folder it was the last one in: a bucket has no empty folders either.
fn delete(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot delete `{}`", path.display()));
        }
        _ => {}
    }
    if let Some(folder) = path.parent() {
        // Refused where there is anything left in it.
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

fn make_parent(path: &Path) -> Result<&Path> {
    let folder = path
        .parent()
        .with_context(|| format!("`{}` lies in no folder", path.display()))?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create the folder `{}`", folder.display()))?;
    Ok(folder)
}

fn list(folder: &Path, limit: usize) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot list `{}`", folder.display())),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list `{}`", folder.display()))?;
        let document = entry
            .file_name()
            .into_string()
            .ok()
            .filter(|name| !name.starts_with('.'));
        names.extend(document);
        if names.len() == limit {
            break;
        }
    }
    Ok(names)
}
