//! Reading from a registry: whatever arrives is checked against the digest it was asked for by.

use super::auth::Access;
use super::client::{Call, Client};
use super::transport::{expect, follow, read_body};
use super::upload::header;
use super::{Problem, Repository, Result};
use crate::image::MediaType;
use contract::Digest;
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use reqwest::{Method, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

/// What registries themselves allow at most.
const MANIFEST_MAX_BYTES: u64 = 4 * 1024 * 1024;
/// From a registry to its storage, and perhaps on to a mirror.
const REDIRECTS_MAX: usize = 5;

/// A manifest as the registry stores it; its digest is that of these bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub bytes: Vec<u8>,
    pub digest: Digest,
    pub media_type: String,
}

impl Client {
    /// Whether the registry has the image of this digest.
    pub async fn exists(&self, repository: &Repository, digest: Digest) -> Result<bool> {
        Ok(self
            .resolve_for(repository, Access::Pull, &digest.to_string())
            .await?
            .is_some())
    }

    /// What a tag points to right now. `None`: there is no such tag.
    pub async fn resolve(&self, repository: &Repository, tag: &str) -> Result<Option<Digest>> {
        self.resolve_for(repository, Access::Pull, tag).await
    }

    pub(super) async fn resolve_for(
        &self,
        repository: &Repository,
        access: Access,
        name: &str,
    ) -> Result<Option<Digest>> {
        let doing = format!("look for `{name}`");
        let call = Call {
            repository,
            access,
            doing: &doing,
        };
        let Some(response) = self.manifest_response(&call, Method::HEAD, name).await? else {
            return Ok(None);
        };
        match header(response.headers(), "docker-content-digest").and_then(|text| Digest::parse(text).ok()) {
            Some(digest) => Ok(Some(digest)),
            // Not every registry says it in an answer without a body.
            None => Ok(self.read_manifest(&call, name).await?.map(|manifest| manifest.digest)),
        }
    }

    pub async fn pull_manifest(&self, repository: &Repository, digest: Digest) -> Result<Manifest> {
        let doing = format!("read manifest `{digest}`");
        let call = Call {
            repository,
            access: Access::Pull,
            doing: &doing,
        };
        let missing = || call.failed(Problem::refused(StatusCode::NOT_FOUND, None, b""));
        let manifest = self
            .read_manifest(&call, &digest.to_string())
            .await?
            .ok_or_else(missing)?;
        if manifest.digest != digest {
            return Err(call.failed(Problem::WrongBytes {
                expected: digest,
                found: manifest.digest.to_string(),
            }));
        }
        Ok(manifest)
    }

    /// Copies a blob to `sink` and gives its size. The bytes are right only once this has returned `Ok`; of a blob that is
    /// wrong or longer than `limit_bytes`, part has been written by the time that shows.
    pub async fn pull_blob(
        &self,
        repository: &Repository,
        digest: Digest,
        limit_bytes: u64,
        sink: &mut (impl AsyncWrite + Unpin),
    ) -> Result<u64> {
        let doing = format!("read blob `{}`", digest.short());
        let call = Call {
            repository,
            access: Access::Pull,
            doing: &doing,
        };
        let mut response = self
            .retry
            .run(|| self.blob_response(&call, digest, limit_bytes))
            .await?;
        let (mut hash, mut size) = (Sha256::new(), 0);
        while let Some(piece) = response
            .chunk()
            .await
            .map_err(|error| call.failed(Problem::transport(error)))?
        {
            size += piece.len() as u64;
            if size > limit_bytes {
                return Err(call.failed(Problem::TooLarge { limit_bytes }));
            }
            hash.update(&piece);
            let written = sink.write_all(&piece).await;
            written.map_err(|error| {
                call.failed(Problem::Local {
                    why: format!("cannot write it down: {error}"),
                })
            })?;
        }
        match Digest::from_sha256(hash.finalize().into()) {
            found if found == digest => Ok(size),
            found => Err(call.failed(Problem::WrongBytes {
                expected: digest,
                found: found.to_string(),
            })),
        }
    }

    /// Registries often keep blobs elsewhere, and send their readers there.
    async fn blob_response(&self, call: &Call<'_>, digest: Digest, limit_bytes: u64) -> Result<Response> {
        let mut url = call.url(&format!("blobs/{digest}"))?;
        for _ in 0..=REDIRECTS_MAX {
            let response = self
                .send(call, (Method::GET, &url, limit_bytes), |request| request)
                .await?;
            if !response.status().is_redirection() {
                return expect(response, &[StatusCode::OK])
                    .await
                    .map_err(|problem| call.failed(problem));
            }
            let missing = || {
                call.failed(Problem::Malformed {
                    why: "a redirect to nowhere".into(),
                })
            };
            let location = header(response.headers(), LOCATION.as_str()).ok_or_else(missing)?;
            url = follow(&url, location, "redirect").map_err(|problem| call.failed(problem))?;
        }
        Err(call.failed(Problem::Malformed {
            why: format!("more than {REDIRECTS_MAX} redirects"),
        }))
    }

    pub(super) async fn read_manifest(&self, call: &Call<'_>, name: &str) -> Result<Option<Manifest>> {
        let Some(response) = self.manifest_response(call, Method::GET, name).await? else {
            return Ok(None);
        };
        let media_type = header(response.headers(), CONTENT_TYPE.as_str())
            .unwrap_or_default()
            .to_owned();
        let bytes = read_body(response, MANIFEST_MAX_BYTES)
            .await
            .map_err(|problem| call.failed(problem))?;
        Ok(Some(Manifest {
            digest: Digest::of(&bytes),
            bytes,
            media_type,
        }))
    }

    async fn manifest_response(&self, call: &Call<'_>, method: Method, name: &str) -> Result<Option<Response>> {
        let url = call.url(&format!("manifests/{name}"))?;
        let accepted = [MediaType::ImageManifest, MediaType::ArtifactManifest, MediaType::Index].map(MediaType::as_str);
        let accepted = format!(
            "{}, application/vnd.docker.distribution.manifest.list.v2+json",
            accepted.join(", ")
        );
        let ask = || async {
            let request = (method.clone(), &url, 0);
            let response = self
                .send(call, request, |request| request.header(ACCEPT, accepted.as_str()))
                .await?;
            let statuses = [StatusCode::OK, StatusCode::NOT_FOUND];
            expect(response, &statuses)
                .await
                .map_err(|problem| call.failed(problem))
        };
        let response = self.retry.run(ask).await?;
        Ok((response.status() == StatusCode::OK).then_some(response))
    }
}
