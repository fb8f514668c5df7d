//! In the memory of this process: for tests that need no place.

use crate::{Backend, Condition, MAX_DOCUMENT_BYTES, Read, Revision, Surveyed, WriteError};
use anyhow::Result;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
pub struct Memory(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    documents: BTreeMap<String, (Vec<u8>, Revision)>,
    written: u64,
}

impl Memory {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn read(&self, key: &str, known: Option<&Revision>) -> Read {
        match self.documents.get(key) {
            None => Read::Absent,
            Some((_, revision)) if known == Some(revision) => Read::Unchanged,
            Some((bytes, _)) if bytes.len() as u64 > MAX_DOCUMENT_BYTES => Read::Oversized,
            Some((bytes, revision)) => Read::Found(bytes.clone(), revision.clone()),
        }
    }

    fn write(&mut self, key: &str, bytes: Vec<u8>, condition: Condition<'_>) -> Result<Revision, WriteError> {
        let standing = self.documents.get(key).map(|(_, revision)| revision);
        let is_met = match condition {
            Condition::None => true,
            Condition::Absent => standing.is_none(),
            Condition::Is(revision) => standing == Some(revision),
        };
        if !is_met {
            return Err(WriteError::Conflict);
        }
        self.written += 1;
        let revision = Revision(self.written.to_string());
        self.documents.insert(key.to_owned(), (bytes, revision.clone()));
        Ok(revision)
    }

    fn list(&self, folder: &str, limit: usize) -> Vec<String> {
        let inside = self.documents.keys().filter_map(|key| key.strip_prefix(folder));
        let names: BTreeSet<&str> = inside.filter_map(|rest| rest.split('/').next()).collect();
        names.into_iter().take(limit).map(str::to_owned).collect()
    }

    fn survey(&self, folder: &str, limit: usize) -> Vec<Surveyed> {
        let surveyed = |name: String| {
            let document = self.documents.get(&format!("{folder}{name}"));
            let revision = document.map(|(_, revision)| revision.clone());
            Surveyed { name, revision }
        };
        self.list(folder, limit).into_iter().map(surveyed).collect()
    }
}

impl Backend for Memory {
    fn read<'a>(&'a self, key: &'a str, known: Option<&'a Revision>) -> BoxFuture<'a, Result<Read>> {
        ready(Ok(self.kept().read(key, known))).boxed()
    }

    fn write<'a>(
        &'a self,
        key: &'a str,
        bytes: Vec<u8>,
        condition: Condition<'a>,
    ) -> BoxFuture<'a, Result<Revision, WriteError>> {
        ready(self.kept().write(key, bytes, condition)).boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>> {
        self.kept().documents.remove(key);
        ready(Ok(())).boxed()
    }

    fn list<'a>(&'a self, folder: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<String>>> {
        ready(Ok(self.kept().list(folder, limit))).boxed()
    }

    fn survey<'a>(&'a self, folder: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<Surveyed>>> {
        ready(Ok(self.kept().survey(folder, limit))).boxed()
    }

    fn locate(&self, key: &str) -> String {
        format!("memory:{key}")
    }
}
