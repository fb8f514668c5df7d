//! Sends what the bucket lacks. Nothing in here changes what users get; [`Publisher::flip`] does.

use crate::bucket::{Bucket, BucketError, Object};
use crate::content::{CACHE_ASSET, CACHE_ENTRY, compressed, content_type};
use crate::manifest::Manifest;
use crate::site::{Asset, Site};
use contract::Digest;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::collections::{BTreeMap, BTreeSet, HashMap};

const PARALLEL_REQUESTS: usize = 16;

const META_SHA256: &str = "sha256";

/// One bucket, and the entry document whose content decides what is live in it.
#[derive(Debug, Clone)]
pub struct Publisher {
    pub(crate) bucket: Bucket,
    pub(crate) entry: String,
    trust: Trust,
}

/// Whether a manifest in the bucket is believed when it says which assets are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Manifests,
    Nothing,
}

#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error("the site's entry document is `{site}`, but this bucket's is `{bucket}`")]
    OtherEntry { site: String, bucket: String },
    #[error("`{key}` cannot be used: {why}")]
    Broken { key: String, why: String },
}

/// What an upload would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishPlan {
    /// Keys of assets that the bucket lacks.
    pub to_send: Vec<String>,
    /// Their size, before compression.
    pub bytes: u64,
    /// How many assets are there already.
    pub unchanged: usize,
    /// The manifest is there, and so is all that it names.
    complete: bool,
}

/// Told after each asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub sent: usize,
    pub of: usize,
    /// As stored, so after compression.
    pub sent_bytes: u64,
}

/// Counts assets; manifest and entry document are not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UploadReport {
    pub sent: usize,
    pub sent_bytes: u64,
    pub unchanged: usize,
}

impl Publisher {
    /// `entry` is the key of the entry document, such as `index.html`.
    pub fn new(s3: aws_sdk_s3::Client, bucket: String, entry: String) -> Self {
        Self {
            bucket: Bucket::new(s3, bucket),
            entry,
            trust: Trust::Manifests,
        }
    }

    /// Asks for every asset by name: repairs a bucket from which somebody deleted.
    pub fn distrusting_manifests(self) -> Self {
        Self {
            trust: Trust::Nothing,
            ..self
        }
    }

    /// An unchanged site costs one read. Else what the live release has is known from its manifest, and only the rest is
    /// asked for one by one, as an upload that was cut short has left some of it there.
    pub async fn plan(&self, site: &Site) -> Result<PublishPlan, PublishError> {
        if site.entry() != self.entry {
            return Err(PublishError::OtherEntry {
                site: site.entry().to_owned(),
                bucket: self.entry.clone(),
            });
        }
        let mut there = BTreeMap::new();
        if self.trust == Trust::Manifests {
            if self.manifest(site.digest()).await?.is_some() {
                let unchanged = site.assets().len();
                return Ok(PublishPlan {
                    to_send: Vec::new(),
                    bytes: 0,
                    unchanged,
                    complete: true,
                });
            }
            there = self.live_assets().await?;
        }
        // Assets are cheap to clone, and a stream over borrowed ones is not `Send`.
        let known = |asset: &Asset| there.get(&asset.key) == Some(&asset.sha256);
        let (known, unsure): (Vec<Asset>, Vec<Asset>) = site.assets().iter().cloned().partition(known);
        let missing: Vec<Asset> = stream::iter(unsure)
            .map(|asset| async move { Ok::<_, PublishError>((!self.has(&asset).await?).then_some(asset)) })
            .buffered(PARALLEL_REQUESTS)
            .try_filter_map(|missing| async move { Ok(missing) })
            .try_collect()
            .await?;
        tracing::debug!(known = known.len(), missing = missing.len(), "planned a publication");
        Ok(PublishPlan {
            to_send: missing.iter().map(|asset| asset.key.clone()).collect(),
            bytes: missing.iter().map(|asset| asset.bytes.len() as u64).sum(),
            unchanged: site.assets().len() - missing.len(),
            complete: false,
        })
    }

    /// Assets first; then, for the flip to this release or back to it, its entry document; its manifest last.
    pub async fn upload(&self, site: &Site, mut progress: impl FnMut(Progress)) -> Result<UploadReport, PublishError> {
        let plan = self.plan(site).await?;
        let mut report = UploadReport {
            unchanged: plan.unchanged,
            ..UploadReport::default()
        };
        if plan.complete {
            return Ok(report);
        }
        let missing: BTreeSet<&String> = plan.to_send.iter().collect();
        let to_send: Vec<Asset> = site
            .assets()
            .iter()
            .filter(|asset| missing.contains(&asset.key))
            .cloned()
            .collect();
        let mut sending = stream::iter(to_send)
            .map(|asset| self.send(asset))
            .buffer_unordered(PARALLEL_REQUESTS);
        while let Some(bytes) = sending.next().await {
            report.sent_bytes += bytes?;
            report.sent += 1;
            progress(Progress {
                sent: report.sent,
                of: plan.to_send.len(),
                sent_bytes: report.sent_bytes,
            });
        }
        let entry = site.document().clone();
        self.bucket
            .put(plain(
                document_key(site.digest(), &self.entry),
                entry,
                content_type(&self.entry),
            ))
            .await?;
        let manifest = site.manifest_bytes().clone();
        self.bucket
            .put(plain(manifest_key(site.digest()), manifest, "application/json"))
            .await?;
        Ok(report)
    }

    /// The manifest with this digest, if its release is wholly in the bucket.
    pub(crate) async fn manifest(&self, digest: Digest) -> Result<Option<Manifest>, PublishError> {
        let key = manifest_key(digest);
        let Some(bytes) = self.bucket.get(&key).await? else {
            return Ok(None);
        };
        Manifest::parse(&bytes, digest)
            .map(Some)
            .map_err(|why| PublishError::Broken { key, why })
    }

    /// What the live release's manifest says is there; nothing where that cannot be told.
    async fn live_assets(&self) -> Result<BTreeMap<String, Digest>, PublishError> {
        let Some(live) = self.live().await? else {
            return Ok(BTreeMap::new());
        };
        let manifest = match self.manifest(live.manifest).await {
            Err(PublishError::Broken { key, why }) => {
                tracing::warn!(key, why, "the live manifest is broken; asking for each asset instead");
                None
            }
            other => other?,
        };
        let assets = manifest.map(|manifest| manifest.assets).unwrap_or_default();
        Ok(assets.into_iter().map(|asset| (asset.key, asset.sha256)).collect())
    }

    async fn has(&self, asset: &Asset) -> Result<bool, BucketError> {
        let head = self.bucket.head(&asset.key).await?;
        Ok(head.is_some_and(|head| head.metadata.get(META_SHA256) == Some(&asset.sha256.to_string())))
    }

    /// Sends one asset; the client retries what may pass. Returns the bytes as stored.
    async fn send(&self, asset: Asset) -> Result<u64, BucketError> {
        let (content_type, bytes) = (asset.content_type, asset.bytes.clone());
        // Off the runtime's threads: compressing a megabyte takes as long as many requests.
        let small = tokio::task::spawn_blocking(move || compressed(content_type, &bytes))
            .await
            .unwrap_or_default();
        let gzip = small.is_some();
        let bytes = small.unwrap_or(asset.bytes);
        let stored = bytes.len() as u64;
        let metadata = HashMap::from([(META_SHA256.to_owned(), asset.sha256.to_string())]);
        let content_type = content_type.to_owned();
        let object = Object {
            key: asset.key,
            bytes,
            content_type,
            cache_control: CACHE_ASSET,
            gzip,
            metadata,
        };
        self.bucket.put(object).await?;
        Ok(stored)
    }
}

pub(crate) const ASSETS: &str = "assets/";
pub(crate) const RELEASES: &str = "releases/";

pub(crate) fn manifest_key(digest: Digest) -> String {
    format!("{RELEASES}{}/manifest.json", digest.hex())
}

pub(crate) fn document_key(digest: Digest, entry: &str) -> String {
    format!("{RELEASES}{}/{entry}", digest.hex())
}

/// An object that the publisher keeps for itself.
fn plain(key: String, bytes: bytes::Bytes, content_type: &str) -> Object {
    Object {
        key,
        bytes,
        content_type: content_type.to_owned(),
        cache_control: CACHE_ENTRY,
        gzip: false,
        metadata: HashMap::new(),
    }
}
