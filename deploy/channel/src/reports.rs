//! What all hosts of an environment say, read again and again by whoever leads a rollout.
//!
//! A report that did not change is not sent again: where the place's listing tells revisions, as S3's does, it is not even
//! asked for, so that a fleet that says nothing new costs one request, however large it is.

use crate::{Channel, OBSERVED};
use anyhow::Result;
use contract::{HostName, Observed};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{Revision, Surveyed};

/// The most observed documents read for one environment; a fleet larger than this needs another layout.
const MAX_HOSTS: usize = 1_000;
/// A thousand hosts that all said something new are read in sixteen rounds: half a second where a read takes 30 ms.
const PARALLEL_READS: usize = 64;

/// Whom to believe is decided by others: see [`Channel`].
#[derive(Debug)]
pub struct Reports {
    channel: Channel,
    latest: Arc<BTreeMap<HostName, Observed>>,
    /// Of what was read, whether or not it was a report.
    revisions: BTreeMap<HostName, Revision>,
}

impl Reports {
    pub(crate) fn of(channel: Channel) -> Self {
        Self {
            channel,
            latest: Arc::default(),
            revisions: BTreeMap::new(),
        }
    }

    /// The latest report of every host that has one.
    ///
    /// A report that cannot be read is left out, with a warning that names it: to the controller that host is silent, and
    /// silence is already handled (it never counts as an acknowledgement). The others stay visible, and the host's next
    /// report, seconds later, replaces the bad one.
    pub async fn read(&mut self) -> Result<Arc<BTreeMap<HostName, Observed>>> {
        let reporting = self.channel.reporting_hosts().await?;
        let hosts: BTreeSet<&HostName> = reporting.iter().map(|(host, _)| host).collect();
        self.revisions.retain(|host, _| hosts.contains(host));
        let is_new = |(host, told): &&(HostName, Option<Revision>)| {
            let known = self.revisions.get(host);
            known.is_none() || known != told.as_ref()
        };
        let with_known = |(host, _): &(HostName, _)| (host.clone(), self.revisions.get(host).cloned());
        let asked: Vec<_> = reporting.iter().filter(is_new).map(with_known).collect();
        let channel = &self.channel;
        let read = stream::iter(asked)
            .map(|(host, known)| async move {
                let read = channel.read_report_unless(&host, known.as_ref()).await?;
                anyhow::Ok(read.map(|(report, revision)| (host, report, revision)))
            })
            .buffer_unordered(PARALLEL_READS);
        let read: Vec<_> = read
            .try_filter_map(|read| std::future::ready(Ok(read)))
            .try_collect()
            .await?;
        // Nobody else holds it any more, as a rule: then nothing is copied.
        let latest = Arc::make_mut(&mut self.latest);
        latest.retain(|host, _| hosts.contains(host));
        for (host, report, revision) in read {
            match report {
                Some(report) => drop(latest.insert(host.clone(), report)),
                None => drop(latest.remove(&host)),
            }
            match revision {
                Some(revision) => drop(self.revisions.insert(host, revision)),
                None => drop(self.revisions.remove(&host)),
            }
        }
        Ok(self.latest.clone())
    }
}

impl Channel {
    async fn reporting_hosts(&self) -> Result<Vec<(HostName, Option<Revision>)>> {
        let found = self.store.survey(OBSERVED, MAX_HOSTS).await?;
        // Anything else in there, such as a half-written temporary file, is not a report.
        let host = |surveyed: Surveyed| {
            let host = HostName::parse(surveyed.name.strip_suffix(".json")?).ok()?;
            Some((host, surveyed.revision))
        };
        Ok(found.into_iter().filter_map(host).collect())
    }
}
