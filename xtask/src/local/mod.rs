//! The local ground: everything a release needs, on one machine, under `.release/`.
//!
//! One `ground` process holds registry, bucket and edge; each host is a supervisor with its router and agent; each
//! environment has a network and its own services in containers. `up` brings back what is missing and leaves the rest
//! alone, so that it is also what mends a ground after a reboot.

mod binaries;
mod down;
pub mod environment;
mod last_failure;
mod look;
mod port;
mod process;
mod state;
pub mod storage;
mod up;

pub use down::{DownReport, down, stop};
pub use environment::GROUND_LABEL;
pub use last_failure::last_failure;
pub use look::{LogFile, logs, processes, taken_ports};
pub use process::tail;
pub use state::GroundState;
pub use up::up;

use crate::project::Project;
use crate::redact;
use contract::EnvironmentName;
use std::net::SocketAddr;
use store::S3Access;

pub const SITE_BUCKET: &str = "site";

/// A ground that is up.
#[derive(Debug, Clone)]
pub struct Ground {
    pub project: Project,
    pub state: GroundState,
}

impl Ground {
    /// `127.0.0.1:5000/shop`.
    pub fn repository(&self, app: &contract::AppName) -> String {
        format!("{}/{app}", self.state.registry)
    }

    pub fn site_url(&self) -> String {
        format!("http://{}", self.state.site)
    }

    pub fn environment_url(&self, environment: &EnvironmentName) -> Option<String> {
        self.state
            .environments
            .get(environment)
            .map(|environment| format!("http://{}", environment.balancer))
    }

    /// Each host's router.
    pub fn routers(&self, environment: &EnvironmentName) -> Vec<SocketAddr> {
        let environment = self.state.environments.get(environment);
        environment
            .map(|environment| environment.hosts.values().map(|host| host.listen).collect())
            .unwrap_or_default()
    }

    pub fn edge_admin(&self) -> SocketAddr {
        self.state.admin
    }

    /// How to reach the embedded bucket store.
    pub fn bucket_access(&self) -> anyhow::Result<S3Access> {
        let (access_key, secret_key) = self.bucket_keys()?;
        Ok(S3Access {
            region: "local".to_owned(),
            endpoint: Some(format!("http://{}", self.state.bucket)),
            keys: store::Keys::given(access_key, secret_key, None),
        })
    }

    /// Access key and secret key.
    pub fn bucket_keys(&self) -> anyhow::Result<(String, String)> {
        let path = state::folder(&self.project).join("keys");
        let text = std::fs::read_to_string(&path)
            .map_err(|error| anyhow::anyhow!("the bucket's keys `{}` cannot be read: {error}", path.display()))?;
        let mut lines = text.lines().map(str::to_owned);
        let (Some(access_key), Some(secret_key)) = (lines.next(), lines.next()) else {
            anyhow::bail!("the bucket's keys `{}` should be two lines", path.display());
        };
        redact::learn(&secret_key);
        Ok((access_key, secret_key))
    }
}
