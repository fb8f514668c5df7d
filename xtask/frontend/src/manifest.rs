//! What a front end consists of. The digest of a manifest's bytes is the front end's identity.

use contract::Digest;
use serde::{Deserialize, Serialize};

/// Ordered by path and free of times and machines: the same files give the same bytes anywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub version: u32,
    pub entry: ManifestEntry,
    pub assets: Vec<ManifestAsset>,
}

/// The entry document as users get it, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestEntry {
    pub path: String,
    pub sha256: Digest,
    pub size: u64,
}

/// An asset as users get it, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestAsset {
    /// In the source folder.
    pub path: String,
    /// In the bucket.
    pub key: String,
    pub sha256: Digest,
    pub size: u64,
    #[serde(rename = "type")]
    pub content_type: String,
}

impl Manifest {
    pub const VERSION: u32 = 1;

    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The manifest in these bytes, if they are the ones that `digest` names.
    pub fn parse(bytes: &[u8], digest: Digest) -> Result<Self, String> {
        let found = Digest::of(bytes);
        if found != digest {
            return Err(format!("expected bytes with digest `{digest}`, found `{found}`"));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if manifest.version != Self::VERSION {
            return Err(format!(
                "expected manifest version {}, found {}",
                Self::VERSION,
                manifest.version
            ));
        }
        Ok(manifest)
    }
}
