//! What a repository holds: its tags, and what refers to a manifest.

use super::Registry;
use super::blob::header;
use super::name::Repository;
use super::query::parameter;
use super::refusal::Refusal;
use crate::disk;
use crate::reply::{self, Body};
use contract::Digest;
use http::header::LINK;
use http::{HeaderName, HeaderValue, Response, StatusCode, Uri};
use serde_json::json;

const FILTERS_HEADER: HeaderName = HeaderName::from_static("oci-filters-applied");
const MAX_TAGS_A_PAGE: usize = 1_000;

impl Registry {
    pub(super) async fn list_tags(&self, name: &Repository, uri: &Uri) -> Result<Response<Body>, Refusal> {
        let (manifests, repository) = (self.manifests.clone(), name.clone());
        let tags = disk::blocking(move || match manifests.knows(&repository) {
            true => manifests.tags(&repository).map(Some),
            false => Ok(None),
        });
        let tags = tags.await?.ok_or_else(|| {
            Refusal::new(
                StatusCode::NOT_FOUND,
                "NAME_UNKNOWN",
                format!("no repository `{name}` in this registry"),
            )
        })?;
        let asked = parameter(uri, "n")
            .and_then(|n| n.parse().ok())
            .unwrap_or(MAX_TAGS_A_PAGE);
        let page_size = asked.min(MAX_TAGS_A_PAGE);
        let last = parameter(uri, "last").unwrap_or_default();
        let mut after = tags.into_iter().filter(|tag| last.is_empty() || *tag > last);
        let page: Vec<String> = after.by_ref().take(page_size).collect();
        let mut response = reply::json(StatusCode::OK, &json!({"name": name.to_string(), "tags": page}));
        if let (Some(last), Some(_)) = (page.last(), after.next()) {
            let link = format!("</v2/{name}/tags/list?n={page_size}&last={last}>; rel=\"next\"");
            response.headers_mut().insert(LINK, header(&link)?);
        }
        Ok(response)
    }

    /// An index of what names this digest as its subject; empty, not an error, where nothing does.
    pub(super) async fn referrers(
        &self,
        name: &Repository,
        subject: Digest,
        uri: &Uri,
    ) -> Result<Response<Body>, Refusal> {
        let (manifests, repository) = (self.manifests.clone(), name.clone());
        let found = disk::blocking(move || manifests.referrers(&repository, subject)).await?;
        let wanted = parameter(uri, "artifactType");
        let fits = |artifact_type: &Option<String>| wanted.is_none() || *artifact_type == wanted;
        let descriptors: Vec<_> = found
            .into_iter()
            .filter(|(_, facts)| fits(&facts.artifact_type))
            .map(|(digest, facts)| {
                json!({"mediaType": facts.media_type, "digest": digest, "size": facts.size,
                    "artifactType": facts.artifact_type, "annotations": facts.annotations})
            })
            .collect();
        let media_type = "application/vnd.oci.image.index.v1+json";
        let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": descriptors});
        let mut response = reply::bytes(StatusCode::OK, media_type, index.to_string());
        if wanted.is_some() {
            response
                .headers_mut()
                .insert(FILTERS_HEADER, HeaderValue::from_static("artifactType"));
        }
        Ok(response)
    }
}
