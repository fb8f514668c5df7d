//! Whose signatures count here: the set of keys that this host was given, or the newest one that the channel led to from
//! there. What was followed is kept, so that no older set counts again.

use anyhow::{Context as _, Result};
use contract::{KeyChain, KeyId, KeySet};
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Notify;

/// The two files that say it.
#[derive(Debug, Clone)]
pub struct KeyFiles {
    given: PathBuf,
    followed: PathBuf,
}

#[derive(Debug)]
pub struct Trust {
    pub files: KeyFiles,
    /// Whoever reads the channel's key sets is asked to by this.
    pub ask: Arc<Notify>,
    /// How often they were read.
    looks: u64,
    /// A document by an unknown key came when they had been read so often.
    unknown: Option<(KeyId, u64)>,
    /// Why the channel's key sets are not followed.
    refused: Option<String>,
}

impl KeyFiles {
    pub fn new(given: PathBuf, folder: &Path) -> Self {
        Self {
            given,
            followed: folder.join("keys.json"),
        }
    }

    /// Read anew for each document, because keys are exchanged while agents run. A set that was followed and is damaged
    /// stands for keys that may have been dropped since the given one: then none counts.
    pub fn set(&self) -> Result<KeySet> {
        let path = self.given.display();
        let text = fs::read(&self.given).with_context(|| format!("the trusted keys `{path}` cannot be read"))?;
        let given: KeySet =
            serde_json::from_slice(&text).with_context(|| format!("`{path}` is no set of trusted keys"))?;
        let followed = self.followed()?.filter(|followed| followed.version > given.version);
        Ok(followed.unwrap_or(given))
    }

    fn followed(&self) -> Result<Option<KeySet>> {
        let path = self.followed.display();
        let text = match fs::read(&self.followed) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("the keys followed, `{path}`, cannot be read")),
        };
        let followed = serde_json::from_slice(&text).with_context(|| {
            let given = self.given.display();
            format!("`{path}` is torn or no set of keys: put the newest set in `{given}`, then remove it")
        })?;
        Ok(Some(followed))
    }
}

impl Trust {
    pub fn new(files: KeyFiles) -> Self {
        Self {
            files,
            ask: Arc::default(),
            looks: 0,
            unknown: None,
            refused: None,
        }
    }

    pub fn set(&self) -> Result<KeySet> {
        self.files.set()
    }

    /// Whether a document by this key may still turn out to be by a trusted one: not before the channel's key sets were
    /// read since it came. They are read again all the same.
    pub fn may_be_new(&mut self, key: &KeyId) -> bool {
        self.ask.notify_one();
        let since = match &self.unknown {
            Some((known, since)) if known == key => *since,
            _ => {
                self.unknown = Some((key.clone(), self.looks));
                self.looks
            }
        };
        self.looks == since
    }

    /// What the channel holds, or why that cannot be read.
    pub fn note(&mut self, found: Result<Option<KeyChain>, String>) {
        self.looks += 1;
        let taken = found.and_then(|chain| self.take(chain).map_err(|error| format!("{error:#}")));
        if let Err(why) = &taken
            && self.refused.as_ref() != Some(why)
        {
            tracing::warn!("the channel's key sets are not followed: {why}");
        }
        self.refused = taken.err();
    }

    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    fn take(&self, chain: Option<KeyChain>) -> Result<()> {
        let own = self.set()?;
        let Some(next) = own.follow(&chain.unwrap_or_default())? else {
            return Ok(());
        };
        save(&self.files.followed, &next)?;
        let ids: Vec<String> = next.keys.iter().map(|key| key.id.to_string()).collect();
        tracing::info!(from = own.version, to = next.version, keys = ?ids, "another set of keys is in force");
        Ok(())
    }
}

fn save(path: &Path, set: &KeySet) -> Result<()> {
    let write = || -> Result<()> {
        let folder = path.parent().context("it lies in no folder")?;
        let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
        temporary.write_all(&serde_json::to_vec(set)?)?;
        temporary.as_file().sync_all()?;
        temporary.persist(path)?;
        File::open(folder)?.sync_all()?;
        Ok(())
    };
    write().with_context(|| format!("cannot write the keys followed, `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::SigningKey;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed([seed; 32])
    }

    fn set(version: u32, seeds: &[u8]) -> KeySet {
        KeySet {
            version,
            keys: seeds.iter().map(|seed| key(*seed).public()).collect(),
        }
    }

    fn given(folder: &Path, set: &KeySet) -> Trust {
        let path = folder.join("trusted.json");
        fs::write(&path, serde_json::to_vec(set).unwrap()).unwrap();
        Trust::new(KeyFiles::new(path, folder))
    }

    fn to_second() -> KeyChain {
        KeyChain {
            links: vec![key(1).seal(&set(2, &[2])).unwrap()],
        }
    }

    #[test]
    fn what_was_followed_counts_after_a_restart_and_a_newer_given_set_counts_more() {
        let dir = tempfile::tempdir().unwrap();
        let mut trust = given(dir.path(), &set(1, &[1]));
        trust.note(Ok(Some(to_second())));
        assert_eq!(trust.set().unwrap(), set(2, &[2]));
        assert_eq!(given(dir.path(), &set(1, &[1])).set().unwrap(), set(2, &[2]));
        assert_eq!(given(dir.path(), &set(3, &[3])).set().unwrap(), set(3, &[3]));
    }

    #[test]
    fn a_damaged_file_trusts_nobody_and_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let trust = given(dir.path(), &set(1, &[1]));
        fs::write(dir.path().join("keys.json"), b"{\"version\":2,").unwrap();
        let error = trust.set().unwrap_err().to_string();
        assert!(
            error.contains("keys.json` is torn") && error.contains("trusted.json`, then remove it"),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_key_is_waited_for_until_the_channel_was_read_since_it_came() {
        let dir = tempfile::tempdir().unwrap();
        let mut trust = given(dir.path(), &set(1, &[1]));
        let id = key(9).public().id;
        trust.note(Ok(None));
        assert!(trust.may_be_new(&id) && trust.may_be_new(&id));
        trust.note(Ok(None));
        assert!(!trust.may_be_new(&id));
        assert!(trust.may_be_new(&key(8).public().id), "another key, another look");
    }

    #[test]
    fn what_is_not_followed_is_remembered_until_something_better_comes() {
        let dir = tempfile::tempdir().unwrap();
        let mut trust = given(dir.path(), &set(1, &[1]));
        let forged = KeyChain {
            links: vec![key(9).seal(&set(2, &[9])).unwrap()],
        };
        trust.note(Ok(Some(forged)));
        assert!(trust.refused().unwrap().contains("which this host does not trust"));
        assert_eq!(trust.set().unwrap(), set(1, &[1]));
        trust.note(Ok(Some(to_second())));
        assert_eq!(trust.refused(), None);
    }
}
