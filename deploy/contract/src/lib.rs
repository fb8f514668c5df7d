//! What the release tool, agents and routers say to each other, and nothing else: no I/O, no async.
//!
//! The controller publishes a signed [`Desired`] document per environment; each host's agent answers with an
//! [`Observed`] document, and tells its router the [`Table`] to split traffic by. What an operator wants to hear for a
//! while, such as the app's log lines, is [`Asked`] beside that and [`Said`] in parts. A [`HostConfig`] tells the processes of
//! one host who they are.

mod asked;
mod counts;
mod cpus;
mod desired;
mod digest;
mod generation;
mod ground;
mod host;
mod ids;
mod images;
pub mod judge;
mod keychain;
mod latency;
mod names;
mod network;
mod observed;
mod process;
mod replicas;
mod router;
mod secrets;
mod signature;
mod table;
mod weight;

pub use asked::{Asked, LogsAsked, Said, SaidLine};
pub use counts::Counts;
pub use cpus::Cpus;
pub use desired::{Desired, Drain, Fallback, HealthGate, Keep, SecretRef, Task, Version};
pub use digest::{Digest, ImageRef};
pub use generation::{Fence, Generation};
pub use ground::{BalancerConfig, BucketConfig, BucketGuest, EdgeConfig, GroundConfig, RegistryConfig};
pub use host::{ChannelPlace, ContainerConfig, HostConfig, PortRange};
pub use ids::{AskId, ReleaseId, RolloutId, TaskId};
pub use images::ImageConfig;
pub use keychain::{KeyChain, KeyChainError};
pub use latency::Latency;
pub use names::{AppName, EnvironmentName, HostName, SecretName};
pub use network::Network;
pub use observed::{
    Evidence, Failure, FailureKind, Health, Observed, ObservedReplica, ObservedVersion, Refusal, RouterReport,
    TaskResult,
};
pub use process::{ProcessRecord, SupervisorRecord};
pub use replicas::Replicas;
pub use router::{AccessLog, PathPrefix, RouterConfig, SiteHost, TlsFiles};
pub use secrets::{SecretsPlace, SsmPlace};
pub use signature::{Envelope, KeyId, KeySet, PublicKey, SignatureError, SigningKey};
pub use table::{Backend, Hold, Replica, ReplicaStatus, Role, RouterStatus, Table, TableLease, VersionStatus};
pub use weight::Weight;

/// The version of these types. A reader accepts its own version and the one before it, and refuses a later one by name.
pub const CONTRACT_VERSION: u32 = 1;

/// The environment variables through which a container learns what it is; they are not compiled into the binary, so
/// that the same commit always gives the same image.
pub const ENV_RELEASE: &str = "RELEASE_ID";
pub const ENV_COMMIT: &str = "RELEASE_COMMIT";

/// A request with this header, naming a release, is answered by that release whatever the weights say.
pub const TESTER_HEADER: &str = "x-release";

/// A text that was not of the form its type asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found `{found}`")]
pub struct ParseError {
    pub expected: &'static str,
    pub found: String,
}

impl ParseError {
    pub(crate) fn new(expected: &'static str, found: &str) -> Self {
        // What came from outside may be of any length; an error message may not.
        Self {
            expected,
            found: found.chars().take(100).collect(),
        }
    }
}

/// Implements `Display`, `FromStr`, and serde as a string for a newtype with `as_text(&self)` and `parse(&str)`.
macro_rules! text_type {
    ($type:ty) => {
        impl std::str::FromStr for $type {
            type Err = $crate::ParseError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use text_type;
