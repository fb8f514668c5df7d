//! What a release did, line by line, as it did it.
//!
//! A line is the first sixteen digits of the SHA-256 of the entry, a space, and the entry as JSON. Every line is on disk
//! before what it announces is begun, and again before what it records is relied upon. A last line without its end is
//! what a crash leaves and is cut off; a broken line anywhere else is damage and is named.

use crate::failure::{Exit, Failure, OrFail, Result};
use crate::plan::StageName;
use contract::{Digest, EnvironmentName, ReleaseId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

pub const JOURNAL_VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub sequence: u64,
    pub at: Timestamp,
    #[serde(flatten)]
    pub event: Event,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    Begun {
        version: u32,
        release: ReleaseId,
        profile: String,
    },
    StageStarted {
        stage: StageName,
    },
    /// Something within a stage that a reader would want to know: a weight taken, a migration run.
    Step {
        stage: StageName,
        text: String,
    },
    StageFinished {
        stage: StageName,
        took_ms: u64,
        outcome: serde_json::Value,
    },
    StageFailed {
        stage: StageName,
        what: String,
        why: Vec<String>,
    },
    Parked {
        evidence: Digest,
    },
    Approved {
        by: String,
        via: String,
        evidence: Digest,
    },
    Rejected {
        by: String,
        reason: String,
    },
    RolledBack {
        environment: EnvironmentName,
        to: Option<ReleaseId>,
        because: String,
    },
    Finished,
}

#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    entries: Vec<Entry>,
}

impl Journal {
    /// Opens or begins the journal of one release.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = || format!("the journal `{}` cannot be opened", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).or_fail(failed)?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .or_fail(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).or_fail(failed)?;
        let (entries, sound) = parse(path, &bytes)?;
        // A torn tail goes, so that the next line starts on its own.
        file.set_len(sound as u64).or_fail(failed)?;
        file.seek(SeekFrom::End(0)).or_fail(failed)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            entries,
        })
    }

    /// Reads without opening for writing; `None` where there is none.
    pub fn read(path: &Path) -> Result<Option<Vec<Entry>>> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Some(parse(path, &bytes)?.0)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::failed(format!(
                "the journal `{}` cannot be read: {error}",
                path.display()
            ))),
        }
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// On disk when this returns.
    pub fn append(&mut self, event: Event) -> Result<()> {
        let entry = Entry {
            sequence: self.entries.len() as u64,
            at: Timestamp::now(),
            event,
        };
        let failed = || format!("the journal `{}` cannot be written", self.path.display());
        let json = serde_json::to_string(&entry).or_fail(failed)?;
        let line = format!("{} {json}\n", checksum(&json));
        self.file.write_all(line.as_bytes()).or_fail(failed)?;
        self.file.sync_data().or_fail(failed)?;
        self.entries.push(entry);
        Ok(())
    }

    /// What a finished stage found, if it finished.
    pub fn outcome(&self, stage: StageName) -> Option<&serde_json::Value> {
        outcome(&self.entries, stage)
    }
}

/// What a stage that finished, and was not begun again since, found.
pub fn outcome(entries: &[Entry], stage: StageName) -> Option<&serde_json::Value> {
    let last = entries.iter().rev().find_map(|entry| match &entry.event {
        Event::StageStarted { stage: other } | Event::StageFailed { stage: other, .. } if *other == stage => Some(None),
        Event::StageFinished {
            stage: other, outcome, ..
        } if *other == stage => Some(Some(outcome)),
        _ => None,
    });
    last.flatten()
}

fn checksum(json: &str) -> String {
    Digest::of(json.as_bytes()).hex()[..16].to_owned()
}

/// The entries, and how many bytes of the file they fill.
fn parse(path: &Path, bytes: &[u8]) -> Result<(Vec<Entry>, usize)> {
    let mut entries = Vec::new();
    let mut sound = 0;
    for (number, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        if line.last() != Some(&b'\n') {
            break;
        }
        let damaged = |why: &str| {
            Failure::new(
                Exit::Failed,
                format!("the journal `{}` is damaged at line {}", path.display(), number + 1),
            )
            .why(why.to_owned())
            .next("restore the file from a backup, or start a new release with `cargo xtask release`")
        };
        let text = std::str::from_utf8(line)
            .map_err(|_| damaged("expected text, found other bytes"))?
            .trim_end();
        let (sum, json) = text
            .split_once(' ')
            .ok_or_else(|| damaged("expected a checksum and an entry"))?;
        if sum != checksum(json) {
            return Err(damaged("the checksum does not fit the entry"));
        }
        let entry: Entry = serde_json::from_str(json).map_err(|error| damaged(&error.to_string()))?;
        if let Event::Begun { version, .. } = &entry.event
            && *version > JOURNAL_VERSION
        {
            return Err(damaged(&format!(
                "it was written by a newer version of this tool (journal version {version})"
            ))
            .next("update the tool, then run the command again"));
        }
        entries.push(entry);
        sound += line.len();
    }
    Ok((entries, sound))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal_with(events: usize) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path).unwrap();
        for number in 0..events {
            journal
                .append(Event::Step {
                    stage: StageName::Build,
                    text: format!("step {number}"),
                })
                .unwrap();
        }
        (folder, path)
    }

    #[test]
    fn every_entry_comes_back() {
        let (_folder, path) = journal_with(3);
        let texts: Vec<u64> = Journal::open(&path)
            .unwrap()
            .entries()
            .iter()
            .map(|entry| entry.sequence)
            .collect();
        assert_eq!(texts, [0, 1, 2]);
    }

    #[test]
    fn a_tail_torn_anywhere_costs_only_its_own_line() {
        let (_folder, path) = journal_with(3);
        let whole = std::fs::read(&path).unwrap();
        let two_lines = whole
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'\n')
            .nth(1)
            .unwrap()
            .0
            + 1;
        for length in two_lines..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let mut journal = Journal::open(&path).unwrap();
            assert_eq!(journal.entries().len(), 2, "cut at {length}");
            journal.append(Event::Finished).unwrap();
            assert_eq!(
                Journal::open(&path).unwrap().entries().len(),
                3,
                "cut at {length}, then written"
            );
        }
    }

    #[test]
    fn a_changed_byte_is_damage_and_is_named_by_line() {
        let (_folder, path) = journal_with(3);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 30;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(
            Journal::open(&path)
                .unwrap_err()
                .to_string()
                .contains("damaged at line 2")
        );
    }

    #[test]
    fn a_stage_begun_again_is_not_finished() {
        let entry = |event| Entry {
            sequence: 0,
            at: Timestamp::UNIX_EPOCH,
            event,
        };
        let stage = StageName::Build;
        let finished = Event::StageFinished {
            stage,
            took_ms: 1,
            outcome: serde_json::json!(7),
        };
        let mut entries = vec![entry(Event::StageStarted { stage }), entry(finished)];
        assert_eq!(outcome(&entries, stage), Some(&serde_json::json!(7)));
        entries.push(entry(Event::StageStarted { stage }));
        assert_eq!(outcome(&entries, stage), None);
    }
}
