//! The object that is promoted: one image, one front end, one configuration. Built once, promoted unchanged.

use super::Unproven;
use super::records::{Records, history_key, release_key};
use crate::failure::{Failure, Result};
use crate::plan::{Running, SourceFacts};
use contract::{AppName, Digest, EnvironmentName, ImageRef, ReleaseId, Version};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use pipeline::Identity;
use serde::{Deserialize, Serialize};

const PARALLEL_READS: usize = 16;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    pub id: ReleaseId,
    pub app: AppName,
    /// A release made under one profile is never promoted under another.
    pub profile: String,
    pub source: SourceFacts,
    pub config: Digest,
    pub image: Option<ImageRef>,
    /// What the registry sends for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_bytes: Option<u64>,
    /// An image that somebody else built, instead of one of this source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotes: Option<ImageRef>,
    /// The front end's manifest.
    pub frontend: Option<Digest>,
    /// What stood in for something that could not be had, such as the database image.
    pub substitutes: Vec<String>,
    pub created_at: Timestamp,
    pub created_by: Identity,
}

impl Release {
    pub async fn load(records: &Records, id: ReleaseId) -> Result<Self> {
        match Self::read(records, id).await? {
            Some(release) => Ok(release),
            None => Err(unknown(records, &id.to_string()).await),
        }
    }

    pub async fn save(&self, records: &Records) -> Result<()> {
        records.overwrite(&release_key(self.id), self).await
    }

    /// All of them, oldest first.
    pub async fn list(records: &Records) -> Result<Vec<Self>> {
        let ids = records.releases().await?;
        Self::of(records, &ids).await
    }

    /// The newest of them, newest first.
    pub async fn newest(records: &Records, count: usize) -> Result<Vec<Self>> {
        let ids = records.releases().await?;
        let ids: Vec<ReleaseId> = ids.into_iter().rev().take(count).collect();
        Self::of(records, &ids).await
    }

    /// By id, or by the beginning of an id that no other release shares.
    pub async fn find(records: &Records, text: &str) -> Result<Self> {
        let wanted = text.to_ascii_uppercase();
        let mut ids = records.releases().await?;
        ids.retain(|id| !wanted.is_empty() && id.to_string().starts_with(&wanted));
        match ids.as_slice() {
            [one] => Self::load(records, *one).await,
            [] => Err(unknown(records, text).await),
            many => {
                let count = many.len();
                Err(
                    Failure::bad_input(format!("`{text}` is the beginning of {count} release ids"))
                        .next("give more of the id: `cargo xtask releases` lists them"),
                )
            }
        }
    }

    async fn read(records: &Records, id: ReleaseId) -> Result<Option<Self>> {
        let found = records.read(&release_key(id)).await?;
        Ok(found.map(|(release, _)| release))
    }

    /// Those of the ids that got as far as being written down.
    async fn of(records: &Records, ids: &[ReleaseId]) -> Result<Vec<Self>> {
        let reads = stream::iter(ids).map(|id| Self::read(records, *id));
        let found: Vec<Option<Self>> = reads.buffered(PARALLEL_READS).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    pub fn image(&self) -> Result<&ImageRef> {
        self.image.as_ref().ok_or_else(|| {
            Failure::failed(format!("release {} has no image yet", self.id))
                .next(format!("cargo xtask release --resume {}", self.id))
        })
    }
}

async fn unknown(records: &Records, text: &str) -> Failure {
    let known = records.releases().await.unwrap_or_default();
    let latest: Vec<String> = known.iter().rev().take(3).map(ReleaseId::to_string).collect();
    let known = if latest.is_empty() {
        "there are none yet".to_owned()
    } else {
        format!("latest: {}", latest.join(", "))
    };
    let text: String = text.chars().take(60).collect();
    Failure::bad_input(format!("no release `{text}` is known here"))
        .why(known)
        .next("cargo xtask releases")
}

/// What an environment has settled on, newest last: where `rollback` goes back to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    pub settled: Vec<Settled>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    pub version: Version,
    pub source: SourceFacts,
    pub config: Digest,
    pub frontend: Option<Digest>,
    pub at: Timestamp,
    /// It was rolled back from: no place to return to unless it is named.
    #[serde(default)]
    pub withdrawn: bool,
    /// It was returned to although it is not proven on the schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unproven: Option<Unproven>,
}

impl History {
    const KEPT: usize = 50;

    pub async fn load(records: &Records, environment: &EnvironmentName) -> Result<Self> {
        let found = records.read(&history_key(environment)).await?;
        Ok(found.map(|(history, _)| history).unwrap_or_default())
    }

    pub async fn settle(records: &Records, environment: &EnvironmentName, settled: Settled) -> Result<()> {
        let settle = |history: &mut Self| history.settle_on(settled);
        records.change(environment, &history_key(environment), settle).await
    }

    /// The same after a rollback: what ran until now was not good.
    pub async fn return_to(records: &Records, environment: &EnvironmentName, settled: Settled) -> Result<()> {
        let returned = |history: &mut Self| {
            if let Some(left) = history.settled.last_mut() {
                left.withdrawn = true;
            }
            history.settle_on(Settled {
                withdrawn: false,
                ..settled
            });
        };
        records.change(environment, &history_key(environment), returned).await
    }

    fn settle_on(&mut self, settled: Settled) {
        // Settling twice on the same release, as a resumed run may, is one event.
        self.settled
            .retain(|earlier| earlier.version.release != settled.version.release);
        self.settled.push(settled);
        let surplus = self.settled.len().saturating_sub(Self::KEPT);
        self.settled.drain(..surplus);
    }

    /// What was settled on last, but for this release.
    pub fn before(&self, release: ReleaseId) -> Option<&Settled> {
        let mut newest_first = self.settled.iter().rev();
        newest_first.find(|settled| settled.version.release != release)
    }

    pub fn latest(&self) -> Option<&Settled> {
        self.settled.last()
    }

    /// The good releases settled on before the one that runs now, newest first.
    pub fn earlier(&self) -> impl Iterator<Item = &Settled> {
        self.settled.iter().rev().skip(1).filter(|settled| !settled.withdrawn)
    }
}

impl Settled {
    pub fn running(&self) -> Running {
        Running {
            release: self.version.release,
            source: self.source.clone(),
            config: self.config,
            image_bytes: None,
        }
    }
}

/// For tests.
#[cfg(test)]
pub mod made_up {
    use super::*;

    pub fn settled(number: u64) -> Settled {
        let image = ImageRef {
            repository: "r/a".to_owned(),
            digest: Digest::of(b""),
        };
        Settled {
            version: Version {
                release: ReleaseId::from_parts(number, 0),
                commit: String::new(),
                image,
                image_bytes: None,
                port: 1,
                env: Default::default(),
                secrets: Vec::new(),
                replicas: Default::default(),
                memory_mb: None,
                cpus: None,
            },
            source: SourceFacts {
                commit: String::new(),
                branch: None,
                dirty: None,
            },
            config: Digest::of(b""),
            frontend: None,
            at: Timestamp::UNIX_EPOCH,
            withdrawn: false,
            unproven: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::made_up::settled;
    use super::*;
    use crate::engine::Past;
    use crate::engine::places::places;
    use crate::failure::Exit;
    use futures_util::future::join_all;

    #[tokio::test]
    async fn a_history_comes_back_and_what_was_returned_from_is_no_place_to_return_to() {
        let production = EnvironmentName::parse("production").unwrap();
        for place in places().await {
            let records = &place.records;
            for number in [1, 2, 3] {
                History::settle(records, &production, settled(number)).await.unwrap();
            }
            History::return_to(records, &production, settled(2)).await.unwrap();
            let history = History::load(records, &production).await.unwrap();
            let releases: Vec<ReleaseId> = history.settled.iter().map(|settled| settled.version.release).collect();
            assert_eq!(releases, [1, 3, 2].map(|number| ReleaseId::from_parts(number, 0)));
            let past = Past::load(records, &production).await.unwrap();
            let (previous, _) = past.target(None, false).unwrap();
            assert_eq!(
                previous.version.release,
                ReleaseId::from_parts(1, 0),
                "in {}",
                place.name
            );
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_many_who_settle_at_once_none_is_lost_but_those_who_are_told() {
        let production = EnvironmentName::parse("production").unwrap();
        for place in places().await {
            let all = (1..=8).map(|number| History::settle(&place.records, &production, settled(number)));
            let outcomes = join_all(all).await;
            for failure in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
                assert_eq!(failure.exit, Exit::Locked, "{failure}");
            }
            let kept = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
            let history = History::load(&place.records, &production).await.unwrap();
            assert_eq!(history.settled.len(), kept, "in {}", place.name);
        }
    }

    #[tokio::test]
    async fn releases_are_listed_in_order_and_found_by_the_beginning_of_their_id() {
        for place in places().await {
            let records = &place.records;
            let ids = [3, 1, 2].map(|number| ReleaseId::from_parts(number << 40, 0));
            for id in ids {
                release(id).save(records).await.unwrap();
            }
            let listed = Release::list(records).await.unwrap();
            let listed: Vec<ReleaseId> = listed.iter().map(|release| release.id).collect();
            assert_eq!(listed, [ids[1], ids[2], ids[0]], "in {}", place.name);
            assert_eq!(Release::find(records, &ids[2].to_string()).await.unwrap().id, ids[2]);
            assert_eq!(Release::find(records, "0").await.unwrap_err().exit, Exit::BadInput);
        }
    }

    fn release(id: ReleaseId) -> Release {
        Release {
            id,
            app: AppName::parse("shop").unwrap(),
            profile: "local".to_owned(),
            source: settled(1).source,
            config: Digest::of(b""),
            image: None,
            image_bytes: None,
            promotes: None,
            frontend: None,
            substitutes: Vec::new(),
            created_at: Timestamp::UNIX_EPOCH,
            created_by: "ann".to_owned().into(),
        }
    }
}
