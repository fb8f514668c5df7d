//! What the registry needs to know of a manifest; the bytes themselves are kept as they came.

use super::refusal::Refusal;
use contract::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const IMAGES: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
const INDEXES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// The fields we act on; a manifest may hold any others.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u32,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
    subject: Option<Descriptor>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: Digest,
    /// Content that is fetched from elsewhere, and therefore need not be here.
    #[serde(default)]
    urls: Vec<String>,
}

/// What is stored beside a manifest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Facts {
    pub media_type: String,
    pub size: u64,
    pub subject: Option<Digest>,
    pub artifact_type: Option<String>,
    pub annotations: BTreeMap<String, String>,
    /// Blobs it is made of.
    pub blobs: Vec<Digest>,
    /// Manifests it lists, if it is an index.
    pub manifests: Vec<Digest>,
}

impl Facts {
    /// `content_type` is the request's; the document may say it too, and then they must agree.
    pub fn of(bytes: &[u8], content_type: Option<&str>) -> Result<Self, Refusal> {
        let invalid = |message: String| Refusal::bad("MANIFEST_INVALID", message);
        let document: Document =
            serde_json::from_slice(bytes).map_err(|error| invalid(format!("not a manifest: {error}")))?;
        if document.schema_version != 2 {
            return Err(invalid(format!(
                "expected schemaVersion 2, found {}",
                document.schema_version
            )));
        }
        let content_type = content_type.map(|text| text.split(';').next().unwrap_or(text).trim());
        let media_type = match (content_type, document.media_type.as_deref()) {
            (Some(header), Some(inside)) if header != inside => {
                return Err(invalid(format!(
                    "Content-Type says `{header}`, mediaType says `{inside}`"
                )));
            }
            (Some(media_type), _) | (None, Some(media_type)) => media_type,
            (None, None) => return Err(invalid("neither Content-Type nor mediaType is given".to_owned())),
        };
        let (is_image, is_index) = (IMAGES.contains(&media_type), INDEXES.contains(&media_type));
        if !is_image && !is_index {
            let known = [IMAGES, INDEXES].concat().join(", ");
            return Err(invalid(format!("expected one of {known}, found `{media_type}`")));
        }
        // A document that has the other kind's fields means different images to different clients.
        if is_image && (document.config.is_none() || !document.manifests.is_empty()) {
            return Err(invalid(
                "an image manifest has `config` and `layers`, not `manifests`".to_owned(),
            ));
        }
        if is_index && (document.config.is_some() || !document.layers.is_empty()) {
            return Err(invalid(
                "an index has `manifests`, not `config` and `layers`".to_owned(),
            ));
        }
        let config_type = document.config.as_ref().map(|config| config.media_type.clone());
        let here = document
            .config
            .iter()
            .chain(&document.layers)
            .filter(|descriptor| descriptor.urls.is_empty());
        Ok(Self {
            media_type: media_type.to_owned(),
            size: bytes.len() as u64,
            subject: document.subject.as_ref().map(|subject| subject.digest),
            artifact_type: document.artifact_type.clone().or(config_type),
            annotations: document.annotations.clone(),
            blobs: here.map(|descriptor| descriptor.digest).collect(),
            manifests: document.manifests.iter().map(|descriptor| descriptor.digest).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn image() -> serde_json::Value {
        json!({"schemaVersion": 2, "mediaType": IMAGES[0],
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest::of(b"c"), "size": 1},
            "layers": [{"mediaType": "x/y", "digest": Digest::of(b"l"), "size": 1}]})
    }

    fn refusal(document: &serde_json::Value, content_type: Option<&str>) -> String {
        Facts::of(document.to_string().as_bytes(), content_type)
            .unwrap_err()
            .message
    }

    #[test]
    fn an_image_names_its_blobs() {
        let facts = Facts::of(image().to_string().as_bytes(), Some(IMAGES[0])).unwrap();
        assert_eq!(facts.blobs, [Digest::of(b"c"), Digest::of(b"l")]);
        assert_eq!(
            facts.artifact_type.as_deref(),
            Some("application/vnd.oci.image.config.v1+json")
        );
    }

    #[test]
    fn a_manifest_that_means_two_things_is_refused() {
        assert!(refusal(&image(), Some(IMAGES[1])).contains("mediaType says"));
        let mut both = image();
        both["manifests"] = json!([{"mediaType": IMAGES[0], "digest": Digest::of(b"m"), "size": 1}]);
        assert!(refusal(&both, None).contains("not `manifests`"));
        let mut index = both;
        index["mediaType"] = json!(INDEXES[0]);
        assert!(refusal(&index, None).contains("an index has"));
    }

    #[test]
    fn old_and_unknown_kinds_are_refused_by_name() {
        let mut old = image();
        old["schemaVersion"] = json!(1);
        assert!(refusal(&old, None).contains("found 1"));
        let mut other = image();
        other["mediaType"] = json!("text/plain");
        assert!(refusal(&other, None).contains("found `text/plain`"));
    }
}
