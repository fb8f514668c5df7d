//! Where releases, journals, leases and histories are kept. Any machine that reaches the store can show, approve, resume
//! or roll back what another has begun.
//!
//! ```text
//! releases/ID/release.json   the release; written by whoever carries it on
//! releases/ID/journal        what it did, line by line
//! environments/NAME/lease.json, history.json, schema.json, executions.json
//! ```

use crate::failure::{Exit, Failure, OrFail, Result};
use crate::project::Project;
use contract::{EnvironmentName, ReleaseId};
use pipeline::model::{Pipeline, Place};
use serde::{Serialize, de::DeserializeOwned};
use store::{Condition, Revision, Store, WriteError};

/// More than a busy team makes in ten years.
const MOST_RELEASES: usize = 100_000;

#[derive(Debug, Clone)]
pub struct Records {
    store: Store,
}

impl Records {
    pub fn open(project: &Project, pipeline: &Pipeline) -> Result<Self> {
        let store = match &pipeline.store {
            Place::Directory(None) => return Ok(Self::beside(project)),
            place => Store::open(&project.place(place, ""), pipeline.app.as_str()),
        };
        let store = store.map_err(|error| {
            Failure::bad_input("the store of releases cannot be reached")
                .why(format!("{error:#}"))
                .next("mend `store` in pipeline.yaml, or give the keys in the environment")
        })?;
        Ok(Self::new(store))
    }

    /// Those of the local ground, and the usual place.
    pub fn beside(project: &Project) -> Self {
        Self::new(Store::directory(project.state()))
    }

    pub fn new(store: Store) -> Self {
        Self { store }
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Ids of all releases, oldest first.
    pub async fn releases(&self) -> Result<Vec<ReleaseId>> {
        let names = self.store.list("releases/", MOST_RELEASES).await;
        let names = names.or_fail(|| "the releases cannot be listed".to_owned())?;
        let mut ids: Vec<ReleaseId> = names.iter().filter_map(|name| ReleaseId::parse(name).ok()).collect();
        ids.sort();
        Ok(ids)
    }

    /// `None` where there is no such document; what cannot be read or parsed is an error that names it.
    pub async fn read<T: DeserializeOwned>(&self, key: &str) -> Result<Option<(T, Revision)>> {
        let place = || self.store.locate(key);
        let found = self.store.get(key).await;
        let Some((bytes, revision)) = found.or_fail(|| format!("`{}` cannot be read", place()))? else {
            return Ok(None);
        };
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Some((value, revision))),
            Err(error) => Err(Failure::failed(format!("`{}` is not what was written there", place()))
                .why(error.to_string())
                .next("restore it from a backup; or, if a newer version of this tool wrote it, update the tool")),
        }
    }

    /// Replaces what has the `known` revision; `None` if somebody else has changed it since.
    pub async fn write<T: Serialize>(
        &self,
        key: &str,
        value: &T,
        known: Option<&Revision>,
    ) -> Result<Option<Revision>> {
        let condition = known.map_or(Condition::Absent, Condition::Is);
        self.put(key, value, condition).await
    }

    /// Replaces whatever is there.
    pub async fn overwrite<T: Serialize>(&self, key: &str, value: &T) -> Result<()> {
        self.put(key, value, Condition::None).await.map(drop)
    }

    /// Changes what is kept of an environment. Under its lease, so that nobody else should.
    pub async fn change<T: Serialize + DeserializeOwned + Default + PartialEq + Clone>(
        &self,
        environment: &EnvironmentName,
        key: &str,
        change: impl FnOnce(&mut T),
    ) -> Result<()> {
        let (before, revision) = match self.read::<T>(key).await? {
            Some((value, revision)) => (value, Some(revision)),
            None => (T::default(), None),
        };
        let mut value = before.clone();
        change(&mut value);
        if value == before || self.write(key, &value, revision.as_ref()).await?.is_some() {
            return Ok(());
        }
        let what = format!("`{environment}` is being changed by another release");
        Err(Failure::new(Exit::Locked, what)
            .why(format!(
                "`{}` was written by another process in this moment",
                self.store.locate(key)
            ))
            .next("cargo xtask status"))
    }

    async fn put<T: Serialize>(&self, key: &str, value: &T, condition: Condition<'_>) -> Result<Option<Revision>> {
        let failed = || format!("`{}` cannot be written", self.store.locate(key));
        let mut text = serde_json::to_string_pretty(value).or_fail(failed)?;
        text.push('\n');
        match self.store.write(key, text.into_bytes(), condition).await {
            Ok(revision) => Ok(Some(revision)),
            Err(WriteError::Conflict) => Ok(None),
            Err(WriteError::Failed(error)) => Err(error).or_fail(failed),
        }
    }
}

pub fn release_key(id: ReleaseId) -> String {
    format!("releases/{id}/release.json")
}

pub fn journal_key(id: ReleaseId) -> String {
    format!("releases/{id}/journal")
}

pub fn lease_key(environment: &EnvironmentName) -> String {
    format!("environments/{environment}/lease.json")
}

pub fn history_key(environment: &EnvironmentName) -> String {
    format!("environments/{environment}/history.json")
}

pub fn executions_key(environment: &EnvironmentName) -> String {
    format!("environments/{environment}/executions.json")
}

pub fn schema_key(environment: &EnvironmentName) -> String {
    format!("environments/{environment}/schema.json")
}
