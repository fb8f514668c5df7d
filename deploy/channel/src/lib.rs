//! The channel of one environment: the controller publishes what should run, each host reports what does.
//!
//! A channel is a place, either a directory or a prefix of an S3 bucket, that holds
//!
//! ```text
//! APP/ENVIRONMENT/desired.json         an Envelope, replaced by compare-and-swap
//! APP/ENVIRONMENT/observed/HOST.json   an Observed, written by that host alone
//! ```
//!
//! Nobody connects to a host. What a reader finds is always one whole document: both backends replace, never append.
//! Whether a document is to be believed is not decided here: hosts check the envelope's signature, the controller looks
//! at `Observed::at` to see how old a report is.

use anyhow::{Context as _, Result, anyhow, bail};
use contract::{AppName, ChannelPlace, Envelope, EnvironmentName, HostName, Observed};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::PathBuf;
use store::{Condition, Read, Revision, S3Access, Store, WriteError};

/// The most observed documents read for one environment; a fleet larger than this needs another layout.
const MAX_HOSTS: usize = 1_000;
const PARALLEL_READS: usize = 16;

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

    /// The channel at a configured place. Keys for S3 come from the environment.
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
        let bytes = serde_json::to_vec(envelope).context("cannot write the desired document as JSON")?;
        let condition = expected.map_or(Condition::Absent, Condition::Is);
        match self.store.write(DESIRED, bytes, condition).await {
            Ok(revision) => Ok(revision),
            Err(WriteError::Conflict) => self.landed_already(envelope).await,
            Err(WriteError::Failed(error)) => Err(error.into()),
        }
    }

    /// The desired document, for the controller.
    pub async fn read_desired(&self) -> Result<Option<(Envelope, Revision)>> {
        match self.poll_desired(None).await? {
            Poll::Changed(envelope, revision) => Ok(Some((envelope, revision))),
            Poll::Absent | Poll::Unchanged => Ok(None),
            Poll::Unreadable(why) => bail!(why),
        }
    }

    /// The latest report of every host that has one.
    ///
    /// A report that cannot be read is left out, with a warning that names it: to the controller that host is silent, and
    /// silence is already handled (it never counts as an acknowledgement). The others stay visible, and the host's next
    /// report, seconds later, replaces the bad one.
    pub async fn read_observed(&self) -> Result<BTreeMap<HostName, Observed>> {
        let hosts = self.reporting_hosts().await?;
        let reports = stream::iter(hosts)
            .map(|host| async move { anyhow::Ok((self.read_report(&host).await?, host)) })
            .buffer_unordered(PARALLEL_READS);
        let reports: Vec<_> = reports.try_collect().await?;
        Ok(reports
            .into_iter()
            .filter_map(|(report, host)| Some((host, report?)))
            .collect())
    }

    /// What is desired now, unless it is what the host already knows.
    pub async fn poll_desired(&self, known: Option<&Revision>) -> Result<Poll> {
        match self.store.read(DESIRED, known).await? {
            Read::Unchanged => Ok(Poll::Unchanged),
            Read::Absent => Ok(Poll::Absent),
            Read::Oversized => Ok(Poll::Unreadable(store::oversized(&self.store.locate(DESIRED)))),
            Read::Found(bytes, revision) => Ok(match self.parse(DESIRED, &bytes) {
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
    async fn landed_already(&self, envelope: &Envelope) -> Result<Revision, PublishError> {
        match self.read_desired().await? {
            Some((found, revision)) if found == *envelope => Ok(revision),
            _ => Err(PublishError::Conflict(self.store.locate(DESIRED))),
        }
    }

    async fn reporting_hosts(&self) -> Result<Vec<HostName>> {
        let names = self.store.list(OBSERVED, MAX_HOSTS).await?;
        // Anything else in there, such as a half-written temporary file, is not a report.
        let host = |name: &String| HostName::parse(name.strip_suffix(".json")?).ok();
        Ok(names.iter().filter_map(host).collect())
    }

    async fn read_report(&self, host: &HostName) -> Result<Option<Observed>> {
        let key = observed_key(host);
        let report = match self.store.read(&key, None).await? {
            Read::Absent | Read::Unchanged => return Ok(None),
            Read::Oversized => Err(anyhow!(store::oversized(&self.store.locate(&key)))),
            Read::Found(bytes, _) => self.parse(&key, &bytes).and_then(|report| self.belongs(host, report)),
        };
        if let Err(error) = &report {
            tracing::warn!("the report of host `{host}` is left out: {error:#}");
        }
        Ok(report.ok())
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
const OBSERVED: &str = "observed/";

fn observed_key(host: &HostName) -> String {
    format!("{OBSERVED}{host}.json")
}
