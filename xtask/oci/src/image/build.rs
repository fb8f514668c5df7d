//! The one way from a spec to an image.

use super::{Artifact, Blob, Bom, FileEntry, Layer, config, manifest};
use contract::Digest;
use std::collections::BTreeMap;
use std::time::Duration;

/// What an image (linux/amd64) should hold and run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageSpec {
    /// Lowest first. What changes most goes last, so that the layers below are uploaded and pulled once.
    pub layers: Vec<Vec<FileEntry>>,
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub user: String,
    pub working_dir: String,
    pub exposed_ports: Vec<u16>,
    pub healthcheck: Option<HealthCheck>,
    pub labels: BTreeMap<String, String>,
    /// Attached to the image, not part of it: the image's digest does not depend on it.
    pub sbom: Option<Bom>,
}

/// How the engine asks a container whether it is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// A program and its arguments; exit code 0 is well.
    pub test: Vec<String>,
    pub interval: Duration,
    pub timeout: Duration,
    /// Failures in this time after the start do not count.
    pub start_period: Duration,
    pub retries: u32,
}

/// An image as a registry stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltImage {
    pub manifest: Blob,
    pub config: Blob,
    pub layers: Vec<Layer>,
    pub sbom: Option<Artifact>,
}

impl BuiltImage {
    /// What the image is known by everywhere.
    pub fn digest(&self) -> Digest {
        self.manifest.digest
    }

    /// What a registry stores of the image itself.
    pub fn size(&self) -> u64 {
        self.manifest.size() + self.blobs().map(Blob::size).sum::<u64>()
    }

    /// Everything the manifest names: layers, then config.
    pub fn blobs(&self) -> impl Iterator<Item = &Blob> {
        self.layers.iter().map(|layer| &layer.blob).chain([&self.config])
    }
}

#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    #[error("cannot put `{path}` into an image: expected an absolute path without `.`, `..`, `.wh.` or empty parts")]
    Path { path: String },
    #[error("`{path}` is twice in one layer of the image: expected each path once")]
    Twice { path: String },
    #[error("cannot archive `{path}`: {why}")]
    Archive { path: String, why: String },
    #[error("cannot write the image's {document}: {why}")]
    Document { document: &'static str, why: String },
}

impl AssemblyError {
    pub(super) fn archive(path: &str, error: &std::io::Error) -> Self {
        Self::Archive {
            path: path.to_owned(),
            why: error.to_string(),
        }
    }

    pub(super) fn document(document: &'static str, error: &serde_json::Error) -> Self {
        Self::Document {
            document,
            why: error.to_string(),
        }
    }
}

/// Pure: the same spec gives the same bytes, whatever the machine, the time, or the order of a layer's files.
pub fn build(spec: &ImageSpec) -> Result<BuiltImage, AssemblyError> {
    let layers = spec
        .layers
        .iter()
        .map(|entries| Layer::build(entries))
        .collect::<Result<Vec<_>, _>>()?;
    let config = config::blob(spec, &layers)?;
    let manifest = manifest::of_image(&config, &layers)?;
    let sbom = spec
        .sbom
        .as_ref()
        .map(|bom| manifest::of_sbom(bom, &manifest))
        .transpose()?;
    Ok(BuiltImage {
        manifest,
        config,
        layers,
        sbom,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Package;
    use serde_json::{Value, json};

    fn spec() -> ImageSpec {
        let entry = |name: &str| FileEntry::file(format!("/etc/{name}"), name.to_owned());
        ImageSpec {
            layers: vec![
                vec![entry("a"), entry("b")],
                vec![FileEntry::executable("/shop", "binary")],
            ],
            entrypoint: vec!["/shop".into()],
            cmd: vec!["serve".into()],
            env: BTreeMap::from([("TZ".into(), "Asia/Seoul".into()), ("A".into(), "=1".into())]),
            user: "65532:65532".into(),
            working_dir: "/".into(),
            exposed_ports: vec![8080],
            healthcheck: Some(HealthCheck {
                test: vec!["/shop".into(), "healthcheck".into()],
                interval: Duration::from_secs(2),
                timeout: Duration::from_secs(1),
                start_period: Duration::from_secs(5),
                retries: 3,
            }),
            labels: BTreeMap::from([("a".into(), "b".into())]),
            sbom: None,
        }
    }

    #[test]
    fn the_same_spec_is_the_same_image_and_the_order_of_files_does_not_show() {
        let first = build(&spec()).unwrap();
        let mut again = spec();
        again.layers[0].reverse();
        assert_eq!(build(&again).unwrap(), first);
        // A digest that changes without its inputs would make every host pull every image again: a library that begins
        // to write other bytes should be noticed here.
        let digest = "sha256:de560cdf2bd9680ba92cc3da4374b7105cfec68f02cd44124100bd8104c0bd80";
        assert_eq!(first.digest().to_string(), digest);
    }

    #[test]
    fn an_edited_binary_changes_the_last_layer_only() {
        let first = build(&spec()).unwrap();
        let mut edited = spec();
        edited.layers[1] = vec![FileEntry::executable("/shop", "edited")];
        let second = build(&edited).unwrap();
        assert_eq!(first.layers[0], second.layers[0]);
        assert_ne!(first.layers[1], second.layers[1]);
        assert_ne!(first.digest(), second.digest());
    }

    #[test]
    fn the_config_says_what_docker_reads() {
        let image = build(&spec()).unwrap();
        let config: Value = serde_json::from_slice(&image.config.bytes).unwrap();
        let expected = json!({
            "architecture": "amd64", "os": "linux", "created": "1970-01-01T00:00:00Z",
            "config": {
                "User": "65532:65532", "ExposedPorts": { "8080/tcp": {} }, "Env": ["A==1", "TZ=Asia/Seoul"],
                "Entrypoint": ["/shop"], "Cmd": ["serve"], "WorkingDir": "/", "Labels": { "a": "b" },
                "Healthcheck": {
                    "Test": ["CMD", "/shop", "healthcheck"], "Interval": 2_000_000_000_u64, "Timeout": 1_000_000_000_u64,
                    "StartPeriod": 5_000_000_000_u64, "Retries": 3
                },
            },
            "rootfs": { "type": "layers", "diff_ids": [image.layers[0].diff_id, image.layers[1].diff_id] },
            "history": [
                { "created": "1970-01-01T00:00:00Z", "created_by": "layer 1 of 2" },
                { "created": "1970-01-01T00:00:00Z", "created_by": "layer 2 of 2" },
            ],
        });
        assert_eq!(config, expected);
    }

    #[test]
    fn a_bill_of_materials_names_the_image_and_leaves_its_digest_alone() {
        let plain = build(&spec()).unwrap();
        let package = Package {
            name: "a".into(),
            version: "1.0.0".into(),
            licence: None,
            source: None,
        };
        let bom = Bom {
            name: "shop".into(),
            version: "0.1.0".into(),
            packages: vec![package],
        };
        let image = build(&ImageSpec {
            sbom: Some(bom),
            ..spec()
        })
        .unwrap();
        assert_eq!(image.digest(), plain.digest());

        let sbom = image.sbom.unwrap();
        let manifest: Value = serde_json::from_slice(&sbom.manifest.bytes).unwrap();
        assert_eq!(manifest["artifactType"], "application/vnd.cyclonedx+json");
        let subject = json!({
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "digest": plain.digest(), "size": plain.manifest.bytes.len(),
        });
        assert_eq!(manifest["subject"], subject);
        assert_eq!(manifest["layers"][0]["digest"], json!(sbom.blobs[1].digest));
        assert_eq!(manifest["config"]["digest"], json!(Digest::of(b"{}")));
    }
}
