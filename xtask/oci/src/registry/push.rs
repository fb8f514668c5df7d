//! An image into a registry: only what is not there yet, and the manifest last.

use super::auth::Access;
use super::client::{Call, Client};
use super::transport::expect;
use super::upload::{Upload, check_digest};
use super::{Repository, Result};
use crate::image::{Blob, BuiltImage};
use contract::Digest;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Blobs on their way at once: more would only share the same line.
const BLOBS_AT_ONCE: usize = 2;
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Told how a push goes, a few times a second.
pub trait Progress: Send + Sync {
    /// How many bytes there are to send; the rest is there already.
    fn total(&self, bytes: u64);
    /// How many of them were sent. Falls back when a lost connection lost some.
    fn bytes(&self, sent: u64);
}

/// For those who do not want to know.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn total(&self, _: u64) {}
    fn bytes(&self, _: u64) {}
}

/// What a push did. Bytes are those of blobs and manifests, each counted once however often it had to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushReport {
    pub digest: Digest,
    pub uploaded_bytes: u64,
    pub skipped_bytes: u64,
    pub blobs_uploaded: usize,
    pub blobs_skipped: usize,
}

impl Client {
    /// When this returns, the registry has the image whole, under its digest and each of `tags`. Interrupted at any
    /// point it leaves no half image: a manifest goes up only after everything it names.
    pub async fn push(
        &self,
        repository: &Repository,
        image: &BuiltImage,
        tags: &[&str],
        progress: &dyn Progress,
    ) -> Result<PushReport> {
        let digest = image.digest();
        let mut report = PushReport {
            digest,
            uploaded_bytes: 0,
            skipped_bytes: 0,
            blobs_uploaded: 0,
            blobs_skipped: 0,
        };
        let blobs: Vec<&Blob> = image.blobs().collect();
        self.push_whole(repository, (&image.manifest, &blobs), progress, &mut report)
            .await?;
        for tag in tags {
            if self.resolve_for(repository, Access::Push, tag).await? != Some(digest) {
                self.put_manifest(repository, &image.manifest, tag).await?;
            }
        }
        if let Some(sbom) = &image.sbom {
            self.attach(repository, digest, sbom, &mut report).await?;
        }
        Ok(report)
    }

    /// A manifest and what it names. One that is there already has all that it names: registries see to that.
    pub(super) async fn push_whole(
        &self,
        repository: &Repository,
        (manifest, blobs): (&Blob, &[&Blob]),
        progress: &dyn Progress,
        report: &mut PushReport,
    ) -> Result<()> {
        let mut blobs = blobs.to_vec();
        blobs.sort_by_key(|blob| blob.digest);
        blobs.dedup_by_key(|blob| blob.digest);
        let name = manifest.digest.to_string();
        if self.resolve_for(repository, Access::Push, &name).await?.is_some() {
            report.skip(&blobs);
            report.skipped_bytes += manifest.size();
            progress.total(0);
            return Ok(());
        }
        let missing = self.missing(repository, &blobs).await?;
        report.skip(
            &blobs
                .into_iter()
                .filter(|blob| !missing.contains(blob))
                .collect::<Vec<_>>(),
        );
        self.upload(repository, &missing, progress).await?;
        report.blobs_uploaded += missing.len();
        report.uploaded_bytes += missing.iter().map(|blob| blob.size()).sum::<u64>();
        self.put_manifest(repository, manifest, &name).await?;
        report.uploaded_bytes += manifest.size();
        Ok(())
    }

    async fn missing<'b>(&self, repository: &Repository, blobs: &[&'b Blob]) -> Result<Vec<&'b Blob>> {
        let call = Call {
            repository,
            access: Access::Push,
            doing: "look for blobs",
        };
        let found = stream::iter(blobs.iter().copied())
            .map(|blob| async move { Ok((blob, self.has_blob(&call, blob.digest).await?)) })
            .buffered(BLOBS_AT_ONCE);
        let found: Vec<(&Blob, bool)> = found.try_collect().await?;
        Ok(found
            .into_iter()
            .filter(|(_, there)| !there)
            .map(|(blob, _)| blob)
            .collect())
    }

    async fn upload(&self, repository: &Repository, blobs: &[&Blob], progress: &dyn Progress) -> Result<()> {
        let sent: Vec<Arc<AtomicU64>> = blobs.iter().map(|_| Arc::default()).collect();
        let total = || sent.iter().map(|sent| sent.load(Ordering::Relaxed)).sum();
        progress.total(blobs.iter().map(|blob| blob.size()).sum());
        let uploads = stream::iter(blobs.iter().zip(&sent))
            .map(|(blob, sent)| async move {
                let doing = format!("upload blob `{}`", blob.digest.short());
                let call = Call {
                    repository,
                    access: Access::Push,
                    doing: &doing,
                };
                Upload::new(self, call, blob, Arc::clone(sent)).run().await
            })
            .buffer_unordered(BLOBS_AT_ONCE);
        let mut uploads = std::pin::pin!(uploads.try_collect::<()>());
        let mut ticks = tokio::time::interval(PROGRESS_EVERY);
        loop {
            tokio::select! {
                outcome = &mut uploads => {
                    progress.bytes(total());
                    return outcome;
                }
                _ = ticks.tick() => progress.bytes(total()),
            }
        }
    }

    /// Stores a manifest under `name`, its digest or a tag; gives the headers of the answer.
    pub(super) async fn put_manifest(&self, repository: &Repository, manifest: &Blob, name: &str) -> Result<HeaderMap> {
        let doing = format!("store manifest `{name}`");
        let call = Call {
            repository,
            access: Access::Push,
            doing: &doing,
        };
        let url = call.url(&format!("manifests/{name}"))?;
        let put = || async {
            let request = (Method::PUT, &url, manifest.size());
            let response = self.send(&call, request, |request| {
                request
                    .header(CONTENT_TYPE, manifest.media_type.as_str())
                    .body(manifest.bytes.clone())
            });
            let response = expect(response.await?, &[StatusCode::CREATED]).await;
            let response = response.map_err(|problem| call.failed(problem))?;
            check_digest(manifest, response.headers()).map_err(|problem| call.failed(problem))?;
            Ok(response.headers().clone())
        };
        self.retry.run(put).await
    }

    pub(super) async fn has_blob(&self, call: &Call<'_>, digest: Digest) -> Result<bool> {
        let url = call.url(&format!("blobs/{digest}"))?;
        // Registries that keep blobs elsewhere answer with a redirect to one that is there.
        let statuses = [StatusCode::OK, StatusCode::TEMPORARY_REDIRECT, StatusCode::NOT_FOUND];
        let response = self.retry.run(|| self.ask(call, Method::HEAD, &url, &statuses)).await?;
        Ok(response.status() != StatusCode::NOT_FOUND)
    }
}

impl PushReport {
    fn skip(&mut self, blobs: &[&Blob]) {
        self.blobs_skipped += blobs.len();
        self.skipped_bytes += blobs.iter().map(|blob| blob.size()).sum::<u64>();
    }
}
