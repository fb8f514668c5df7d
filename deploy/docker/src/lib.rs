//! The Docker engine, as the release tool and the agents use it: a thin layer over its API.
//!
//! It adds what every caller needs and the API does not give: errors that say what to type, removal that is fine with what
//! is already gone, deadlines on everything that waits, and evidence (last probe, exit code, last log lines) when a container
//! does not become healthy. It decides nothing: no retries, no clean-up that was not asked for.

mod build;
mod container;
mod ended;
mod engine;
mod exec;
mod files;
mod health;
mod image;
mod listing;
mod logs;
mod network;
mod pull;
mod push;
mod spec;
mod state;
mod volume;

pub use build::{Build, BuildOptions};
pub use ended::Ended;
pub use engine::{DataRoot, Docker, EngineError, OLDEST_API, ReadWrite, Stream};
pub use exec::Executed;
pub use files::Owner;
pub use health::Unhealthy;
pub use listing::ImageSummary;
pub use logs::LinesWanted;
pub use network::Network;
pub use pull::{Patience, Pulled};
pub use push::Pushed;
pub use spec::{ContainerSpec, HealthCheck, MOST_PROCESSES, PublishedPort, Restart};
pub use state::{ContainerState, ContainerSummary, Status};

/// Labels of a container, network, volume or image.
pub type Labels = std::collections::BTreeMap<String, String>;
