//! The channel of one environment: the controller publishes what should run, each host reports what does.
//!
//! A channel is a place, either a directory or a prefix of an S3 bucket, that holds
//!
//! ```text
//! APP/ENVIRONMENT/desired.json         an Envelope, replaced by compare-and-swap
//! APP/ENVIRONMENT/keys.json            a KeyChain, once keys were rotated; replaced by compare-and-swap
//! APP/ENVIRONMENT/observed/HOST.json   an Observed, written by that host alone
//! APP/ENVIRONMENT/asked.json           an Envelope as well: what somebody wants to hear for a while
//! APP/ENVIRONMENT/said/HOST/ASK/N.json a Said, written by that host alone, and deleted by it
//! ```
//!
//! Nobody connects to a host. What a reader finds is always one whole document: both backends replace, never append.
//! Whether a document is to be believed is not decided here: hosts check the envelope's signature, the controller looks
//! at `Observed::at` to see how old a report is.

mod reports;
mod said;

pub use reports::Reports;

use anyhow::{Context as _, Result, anyhow, bail};
use contract::{AppName, ChannelPlace, Envelope, EnvironmentName, HostName, KeyChain, Observed};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use store::{Condition, Read, Revision, S3Access, Store, WriteError};

/// One environment's channel of one app.
#[derive(Debug, Clone)]
pub struct Channel {
    store: Store,
    app: AppName,
    environment: EnvironmentName,
}

/// What a host finds when it asks for news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Poll {
    /// Still the revision that the host named.
    Unchanged,
    /// Nothing was ever published.
    Absent,
    Changed(Envelope, Revision),
    /// Something is there, but it is not an envelope; in words.
    Unreadable(String),
}

#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Somebody else published in between: read again, and decide again.
    #[error("`{0}` is no longer the revision this change was made for; another controller published in between")]
    Conflict(String),
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

impl Channel {
    pub fn directory(root: PathBuf, app: &AppName, environment: &EnvironmentName) -> Self {
        let root = root.join(app.as_str()).join(environment.as_str());
        Self::new(Store::directory(root), app, environment)
    }

    pub fn s3(access: &S3Access, bucket: String, prefix: &str, app: &AppName, environment: &EnvironmentName) -> Self {
        let prefix = format!("{}/{app}/{environment}", prefix.trim_matches('/'));
        Self::new(Store::s3(access, bucket, &prefix), app, environment)
    }

    /// The channel at a configured place. Keys for S3 are those of this process, container or instance.
    pub fn open(place: &ChannelPlace, app: &AppName, environment: &EnvironmentName) -> Result<Self> {
        let store = Store::open(place, &format!("{app}/{environment}"))?;
        Ok(Self::new(store, app, environment))
    }

    /// In a store that holds nothing else.
    pub fn new(store: Store, app: &AppName, environment: &EnvironmentName) -> Self {
        Self {
            store,
            app: app.clone(),
            environment: environment.clone(),
        }
    }

    /// Replaces the desired document that has the `expected` revision, or creates the first one where none is expected.
    pub async fn publish(&self, envelope: &Envelope, expected: Option<&Revision>) -> Result<Revision, PublishError> {
        self.replace(DESIRED, envelope, expected).await
    }

    async fn replace(
        &self,
        key: &str,
        envelope: &Envelope,
        expected: Option<&Revision>,
    ) -> Result<Revision, PublishError> {
        let bytes = serde_json::to_vec(envelope).with_context(|| format!("cannot write `{key}` as JSON"))?;
        let condition = expected.map_or(Condition::Absent, Condition::Is);
        match self.store.write(key, bytes, condition).await {
            Ok(revision) => Ok(revision),
            Err(WriteError::Conflict) => self.landed_already(key, envelope).await,
            Err(WriteError::Failed(error)) => Err(error.into()),
        }
    }

    /// How trust passed from the first keys to those in force; `None` where they were never rotated.
    pub async fn read_keys(&self) -> Result<Option<(KeyChain, Revision)>> {
        match self.store.get(KEYS).await? {
            Some((bytes, revision)) => Ok(Some((self.parse(KEYS, &bytes)?, revision))),
            None => Ok(None),
        }
    }

    /// Replaces the chain that has the `expected` revision, or creates the first one where none is expected.
    pub async fn publish_keys(&self, chain: &KeyChain, expected: Option<&Revision>) -> Result<(), PublishError> {
        let bytes = serde_json::to_vec(chain).context("cannot write the key sets as JSON")?;
        let condition = expected.map_or(Condition::Absent, Condition::Is);
        match self.store.write(KEYS, bytes, condition).await {
            Ok(_) => Ok(()),
            Err(WriteError::Conflict) => match self.read_keys().await? {
                // The answer to a write that was sent twice.
                Some((found, _)) if found == *chain => Ok(()),
                _ => Err(PublishError::Conflict(self.store.locate(KEYS))),
            },
            Err(WriteError::Failed(error)) => Err(error.into()),
        }
    }

    /// The desired document, for the controller.
    pub async fn read_desired(&self) -> Result<Option<(Envelope, Revision)>> {
        self.read_envelope(DESIRED).await
    }

    async fn read_envelope(&self, key: &str) -> Result<Option<(Envelope, Revision)>> {
        match self.poll(key, None).await? {
            Poll::Changed(envelope, revision) => Ok(Some((envelope, revision))),
            Poll::Absent | Poll::Unchanged => Ok(None),
            Poll::Unreadable(why) => bail!(why),
        }
    }

    /// For whoever reads what every host says, again and again.
    pub fn reports(&self) -> Reports {
        Reports::of(self.clone())
    }

    /// The latest report of every host that has one, for whoever looks once.
    pub async fn read_observed(&self) -> Result<BTreeMap<HostName, Observed>> {
        let latest = self.reports().read().await?;
        Ok(Arc::unwrap_or_clone(latest))
    }

    /// The latest report of one host. `None` without one, and where it cannot be read, as for [`Reports`].
    pub async fn read_report(&self, host: &HostName) -> Result<Option<Observed>> {
        let report = self.read_report_unless(host, None).await?;
        Ok(report.and_then(|(report, _)| report))
    }

    /// What is desired now, unless it is what the host already knows.
    pub async fn poll_desired(&self, known: Option<&Revision>) -> Result<Poll> {
        self.poll(DESIRED, known).await
    }

    async fn poll(&self, key: &str, known: Option<&Revision>) -> Result<Poll> {
        match self.store.read(key, known).await? {
            Read::Unchanged => Ok(Poll::Unchanged),
            Read::Absent => Ok(Poll::Absent),
            Read::Oversized => Ok(Poll::Unreadable(store::oversized(&self.store.locate(key)))),
            Read::Found(bytes, revision) => Ok(match self.parse(key, &bytes) {
                Ok(envelope) => Poll::Changed(envelope, revision),
                Err(error) => Poll::Unreadable(format!("{error:#}")),
            }),
        }
    }

    /// Replaces this host's report.
    pub async fn report(&self, observed: &Observed) -> Result<()> {
        let bytes = serde_json::to_vec(observed).context("cannot write the observed document as JSON")?;
        match self
            .store
            .write(&observed_key(&observed.host), bytes, Condition::None)
            .await
        {
            Ok(_) => Ok(()),
            Err(WriteError::Conflict) => bail!("an unconditional write of `{}` was refused", observed.host),
            Err(WriteError::Failed(error)) => Err(error),
        }
    }

    /// A publish whose answer was lost on the way is sent again and then conflicts with itself; that is no conflict.
    async fn landed_already(&self, key: &str, envelope: &Envelope) -> Result<Revision, PublishError> {
        match self.read_envelope(key).await? {
            Some((found, revision)) if found == *envelope => Ok(revision),
            _ => Err(PublishError::Conflict(self.store.locate(key))),
        }
    }

    /// `None` if it is still the one with this revision. A report that is no report is a warning, and read as silence.
    async fn read_report_unless(
        &self,
        host: &HostName,
        known: Option<&Revision>,
    ) -> Result<Option<(Option<Observed>, Option<Revision>)>> {
        let key = observed_key(host);
        let (report, revision) = match self.store.read(&key, known).await? {
            Read::Unchanged => return Ok(None),
            Read::Absent => return Ok(Some((None, None))),
            Read::Oversized => (Err(anyhow!(store::oversized(&self.store.locate(&key)))), None),
            Read::Found(bytes, revision) => {
                let report = self.parse(&key, &bytes);
                (report.and_then(|report| self.belongs(host, report)), Some(revision))
            }
        };
        if let Err(error) = &report {
            tracing::warn!("the report of host `{host}` is left out: {error:#}");
        }
        Ok(Some((report.ok(), revision)))
    }

    fn belongs(&self, host: &HostName, report: Observed) -> Result<Observed> {
        if (&report.host, &report.app, &report.environment) != (host, &self.app, &self.environment) {
            bail!(
                "it was written for host `{}`, {} of `{}`",
                report.host,
                report.environment,
                report.app
            );
        }
        Ok(report)
    }

    fn parse<T: DeserializeOwned>(&self, key: &str, bytes: &[u8]) -> Result<T> {
        serde_json::from_slice(bytes).with_context(|| {
            format!(
                "`{}` ({} bytes) is not a document of this channel",
                self.store.locate(key),
                bytes.len()
            )
        })
    }
}

const DESIRED: &str = "desired.json";
const KEYS: &str = "keys.json";
const OBSERVED: &str = "observed/";

fn observed_key(host: &HostName) -> String {
    format!("{OBSERVED}{host}.json")
}
