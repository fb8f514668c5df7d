//! Deletes what no open tab needs any more.

use crate::bucket::{Listed, MAX_DELETES};
use crate::flip::Live;
use crate::manifest::Manifest;
use crate::publish::{ASSETS, PublishError, Publisher, RELEASES, document_key, manifest_key};
use contract::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

/// What was never live may be on its way to it: it is left alone for a day.
const NEVER_LIVE_GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// Each has two objects, and one request deletes so many.
const MAX_RETIRED: usize = MAX_DELETES / 2;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PruneReport {
    /// Releases whose assets stay: the live one, those before it, and those that may yet go live.
    pub kept: usize,
    /// Releases that can no longer be flipped to.
    pub retired: Vec<Digest>,
    pub deleted_assets: usize,
    /// Assets for the next time: one prune deletes at most 1,000.
    pub left: usize,
}

impl Publisher {
    /// Keeps the assets of the live release and of the `keep` that were live before it (at most 24 are remembered).
    ///
    /// For the lease's holder, after the flip. Manifests go before assets, so that at every instant what a manifest names
    /// is there. Should another release go live meanwhile, nothing is deleted.
    pub async fn prune(&self, keep: u32) -> Result<PruneReport, PublishError> {
        let Some(live) = self.live().await? else {
            // Nothing to measure by: whatever is here may be about to go live.
            return Ok(PruneReport::default());
        };
        let releases = self.releases().await?;
        let (kept, mut retired): (Vec<Digest>, Vec<Digest>) = releases
            .keys()
            .partition(|digest| stays(**digest, releases[*digest], &live, keep));
        retired.truncate(MAX_RETIRED);
        let needed = self.needed(&kept, &live).await?;
        let mut unneeded = BTreeSet::new();
        for digest in &retired {
            // One that cannot be read is no reason to stop: its assets go once they are old.
            let manifest = self.manifest(*digest).await.ok().flatten();
            unneeded.extend(manifest.into_iter().flat_map(keys));
        }
        let goes = |asset: &Listed| {
            !needed.contains(&asset.key) && (unneeded.contains(&asset.key) || !is_recent(asset.modified))
        };
        let assets = self.bucket.list(ASSETS).await?;
        let mut doomed: Vec<String> = assets.into_iter().filter(goes).map(|asset| asset.key).collect();
        let left = doomed.len().saturating_sub(MAX_DELETES);
        doomed.truncate(MAX_DELETES);
        if self.live().await?.as_ref() != Some(&live) {
            tracing::warn!("another release went live while this one was pruning; nothing was deleted");
            return Ok(PruneReport {
                kept: releases.len(),
                ..PruneReport::default()
            });
        }
        let manifests: Vec<String> = retired
            .iter()
            .flat_map(|digest| [manifest_key(*digest), document_key(*digest, &self.entry)])
            .collect();
        self.bucket.delete(&manifests).await?;
        self.bucket.delete(&doomed).await?;
        Ok(PruneReport {
            kept: kept.len(),
            retired,
            deleted_assets: doomed.len(),
            left,
        })
    }

    /// Every release with anything in the bucket, and when it was last written to.
    async fn releases(&self) -> Result<BTreeMap<Digest, Option<SystemTime>>, PublishError> {
        let mut releases = BTreeMap::new();
        for object in self.bucket.list(RELEASES).await? {
            let hex = object
                .key
                .strip_prefix(RELEASES)
                .and_then(|rest| rest.split('/').next())
                .unwrap_or_default();
            // What is not ours is left alone.
            let Ok(digest) = Digest::parse(&format!("sha256:{hex}")) else {
                continue;
            };
            let modified = releases.entry(digest).or_insert(object.modified);
            *modified = object.modified.max(*modified);
        }
        Ok(releases)
    }

    /// What the kept releases name. Where that cannot be told, nothing may be deleted.
    async fn needed(&self, kept: &[Digest], live: &Live) -> Result<BTreeSet<String>, PublishError> {
        let key = manifest_key(live.manifest);
        let gone = || "it is gone, so what the live release needs cannot be told: release again".to_owned();
        let manifest = self.manifest(live.manifest).await?;
        let mut needed: BTreeSet<String> = manifest
            .map(keys)
            .ok_or_else(|| PublishError::Broken { key, why: gone() })?
            .collect();
        for digest in kept {
            // Without its manifest, a kept release is an upload under way, and its assets are too recent to go.
            needed.extend(self.manifest(*digest).await?.into_iter().flat_map(keys));
        }
        Ok(needed)
    }
}

fn stays(digest: Digest, modified: Option<SystemTime>, live: &Live, keep: u32) -> bool {
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    match live.previous.iter().position(|previous| *previous == digest) {
        Some(rank) => rank < keep,
        None => digest == live.manifest || is_recent(modified),
    }
}

fn keys(manifest: Manifest) -> impl Iterator<Item = String> {
    manifest.assets.into_iter().map(|asset| asset.key)
}

/// By the store's time against ours; what the store gives no time for is recent.
fn is_recent(modified: Option<SystemTime>) -> bool {
    modified.is_none_or(|at| SystemTime::now().duration_since(at).unwrap_or_default() < NEVER_LIVE_GRACE)
}
