//! What images may take of a host's disk.

use serde::{Deserialize, Serialize};

/// Left out of `host.json`, these are the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageConfig {
    /// The most that images pulled by this host's agent may hold together. Those of the release and its fallback stay,
    /// however large they are.
    pub budget_mb: u64,
    /// What a pull leaves free on the engine's disk: containers write logs there, and others databases.
    pub reserve_mb: u64,
    /// A pull of which nothing came for this long is given up and begun again.
    pub stall_ms: u64,
}

impl Default for ImageConfig {
    fn default() -> Self {
        Self {
            budget_mb: 8 * 1024,
            reserve_mb: 1024,
            stall_ms: 60_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_a_default_and_what_is_unknown_is_refused() {
        let config: ImageConfig = serde_json::from_str(r#"{ "budget_mb": 100 }"#).unwrap();
        assert_eq!(
            (config.budget_mb, config.reserve_mb, config.stall_ms),
            (100, 1024, 60_000)
        );
        assert!(serde_json::from_str::<ImageConfig>(r#"{ "budget": 100 }"#).is_err());
    }
}
