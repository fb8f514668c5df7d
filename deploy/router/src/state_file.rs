//! The router's one durable file. Written whole, synced and renamed, so that it holds one state or the next, never half.
//!
//! A lock beside it is held for as long as a router may write: a new router waits for the old one to give it up, so that
//! it starts from the last state that was acknowledged.

use crate::clock::unix_seconds;
use crate::limits::{HANDOVER, STATE_FILE_BYTES};
use crate::state::{State, flaw};
use anyhow::{Context, Result, bail};
use contract::CONTRACT_VERSION;
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    /// Unlocks when dropped, also by kill -9.
    _lock: File,
}

/// What the last router left.
#[derive(Debug, PartialEq, Eq)]
pub enum Loaded {
    /// There was none.
    Nothing,
    State(Box<State>),
    /// There was something, which cannot be understood.
    Lost,
}

impl StateFile {
    /// Takes the lock, waiting for a router that is on its way out.
    pub fn open(path: &Path) -> Result<Self> {
        let lock_path = beside(path, "lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            // On a disk that can only be read any more it is there, from the router before.
            .or_else(|error| File::open(&lock_path).map_err(|_| error));
        let lock = lock.with_context(|| format!("cannot open `{}`", lock_path.display()))?;
        let deadline = Instant::now() + HANDOVER;
        loop {
            match lock.try_lock() {
                Ok(()) => {
                    return Ok(Self {
                        path: path.to_owned(),
                        _lock: lock,
                    });
                }
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(TryLockError::WouldBlock) => bail!(
                    "another router has held `{}` for {} s\nhint: find it with `fuser {}` and stop it",
                    lock_path.display(),
                    HANDOVER.as_secs(),
                    lock_path.display()
                ),
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock `{}`", lock_path.display()));
                }
            }
        }
    }

    /// The last state, or that there is none. A file that cannot be understood is named in the log and kept under another
    /// name: the agent will bring a table, and a person can look at what happened.
    pub fn load(&self) -> Result<Loaded> {
        let why = match read(&self.path) {
            Ok(Some(state)) => return Ok(Loaded::State(Box::new(state))),
            Ok(None) => return Ok(Loaded::Nothing),
            Err(why) => why,
        };
        let aside = beside(&self.path, &format!("unreadable-{}", unix_seconds()));
        std::fs::rename(&self.path, &aside).with_context(|| {
            format!(
                "state `{}` is unreadable ({why:#}) and cannot be moved aside",
                self.path.display()
            )
        })?;
        tracing::error!(
            file = %self.path.display(), moved_to = %aside.display(), why = format!("{why:#}"),
            "the router's state is unreadable; starting without a table until the agent sends one"
        );
        Ok(Loaded::Lost)
    }

    pub fn save(&self, state: &State) -> Result<()> {
        let temporary = beside(&self.path, "new");
        let write = || -> Result<()> {
            let mut file = File::create(&temporary)?;
            serde_json::to_writer_pretty(&mut file, state)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            std::fs::rename(&temporary, &self.path)?;
            // The new name is on disk only once its folder is.
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            Ok(File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?)
        };
        write().with_context(|| format!("cannot write `{}`", self.path.display()))
    }
}

fn read(path: &Path) -> Result<Option<State>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut text = String::new();
    file.take(STATE_FILE_BYTES).read_to_string(&mut text)?;
    let state: State = serde_json::from_str(&text)?;
    if state.contract > CONTRACT_VERSION {
        bail!(
            "it has contract version {}; this router reads up to {CONTRACT_VERSION}",
            state.contract
        );
    }
    if state.epoch == u64::MAX {
        bail!(
            "its epoch is {}, after which there is none for this router",
            state.epoch
        );
    }
    match flaw(&state.table) {
        Some(flaw) => bail!("{flaw}"),
        None => Ok(Some(state)),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;

    fn some_state() -> State {
        let now = Moment {
            boot: "this".into(),
            ms: 5,
        };
        State {
            deadline: Some(now.clone()),
            ..State::resume(None, 42, &now)
        }
    }

    #[test]
    fn what_was_saved_is_loaded_and_no_other_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let file = StateFile::open(&dir.path().join("router.json")).unwrap();
        assert_eq!(file.load().unwrap(), Loaded::Nothing);
        file.save(&some_state()).unwrap();
        assert_eq!(file.load().unwrap(), Loaded::State(Box::new(some_state())));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "state and lock");
    }

    #[test]
    fn a_file_cut_off_at_any_byte_is_moved_aside_not_believed_and_not_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("router.json");
        let file = StateFile::open(&path).unwrap();
        file.save(&some_state()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in (0..whole.len() - 2).step_by(7) {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(file.load().unwrap(), Loaded::Lost, "cut at {length}");
            assert!(!path.exists());
        }
        let kept = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.unwrap().file_name().to_string_lossy().contains("unreadable-")
        };
        assert!(std::fs::read_dir(dir.path()).unwrap().any(kept));
    }

    #[test]
    fn a_state_of_a_newer_contract_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let file = StateFile::open(&dir.path().join("router.json")).unwrap();
        file.save(&State {
            contract: CONTRACT_VERSION + 1,
            ..some_state()
        })
        .unwrap();
        assert_eq!(file.load().unwrap(), Loaded::Lost);
    }
}
