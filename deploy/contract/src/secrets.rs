//! Where a host finds secrets.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A path, or `{ "ssm": { … } }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a folder, or `ssm` with `prefix`, `region` and, if need be, `endpoint`"
)]
pub enum SecretsPlace {
    /// Holds one file `NAME@version` a secret, readable by the owner only.
    Directory(PathBuf),
    Ssm {
        ssm: SsmPlace,
    },
}

/// The Parameter Store of AWS Systems Manager: `NAME@3` is version 3 of the parameter `PREFIX/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SsmPlace {
    /// With its first slash: `/shop/production`.
    pub prefix: String,
    pub region: String,
    /// Anything but AWS itself.
    pub endpoint: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_folder_or_a_prefix_and_nothing_else() {
        let read = |text: &str| serde_json::from_str::<SecretsPlace>(text);
        assert_eq!(read(r#""secrets""#).unwrap(), SecretsPlace::Directory("secrets".into()));
        let ssm = read(r#"{ "ssm": { "prefix": "/shop", "region": "us-east-1" } }"#).unwrap();
        assert!(matches!(ssm, SecretsPlace::Ssm { ssm } if ssm.prefix == "/shop" && ssm.endpoint.is_none()));
        let error = read(r#"{ "ssm": { "prefix": "/shop" } }"#).unwrap_err().to_string();
        assert!(error.contains("expected a folder, or `ssm`"), "{error}");
    }
}
