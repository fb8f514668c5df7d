//! Where questions look: the agent's memory, the router and the engine of this host, and never beyond it.

use crate::containers::{self, Found};
use crate::reach::Reach;
use crate::state::{self, Memory};
use anyhow::{Result, anyhow};
use contract::{Desired, HostConfig, ReleaseId};
use docker::Docker;
use serde::Serialize;
use std::time::Duration;

const ENGINE_TIMEOUT: Duration = Duration::from_secs(10);

/// What somebody said, or why nothing came.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer<T> {
    Given(T),
    Silent(String),
}

impl<T> Answer<T> {
    pub fn of(result: Result<T>) -> Self {
        match result {
            Ok(found) => Self::Given(found),
            Err(error) => Self::Silent(format!("{error:#}")),
        }
    }
}

/// What a version is on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    Candidate,
    Stable,
    /// No document names it any more: it drains, or waits to be removed.
    Leaving,
}

impl Part {
    pub fn of(release: ReleaseId, document: Option<&Desired>) -> Self {
        let Some(document) = document else { return Self::Leaving };
        let is_new = document
            .release
            .as_ref()
            .is_some_and(|version| version.release == release);
        let fallback = document.warm_fallback().map(|version| version.release);
        match fallback {
            Some(fallback) if fallback == release => Self::Stable,
            Some(_) if is_new => Self::Candidate,
            None if is_new => Self::Stable,
            _ => Self::Leaving,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Candidate => "candidate",
            Self::Stable => "stable",
            Self::Leaving => "leaving",
        }
    }
}

/// Left as it is, also where it cannot be used: setting it aside is the agent's.
pub fn memory(config: &HostConfig) -> Result<Memory> {
    Ok(state::read(&config.agent_state)?.unwrap_or_default())
}

pub async fn engine(reach: &dyn Reach) -> Result<Docker> {
    in_time(reach.engine()).await
}

/// Every version's container, and whether it passed its gate.
pub async fn versions(docker: &Docker, config: &HostConfig) -> Result<Vec<(Found, bool)>> {
    in_time(async {
        let mut seen = Vec::new();
        for summary in containers::list(docker, config).await? {
            if let Some(found) = containers::look(docker, &summary).await? {
                let proven = containers::is_proven(docker, &summary.id).await?;
                seen.push((found, proven));
            }
        }
        Ok(seen)
    })
    .await
}

async fn in_time<T>(asked: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| {
        anyhow!(
            "the Docker engine gives no answer within {} s",
            ENGINE_TIMEOUT.as_secs()
        )
    };
    tokio::time::timeout(ENGINE_TIMEOUT, asked).await.map_err(late)?
}
