//! What is attached to an image: through the referrers API, or in registries without it under a tag made of the digest.

use super::auth::Access;
use super::client::{Call, Client};
use super::push::Silent;
use super::transport::{expect, read_body};
use super::{Problem, PushReport, Repository, Result};
use crate::image::{Artifact, Blob, Descriptor, MediaType};
use contract::Digest;
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

const INDEX_MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Entries are kept as they are: others may have written more into them than we read.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: String,
    manifests: Vec<Value>,
}

impl Index {
    fn empty() -> Self {
        Self {
            schema_version: 2,
            media_type: MediaType::Index.as_str().to_owned(),
            manifests: Vec::new(),
        }
    }

    fn names(&self, digest: Digest) -> bool {
        self.manifests.iter().any(|entry| entry["digest"] == digest.to_string())
    }
}

/// Who keeps the list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeper {
    Registry,
    Tag,
}

impl Client {
    /// What is attached to the image of this digest.
    pub async fn referrers(&self, repository: &Repository, image: Digest) -> Result<Vec<Descriptor>> {
        let (index, _) = self.referrers_index(repository, Access::Pull, image).await?;
        // An entry that is not a descriptor as we know it (another hash, say) is not one of ours.
        Ok(index
            .manifests
            .into_iter()
            .filter_map(|entry| serde_json::from_value(entry).ok())
            .collect())
    }

    /// Attaches an artifact to an image that is there. Two who attach to one image at the same time in a registry without
    /// the API may lose one of the two; the next push puts it back.
    pub(super) async fn attach(
        &self,
        repository: &Repository,
        image: Digest,
        artifact: &Artifact,
        report: &mut PushReport,
    ) -> Result<()> {
        let blobs: Vec<&Blob> = artifact.blobs.iter().collect();
        self.push_whole(repository, (&artifact.manifest, &blobs), &Silent, report)
            .await?;
        let (mut index, keeper) = self.referrers_index(repository, Access::Push, image).await?;
        if keeper == Keeper::Registry || index.names(artifact.manifest.digest) {
            return Ok(());
        }
        let doing = format!("attach to `{}`", image.short());
        let call = Call {
            repository,
            access: Access::Push,
            doing: &doing,
        };
        let local = |error: serde_json::Error| call.failed(Problem::Local { why: error.to_string() });
        index
            .manifests
            .push(serde_json::to_value(artifact.descriptor()).map_err(local)?);
        let index = Blob::new(serde_json::to_vec(&index).map_err(local)?, MediaType::Index);
        self.put_manifest(repository, &index, &tag_for(image)).await?;
        Ok(())
    }

    async fn referrers_index(&self, repository: &Repository, access: Access, image: Digest) -> Result<(Index, Keeper)> {
        let doing = format!("list what is attached to `{}`", image.short());
        let call = Call {
            repository,
            access,
            doing: &doing,
        };
        let url = call.url(&format!("referrers/{image}"))?;
        let list = || async {
            let response = self.send(&call, (Method::GET, &url, 0), |request| request).await?;
            // Registries without the API know no such path, each in its own way.
            let without = [
                StatusCode::BAD_REQUEST,
                StatusCode::NOT_FOUND,
                StatusCode::METHOD_NOT_ALLOWED,
                StatusCode::NOT_IMPLEMENTED,
            ];
            if without.contains(&response.status()) {
                return Ok(None);
            }
            let body = match expect(response, &[StatusCode::OK]).await {
                Ok(response) => read_body(response, INDEX_MAX_BYTES).await,
                Err(problem) => Err(problem),
            };
            body.map(Some).map_err(|problem| call.failed(problem))
        };
        let (body, keeper) = match self.retry.run(list).await? {
            Some(body) => (Some(body), Keeper::Registry),
            None => (
                self.read_manifest(&call, &tag_for(image))
                    .await?
                    .map(|manifest| manifest.bytes),
                Keeper::Tag,
            ),
        };
        let malformed = |_| {
            call.failed(Problem::Malformed {
                why: "its list of what is attached is not an index".into(),
            })
        };
        let index = body.map_or_else(
            || Ok(Index::empty()),
            |body| serde_json::from_slice(&body).map_err(malformed),
        )?;
        Ok((index, keeper))
    }
}

/// `sha256-…`, as the distribution specification has it.
fn tag_for(image: Digest) -> String {
    format!("sha256-{}", image.hex())
}
