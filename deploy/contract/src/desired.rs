//! What an environment should run: written by the controller, followed by every host.

use crate::{
    AppName, Cpus, EnvironmentName, Generation, HostName, ImageRef, ParseError, ReleaseId, Replicas, RolloutId,
    SecretName, TaskId, Weight,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One environment's desired state, signed as a whole.
///
/// A rollout is a series of these with one rollout id and rising generations: first `weight` 0 (start the release beside
/// its fallback), then the canary weights, then 100 % with the fallback kept warm, and at last the settled document, in
/// which the fallback is only pinned and no lease is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Desired {
    pub contract: u32,
    pub app: AppName,
    pub environment: EnvironmentName,
    pub generation: Generation,
    pub rollout: RolloutId,
    pub issued_at: Timestamp,
    /// The newest key set of whoever signed this: a host with an earlier one looks for it in the channel.
    pub keys: u32,
    /// Who must follow and acknowledge.
    pub hosts: Vec<HostName>,
    /// What should run; `None` before the first release and while the environment is stopped.
    pub release: Option<Version>,
    /// The share of traffic for `release`; the rest is the fallback's.
    pub weight: Weight,
    /// What traffic returns to.
    pub fallback: Option<Fallback>,
    /// Whether users are kept from what fails on `release` as long as the fallback runs beside it.
    #[serde(default)]
    pub shield: bool,
    pub gate: HealthGate,
    pub drain: Drain,
    /// Present while a rollout is under way: without a newer generation within this time of receipt, the host returns to
    /// the fallback by itself and never follows this rollout id again.
    pub lease_ttl_ms: Option<u64>,
    /// To be run once, by the host it names, before anything else in this document is acted on.
    pub task: Option<Task>,
}

/// One release as a host runs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    pub release: ReleaseId,
    pub commit: String,
    pub image: ImageRef,
    /// What the registry sends for it: compressed, without what a host may have already. `None` where nobody counted.
    pub image_bytes: Option<u64>,
    /// The port the container listens on.
    pub port: u16,
    /// Configuration that may be read by anyone.
    pub env: BTreeMap<String, String>,
    /// Configuration that may not: the host looks each up by name and version.
    pub secrets: Vec<SecretRef>,
    /// On each host, each with the limits below.
    #[serde(default)]
    pub replicas: Replicas,
    pub memory_mb: Option<u64>,
    pub cpus: Option<Cpus>,
}

/// `NAME@version`: which secret, never what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretRef {
    pub name: SecretName,
    pub version: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fallback {
    pub version: Version,
    pub keep: Keep,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Its container runs, ready to take all traffic at once.
    Warm,
    /// Its image stays on the host; its container may go.
    Pinned,
}

/// When a version counts as ready, and for how long a host waits for that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthGate {
    /// Decides about restarts: the process is alive.
    pub live_path: String,
    /// Decides about the gate and about routing: the process can serve.
    pub ready_path: String,
    pub interval_ms: u64,
    pub timeout_ms: u64,
    /// Ready this many times in a row before it takes traffic.
    pub passes: u32,
    /// Not ready by then: failed.
    pub deadline_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// How long requests in flight may take once no new ones arrive.
    pub requests_ms: u64,
    /// How long a process has between SIGTERM and SIGKILL.
    pub stop_ms: u64,
}

/// A one-shot command in a container of its own, such as a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    pub id: TaskId,
    pub host: HostName,
    pub version: Version,
    /// Arguments to the image's entry point.
    pub command: Vec<String>,
    pub timeout_ms: u64,
}

impl SecretRef {
    /// As people write it: `NAME@3`, or `NAME` for its first version.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let (name, version) = text.split_once('@').unwrap_or((text, "1"));
        let is_plain = !version.starts_with('0') && version.bytes().all(|byte| byte.is_ascii_digit());
        let version = version.parse().ok().filter(|_| is_plain);
        match (SecretName::parse(name), version) {
            (Ok(name), Some(version)) => Ok(Self { name, version }),
            _ => Err(ParseError::new(
                "a secret's name (upper-case letters, digits and underscores, at most 80), and `@` with its version if it \
                 is not the first",
                text,
            )),
        }
    }
}

impl Desired {
    /// The version named by `release`, wherever it stands in the document.
    pub fn version(&self, release: ReleaseId) -> Option<&Version> {
        let fallback = self.fallback.as_ref().map(|fallback| &fallback.version);
        self.release
            .iter()
            .chain(fallback)
            .find(|version| version.release == release)
    }

    /// The version that takes what the candidate does not.
    pub fn warm_fallback(&self) -> Option<&Version> {
        self.fallback
            .as_ref()
            .filter(|fallback| fallback.keep == Keep::Warm)
            .map(|fallback| &fallback.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_with_its_version_unless_that_is_the_first() {
        let parsed = |text| SecretRef::parse(text).map(|secret| (secret.name.to_string(), secret.version));
        assert_eq!(parsed("JWT_KEY"), Ok(("JWT_KEY".to_owned(), 1)));
        assert_eq!(parsed("JWT_KEY@27"), Ok(("JWT_KEY".to_owned(), 27)));
        for bad in [
            "",
            "@1",
            "key",
            "KEY@",
            "KEY@0",
            "KEY@01",
            "KEY@+1",
            "KEY@-1",
            "KEY@4294967296",
            "KEY@1@2",
            "KEY @1",
        ] {
            assert!(SecretRef::parse(bad).is_err(), "`{bad}` was accepted");
        }
    }
}
