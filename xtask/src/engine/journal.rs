//! What a release did, line by line, as it did it.
//!
//! A line is the first sixteen digits of the SHA-256 of the entry, a space, and the entry as JSON. Every line is kept for good
//! before what it announces is begun, and again before what it records is relied upon. A last line without its end is
//! what a crash leaves and is cut off; a broken or missing line anywhere else is damage and is named.

use super::Haste;
use super::records::{Records, journal_key};
use crate::clock;
use crate::failure::{Exit, Failure, OrFail, Result};
use crate::plan::StageName;
use crate::redact;
use crate::stages::approval::Evidence;
use contract::{Digest, EnvironmentName, ReleaseId};
use jiff::Timestamp;
use pipeline::Identity;
use serde::{Deserialize, Serialize};
use store::{Condition, Revision, Store, WriteError};

pub const JOURNAL_VERSION: u32 = 2;

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
        /// What people are told of it.
        #[serde(default)]
        summary: String,
        outcome: serde_json::Value,
    },
    StageFailed {
        stage: StageName,
        what: String,
        why: Vec<String>,
    },
    Parked {
        evidence: Digest,
        /// What an approver is shown; its digest is the one above.
        seen: Box<Evidence>,
    },
    Approved {
        by: Identity,
        via: String,
        evidence: Digest,
    },
    Rejected {
        by: Identity,
        reason: String,
    },
    RolledBack {
        environment: EnvironmentName,
        to: Option<ReleaseId>,
        because: String,
    },
    /// Somebody asked for less than pipeline.yaml does.
    Hastened(Haste),
    Finished,
}

/// Open for writing. Whoever else writes on it meanwhile is found out at the next entry.
#[derive(Debug)]
pub struct Journal {
    store: Store,
    key: String,
    /// The sound lines, as they are kept.
    kept: Vec<u8>,
    /// `None` before the first entry.
    revision: Option<Revision>,
    entries: Vec<Entry>,
}

impl Journal {
    /// Opens or begins the journal of one release.
    pub async fn open(records: &Records, release: ReleaseId) -> Result<Self> {
        let (store, key) = (records.store().clone(), journal_key(release));
        let mut journal = Self {
            store,
            key,
            kept: Vec::new(),
            revision: None,
            entries: Vec::new(),
        };
        if let Some((mut bytes, revision)) = fetch(&journal.store, &journal.key).await? {
            let (entries, sound) = parse(&journal.place(), &bytes)?;
            bytes.truncate(sound);
            journal.kept = bytes;
            journal.revision = Some(revision);
            journal.entries = entries;
        }
        Ok(journal)
    }

    /// What is written in it so far; nothing where there is none.
    pub async fn read(records: &Records, release: ReleaseId) -> Result<Vec<Entry>> {
        let (store, key) = (records.store(), journal_key(release));
        match fetch(store, &key).await? {
            Some((bytes, _)) => Ok(parse(&store.locate(&key), &bytes)?.0),
            None => Ok(Vec::new()),
        }
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Kept for good when this returns; known secrets are not.
    pub async fn append(&mut self, event: Event) -> Result<()> {
        let entry = Entry {
            sequence: self.entries.len() as u64,
            at: clock::now(),
            event,
        };
        let failed = || format!("the journal `{}` cannot be written", self.place());
        let json = redact::mask_json(serde_json::to_string(&entry).or_fail(failed)?);
        let line = format!("{} {json}\n", checksum(&json));
        let condition = self.revision.as_ref().map_or(Condition::Absent, Condition::Is);
        let appended = self
            .store
            .append(&self.key, &self.kept, line.as_bytes(), condition)
            .await;
        let revision = match appended {
            Ok(revision) => revision,
            Err(WriteError::Conflict) => self.landed_already(&line).await?,
            Err(WriteError::Failed(error)) => return Err(error).or_fail(failed),
        };
        self.kept.extend(line.bytes());
        self.revision = Some(revision);
        self.entries.push(entry);
        Ok(())
    }

    /// What a finished stage found, if it finished.
    pub fn outcome(&self, stage: StageName) -> Option<&serde_json::Value> {
        outcome(&self.entries, stage)
    }

    /// An entry whose answer was lost on the way is sent again and conflicts with itself; that is no conflict.
    async fn landed_already(&self, line: &str) -> Result<Revision> {
        match fetch(&self.store, &self.key).await? {
            Some((bytes, revision)) if bytes == [&self.kept, line.as_bytes()].concat() => Ok(revision),
            _ => Err(Failure::new(Exit::Locked, "another process carries this release on")
                .why(format!(
                    "the journal `{}` has entries that are not from here",
                    self.place()
                ))
                .world("what that process does is not undone")
                .next("cargo xtask status")),
        }
    }

    fn place(&self) -> String {
        self.store.locate(&self.key)
    }
}

async fn fetch(store: &Store, key: &str) -> Result<Option<(Vec<u8>, Revision)>> {
    let found = store.get(key).await;
    found.or_fail(|| format!("the journal `{}` cannot be read", store.locate(key)))
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

/// The entries, and how many bytes they fill.
fn parse(place: &str, bytes: &[u8]) -> Result<(Vec<Entry>, usize)> {
    let mut entries = Vec::new();
    let mut sound = 0;
    for (number, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        if line.last() != Some(&b'\n') {
            break;
        }
        let damaged = |why: &str| {
            Failure::failed(format!("the journal `{place}` is damaged at line {}", number + 1))
                .why(why.to_owned())
                .next("restore it from a backup, or start a new release with `cargo xtask release`")
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
        if entry.sequence != number as u64 {
            return Err(damaged(&format!("expected entry {number}, found {}", entry.sequence)));
        }
        if let Event::Begun { version, .. } = &entry.event
            && *version > JOURNAL_VERSION
        {
            let what = format!("the journal `{place}` was written by a newer version of this tool");
            return Err(Failure::failed(what)
                .why(format!(
                    "it has version {version}; this tool reads up to {JOURNAL_VERSION}"
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
    use crate::engine::places::places;

    /// A journal with so many entries.
    async fn write(records: &Records, events: usize) {
        let mut journal = open(records).await.unwrap();
        for number in 0..events {
            let (stage, text) = (StageName::Build, format!("step {number}"));
            journal.append(Event::Step { stage, text }).await.unwrap();
        }
    }

    async fn open(records: &Records) -> Result<Journal> {
        Journal::open(records, release()).await
    }

    async fn bytes(records: &Records) -> Vec<u8> {
        let found = records.store().get(&journal_key(release())).await.unwrap();
        found.expect("a journal").0
    }

    /// Behind its back.
    async fn put(records: &Records, bytes: &[u8]) {
        let key = journal_key(release());
        let put = records.store().write(&key, bytes.to_vec(), Condition::None).await;
        put.unwrap();
    }

    fn release() -> ReleaseId {
        ReleaseId::from_parts(1, 0)
    }

    #[tokio::test]
    async fn every_entry_comes_back() {
        for place in places().await {
            write(&place.records, 3).await;
            let journal = open(&place.records).await.unwrap();
            let sequences: Vec<u64> = journal.entries().iter().map(|entry| entry.sequence).collect();
            assert_eq!(sequences, [0, 1, 2], "in {}", place.name);
        }
    }

    #[tokio::test]
    async fn a_tail_torn_anywhere_costs_only_its_own_line() {
        for place in places().await {
            let records = &place.records;
            write(records, 3).await;
            let whole = bytes(records).await;
            let ends = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
            let two_lines = ends.map(|(at, _)| at + 1).nth(1).unwrap();
            for length in two_lines..whole.len() {
                put(records, &whole[..length]).await;
                let mut journal = open(records).await.unwrap();
                assert_eq!(journal.entries().len(), 2, "cut at {length} in {}", place.name);
                journal.append(Event::Finished).await.unwrap();
                let entries = open(records).await.unwrap().entries().len();
                assert_eq!(entries, 3, "cut at {length}, then written, in {}", place.name);
            }
        }
    }

    #[tokio::test]
    async fn of_two_who_write_the_second_is_refused_and_nothing_is_lost() {
        for place in places().await {
            let records = &place.records;
            write(records, 1).await;
            let (mut one, mut other) = (open(records).await.unwrap(), open(records).await.unwrap());
            one.append(Event::Finished).await.unwrap();
            let refused = other.append(Event::Finished).await.unwrap_err();
            assert_eq!(refused.exit, Exit::Locked, "in {}", place.name);
            assert_eq!(open(records).await.unwrap().entries(), one.entries());
        }
    }

    #[tokio::test]
    async fn a_changed_byte_or_a_missing_line_is_damage_and_is_named_by_line() {
        for place in places().await {
            let records = &place.records;
            write(records, 3).await;
            let whole = bytes(records).await;
            let first = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
            let second = first + whole[first..].iter().position(|&byte| byte == b'\n').unwrap() + 1;
            let mut changed = whole.clone();
            changed[first + 30] ^= 1;
            let without = [&whole[..first], &whole[second..]].concat();
            for damaged in [changed, without] {
                put(records, &damaged).await;
                let failure = open(records).await.unwrap_err().to_string();
                assert!(failure.contains("damaged at line 2"), "{failure}");
            }
        }
    }

    #[tokio::test]
    async fn a_journal_of_a_newer_tool_is_refused_by_its_version() {
        for place in places().await {
            let begun = Event::Begun {
                version: JOURNAL_VERSION + 1,
                release: release(),
                profile: "local".to_owned(),
            };
            open(&place.records).await.unwrap().append(begun).await.unwrap();
            let failure = open(&place.records).await.unwrap_err().to_string();
            assert!(failure.contains("newer version of this tool"), "{failure}");
        }
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
            summary: String::new(),
            outcome: serde_json::json!(7),
        };
        let mut entries = vec![entry(Event::StageStarted { stage }), entry(finished)];
        assert_eq!(outcome(&entries, stage), Some(&serde_json::json!(7)));
        entries.push(entry(Event::StageStarted { stage }));
        assert_eq!(outcome(&entries, stage), None);
    }
}
