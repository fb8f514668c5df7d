//! Brings a version up beside what runs: image, secrets, a free port, a container.

use crate::agent::Event;
use crate::containers;
use crate::ports;
use crate::reach::Reach;
use crate::secrets;
use crate::world::Slot;
use anyhow::{Context as _, Result, bail};
use contract::{FailureKind, HostConfig, RolloutId};
use docker::{ContainerSpec, Docker};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::mpsc;

/// More than one may be taken between looking and binding; all of them never are.
const PORT_ATTEMPTS: usize = 5;

/// What jobs work with.
#[derive(Debug, Clone)]
pub struct Tools {
    pub docker: Docker,
    pub config: Arc<HostConfig>,
    pub reach: Arc<dyn Reach>,
    pub events: mpsc::Sender<Event>,
}

/// Why work was not done, in the report's terms.
#[derive(Debug)]
pub struct Trouble {
    pub kind: FailureKind,
    pub error: anyhow::Error,
    /// The engine did not answer: that says nothing about the release, and is tried again.
    pub is_passing: bool,
}

impl Tools {
    pub async fn trouble(&self, kind: FailureKind, error: anyhow::Error) -> Trouble {
        let is_passing = self.docker.api().ping().await.is_err();
        Trouble {
            kind,
            error,
            is_passing,
        }
    }

    pub async fn start(&self, slot: Slot<'_>, rollout: RolloutId) -> Result<(), Trouble> {
        if let Err((kind, error)) = self.fetch(slot.version).await {
            return Err(self.trouble(kind, error).await);
        }
        match self.run(slot, rollout).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.trouble(FailureKind::Start, error).await),
        }
    }

    async fn run(&self, slot: Slot<'_>, rollout: RolloutId) -> Result<()> {
        let secrets = secrets::read_all(&self.config.secrets, &slot.version.secrets).await?;
        let held = containers::list(&self.docker, &self.config).await?;
        let held: BTreeSet<u16> = held.iter().filter_map(containers::held_port).collect();
        let range = self.config.containers.ports;
        let mut last = None;
        for port in ports::free(range, &held).take(PORT_ATTEMPTS) {
            let spec = containers::version_spec(&self.config, slot, rollout, secrets.clone(), port);
            match self.create_and_start(&spec).await {
                Ok(()) => return Ok(()),
                Err(error) if is_port_conflict(&error) => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        match last {
            Some(error) => Err(error).context("every port tried was taken by another process"),
            None => bail!(
                "no port is free among the {} from 127.0.0.1:{} on",
                range.count,
                range.first
            ),
        }
    }

    async fn create_and_start(&self, spec: &ContainerSpec) -> Result<()> {
        let id = self.docker.create(spec).await?;
        if let Err(error) = self.docker.start(&id).await {
            self.docker.remove(&id).await?;
            return Err(error);
        }
        tracing::info!(container = spec.name, "started");
        Ok(())
    }
}

/// The engine says so only in words; a name that is taken belongs to a container on the same port.
pub fn is_port_conflict(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}");
    [
        "port is already allocated",
        "address already in use",
        "is already in use by container",
    ]
    .iter()
    .any(|words| text.contains(words))
}
