//! What this agent remembers across restarts: a cache, written so that it is always whole.

use anyhow::{Context as _, Result, bail};
use contract::{Desired, Envelope, Failure, Generation, ImageRef, Refusal, RolloutId, TaskResult};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

const NAME: &str = "state.json";
const NEW: &str = "state.json.new";
const VERSION: u32 = 1;
const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// As many as a report holds.
const MAX_TASKS: usize = 8;
const MAX_LAPSED: usize = 16;
const MAX_PULLED: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    pub version: u32,
    /// The highest generation ever accepted; `None` until that is known.
    pub highest: Option<Generation>,
    pub accepted: Option<Accepted>,
    /// The document whose table the router last confirmed.
    pub in_force: Option<Desired>,
    pub failure: Option<Failure>,
    /// The document that was refused last, as long as none was accepted since.
    #[serde(default)]
    pub refused: Option<Refusal>,
    pub lapsed: Vec<RolloutId>,
    /// Latest last.
    pub tasks: Vec<TaskResult>,
    /// Images pulled by this agent, latest last.
    pub pulled: Vec<ImageRef>,
}

/// A document as it came, and when: a lease counts from then, also for an agent that was restarted since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    pub envelope: Envelope,
    pub at: Timestamp,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            version: VERSION,
            highest: None,
            accepted: None,
            in_force: None,
            failure: None,
            refused: None,
            lapsed: Vec::new(),
            tasks: Vec::new(),
            pulled: Vec::new(),
        }
    }
}

impl Memory {
    pub fn note_task(&mut self, result: TaskResult) {
        self.tasks.retain(|known| known.id != result.id);
        self.tasks.push(result);
        let surplus = self.tasks.len().saturating_sub(MAX_TASKS);
        self.tasks.drain(..surplus);
    }

    pub fn note_lapse(&mut self, rollout: RolloutId) {
        self.lapsed.retain(|known| *known != rollout);
        self.lapsed.push(rollout);
        let surplus = self.lapsed.len().saturating_sub(MAX_LAPSED);
        self.lapsed.drain(..surplus);
    }

    pub fn note_pulled(&mut self, image: ImageRef) {
        self.pulled.retain(|known| *known != image);
        self.pulled.push(image);
        let surplus = self.pulled.len().saturating_sub(MAX_PULLED);
        self.pulled.drain(..surplus);
    }

    /// The accepted document. What is stored here was verified when it came.
    pub fn desired(&self) -> Option<Desired> {
        serde_json::from_str(&self.accepted.as_ref()?.envelope.document).ok()
    }
}

/// The file that holds it.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    memory: Memory,
}

impl State {
    /// A file that cannot be used is set aside and reported: all it holds can be found again.
    pub fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create the folder `{}`", folder.display()))?;
        let path = folder.join(NAME);
        let memory = match load(&path) {
            Ok(memory) => memory.unwrap_or_default(),
            Err(error) => {
                let aside = folder.join("state.json.unusable");
                tracing::error!(
                    "{error:#}; it is kept as `{}`, and what it held is taken from the router, the channel and \
                     container labels",
                    aside.display()
                );
                fs::rename(&path, &aside).with_context(|| format!("cannot set `{}` aside", path.display()))?;
                Memory::default()
            }
        };
        Ok(Self { path, memory })
    }

    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// On disk first, then in memory: what could not be written did not happen.
    pub fn change(&mut self, change: impl FnOnce(&mut Memory)) -> Result<()> {
        let mut next = self.memory.clone();
        change(&mut next);
        if next != self.memory {
            save(&self.path, &next)?;
            self.memory = next;
        }
        Ok(())
    }

    /// For what is true whether or not it can be written down.
    pub fn change_anyway(&mut self, change: impl FnOnce(&mut Memory)) {
        let mut next = self.memory.clone();
        change(&mut next);
        if next != self.memory {
            if let Err(error) = save(&self.path, &next) {
                tracing::error!("{error:#}; going on without, which an agent started now would not know");
            }
            self.memory = next;
        }
    }
}

/// Looks without touching anything.
pub fn read(folder: &Path) -> Result<Option<Memory>> {
    load(&folder.join(NAME))
}

fn load(path: &Path) -> Result<Option<Memory>> {
    let name = path.display();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("the state file `{name}` cannot be opened")),
    };
    let mut bytes = Vec::new();
    let read = file.take(MAX_BYTES).read_to_end(&mut bytes);
    read.with_context(|| format!("the state file `{name}` cannot be read"))?;
    let memory: Memory =
        serde_json::from_slice(&bytes).with_context(|| format!("the state file `{name}` is torn or no state file"))?;
    if memory.version != VERSION {
        bail!(
            "the state file `{name}` has version {}; this agent reads {VERSION}",
            memory.version
        );
    }
    Ok(Some(memory))
}

fn save(path: &Path, memory: &Memory) -> Result<()> {
    let write = || -> Result<()> {
        let folder = path.parent().context("it lies in no folder")?;
        // One name, so that an agent killed here leaves one file, and what is said of a disk that stays full stays the same.
        let temporary = folder.join(NEW);
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&temporary)?;
        file.write_all(&serde_json::to_vec(memory)?)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(folder)?.sync_all()?;
        Ok(())
    };
    write().with_context(|| format!("cannot write the state file `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_was_noted_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut state = State::open(dir.path()).unwrap();
        state.change(|memory| memory.highest = Some(Generation(7))).unwrap();
        assert_eq!(State::open(dir.path()).unwrap().memory().highest, Some(Generation(7)));
        let mode = fs::metadata(dir.path().join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "documents may say more than everybody has to know");
    }

    #[test]
    fn a_file_that_cannot_be_used_is_set_aside_and_never_fatal() {
        for garbage in [
            &b""[..],
            b"{\"version\":1,\"high",
            b"\0\xff\0",
            b"{\"version\":99}",
            b"[]",
        ] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("state.json"), garbage).unwrap();
            assert_eq!(State::open(dir.path()).unwrap().memory(), &Memory::default());
            assert_eq!(fs::read(dir.path().join("state.json.unusable")).unwrap(), garbage);
        }
    }

    #[test]
    fn what_could_not_be_written_did_not_happen() {
        let dir = tempfile::tempdir().unwrap();
        let mut state = State::open(&dir.path().join("gone")).unwrap();
        fs::remove_dir_all(dir.path().join("gone")).unwrap();
        let error = state.change(|memory| memory.highest = Some(Generation(7))).unwrap_err();
        assert!(error.to_string().contains("state.json"), "{error}");
        assert_eq!(state.memory().highest, None);
    }
}
