//! Reading, writing and deleting manifests.

use super::Registry;
use super::blob::header;
use super::manifest_document::Facts;
use super::name::{Reference, Repository};
use super::refusal::Refusal;
use crate::disk;
use crate::reply::{self, Body};
use contract::Digest;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

pub const DIGEST_HEADER: HeaderName = HeaderName::from_static("docker-content-digest");
const SUBJECT_HEADER: HeaderName = HeaderName::from_static("oci-subject");
const MAX_MANIFEST_BYTES: usize = 4 << 20;

impl Registry {
    pub(super) async fn get_manifest(
        &self,
        request: &Request<Incoming>,
        name: &Repository,
        reference: &Reference,
    ) -> Result<Response<Body>, Refusal> {
        let unknown = || Refusal::manifest_unknown(&name.to_string(), &reference.to_string());
        let (manifests, wanted, repository) = (self.manifests.clone(), reference.clone(), name.clone());
        let found = disk::blocking(move || manifests.resolve(&repository, &wanted)).await?;
        let (digest, facts) = found.ok_or_else(unknown)?;
        let (file, size) = self.blobs.read(digest).await?.ok_or_else(unknown)?;
        let mut response = match *request.method() {
            Method::HEAD => reply::empty(StatusCode::OK),
            _ => reply::file(StatusCode::OK, file, size),
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
        headers.insert(CONTENT_TYPE, header(&facts.media_type)?);
        headers.insert(ETAG, header(&format!("\"{digest}\""))?);
        headers.insert(DIGEST_HEADER, header(&digest.to_string())?);
        Ok(response)
    }

    /// Everything the manifest names must be here first, so that what can be pulled by its digest can be pulled whole.
    pub(super) async fn put_manifest(
        &self,
        name: &Repository,
        reference: &Reference,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        let content_type = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let bytes = match Limited::new(request.into_body(), MAX_MANIFEST_BYTES).collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                let message = format!("a manifest may have {MAX_MANIFEST_BYTES} bytes at most");
                return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", message));
            }
            Err(error) => {
                return Err(Refusal::bad(
                    "MANIFEST_INVALID",
                    format!("the request broke off: {error}"),
                ));
            }
        };
        let digest = Digest::of(&bytes);
        if let Reference::Digest(expected) = reference
            && *expected != digest
        {
            return Err(Refusal::bad(
                "DIGEST_INVALID",
                format!("expected {expected}, found {digest}"),
            ));
        }
        let facts = Facts::of(&bytes, content_type.as_deref())?;
        let subject = facts.subject;
        self.store_manifest(name, reference, digest, facts, bytes).await?;

        let mut response = reply::empty(StatusCode::CREATED);
        let headers = response.headers_mut();
        headers.insert(LOCATION, header(&format!("/v2/{name}/manifests/{digest}"))?);
        headers.insert(DIGEST_HEADER, header(&digest.to_string())?);
        if let Some(subject) = subject {
            headers.insert(SUBJECT_HEADER, header(&subject.to_string())?);
        }
        Ok(response)
    }

    async fn store_manifest(
        &self,
        name: &Repository,
        reference: &Reference,
        digest: Digest,
        facts: Facts,
        bytes: bytes::Bytes,
    ) -> Result<(), Refusal> {
        let (blobs, manifests) = (self.blobs.clone(), self.manifests.clone());
        let (name, reference) = (name.clone(), reference.clone());
        let missing = disk::blocking(move || {
            if let Some(missing) = facts.blobs.iter().find(|blob| !blobs.has(**blob)) {
                return Ok(Some(*missing));
            }
            for manifest in &facts.manifests {
                if manifests.facts(&name, *manifest)?.is_none() {
                    return Ok(Some(*manifest));
                }
            }
            blobs.put(&bytes)?;
            manifests.put(&name, &reference, digest, &facts)?;
            Ok(None)
        });
        match missing.await? {
            None => Ok(()),
            Some(missing) => {
                let message = format!("the manifest names `{missing}`, which was not pushed before it");
                Err(Refusal::bad("MANIFEST_BLOB_UNKNOWN", message))
            }
        }
    }

    pub(super) async fn delete_manifest(
        &self,
        name: &Repository,
        reference: &Reference,
    ) -> Result<Response<Body>, Refusal> {
        let (manifests, repository, wanted) = (self.manifests.clone(), name.clone(), reference.clone());
        let removed = disk::blocking(move || match &wanted {
            Reference::Tag(tag) => manifests.remove_tag(&repository, tag),
            Reference::Digest(digest) => manifests.remove(&repository, *digest),
        });
        match removed.await? {
            true => Ok(reply::empty(StatusCode::ACCEPTED)),
            false => Err(Refusal::manifest_unknown(&name.to_string(), &reference.to_string())),
        }
    }
}
