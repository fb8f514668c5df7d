//! Manifests: the documents whose digest is an image's or an artifact's name.

use super::{AssemblyError, Blob, Bom, Layer, MediaType, sbom};
use contract::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a manifest says of a blob, and an index of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }
}

/// Something attached to an image: a manifest of its own, which names the image as its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    pub manifest: Blob,
    pub artifact_type: &'static str,
    pub blobs: Vec<Blob>,
}

impl Artifact {
    /// How an index names it.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor {
            artifact_type: Some(self.artifact_type.to_owned()),
            ..self.manifest.descriptor()
        }
    }
}

pub(super) fn of_image(config: &Blob, layers: &[Layer]) -> Result<Blob, AssemblyError> {
    let manifest = Manifest {
        schema_version: 2,
        media_type: MediaType::ImageManifest.as_str(),
        artifact_type: None,
        config: config.descriptor(),
        layers: layers.iter().map(|layer| layer.blob.descriptor()).collect(),
        subject: None,
    };
    manifest.blob(MediaType::ImageManifest)
}

/// The bill of materials as an artifact of `image`.
pub(super) fn of_sbom(bom: &Bom, image: &Blob) -> Result<Artifact, AssemblyError> {
    let document = Blob::new(sbom::document(bom)?, MediaType::CycloneDx);
    let config = Blob::new("{}", MediaType::Empty);
    let manifest = Manifest {
        schema_version: 2,
        media_type: MediaType::ArtifactManifest.as_str(),
        artifact_type: Some(MediaType::CycloneDx.as_str()),
        config: config.descriptor(),
        layers: vec![Descriptor {
            annotations: BTreeMap::from([("org.opencontainers.image.title".into(), "sbom.cdx.json".into())]),
            ..document.descriptor()
        }],
        subject: Some(image.descriptor()),
    };
    Ok(Artifact {
        manifest: manifest.blob(MediaType::ArtifactManifest)?,
        artifact_type: MediaType::CycloneDx.as_str(),
        blobs: vec![config, document],
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<&'static str>,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Descriptor>,
}

impl Manifest {
    fn blob(&self, media_type: MediaType) -> Result<Blob, AssemblyError> {
        let bytes = serde_json::to_vec(self).map_err(|error| AssemblyError::document("manifest", &error))?;
        Ok(Blob::new(bytes, media_type))
    }
}
