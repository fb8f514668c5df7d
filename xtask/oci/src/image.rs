//! From what an image should hold to the blobs a registry stores.

mod build;
mod config;
mod layer;
mod manifest;
mod media;
mod sbom;

pub use build::{AssemblyError, BuiltImage, HealthCheck, ImageSpec, build};
pub use layer::{Content, FileEntry, Layer};
pub use manifest::{Artifact, Descriptor};
pub use media::MediaType;
pub use sbom::{Bom, Package};

use bytes::Bytes;
use contract::Digest;
use std::fmt;

/// Bytes as a registry stores them.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob {
    pub bytes: Bytes,
    pub digest: Digest,
    pub media_type: MediaType,
}

impl Blob {
    pub fn new(bytes: impl Into<Bytes>, media_type: MediaType) -> Self {
        let bytes = bytes.into();
        Self {
            digest: Digest::of(&bytes),
            bytes,
            media_type,
        }
    }

    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(self.media_type.as_str(), self.digest, self.size())
    }
}

/// Without the bytes: they may be millions.
impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Blob({}, {} bytes, {})",
            self.digest,
            self.bytes.len(),
            self.media_type.as_str()
        )
    }
}
