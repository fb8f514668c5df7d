//! The life of a container.

use crate::engine::is_gone;
use crate::listing::filters;
use crate::{ContainerSpec, ContainerState, ContainerSummary, Docker};
use anyhow::{Context, Result};
use bollard::errors::Error as ApiError;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
    StopContainerOptionsBuilder, WaitContainerOptionsBuilder,
};
use futures_util::StreamExt;
use std::time::Duration;

impl Docker {
    /// The new container's id. It is not started.
    pub async fn create(&self, spec: &ContainerSpec) -> Result<String> {
        let options = CreateContainerOptionsBuilder::default().name(&spec.name).build();
        let created = self.api().create_container(Some(options), spec.to_api()).await;
        let created = created.with_context(|| format!("creating container `{}` of `{}`", spec.name, spec.image))?;
        Ok(created.id)
    }

    pub async fn start(&self, id: &str) -> Result<()> {
        let started = self.api().start_container(id, None::<StartContainerOptions>).await;
        started.with_context(|| format!("starting container `{id}`"))
    }

    /// `None` if there is no such container.
    pub async fn inspect(&self, id: &str) -> Result<Option<ContainerState>> {
        match self.api().inspect_container(id, None).await {
            Ok(found) => Ok(Some(ContainerState::from_api(found))),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("inspecting container `{id}`")),
        }
    }

    /// Containers in any state that carry every one of these labels.
    pub async fn list(&self, labels: &[(&str, &str)]) -> Result<Vec<ContainerSummary>> {
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters(labels))
            .build();
        let found = self
            .api()
            .list_containers(Some(options))
            .await
            .context("listing containers")?;
        Ok(found.into_iter().map(summary).collect())
    }

    /// SIGTERM, then SIGKILL after `grace`. Fine if it has stopped already or is gone.
    pub async fn stop(&self, id: &str, grace: Duration) -> Result<()> {
        // The engine counts whole seconds; rounding down would cut a grace of 900 ms to none.
        let seconds = i32::try_from(grace.as_millis().div_ceil(1000)).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::default().t(seconds).build();
        let mut api = self.api().clone();
        api.set_timeout(api.timeout().max(grace + Duration::from_secs(30)));
        match api.stop_container(id, Some(options)).await {
            Err(error) if !is_gone(&error) => Err(error).with_context(|| format!("stopping container `{id}`")),
            _ => Ok(()),
        }
    }

    /// By force, with its anonymous volumes. Fine if it is gone, or being removed by another.
    pub async fn remove(&self, id: &str) -> Result<()> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.api().remove_container(id, Some(options)).await {
            Err(error) if !is_gone(&error) && !is_being_removed(&error) => {
                Err(error).with_context(|| format!("removing container `{id}`"))
            }
            _ => Ok(()),
        }
    }

    /// The exit code once it has stopped; `None` if it still runs at the deadline.
    pub async fn wait(&self, id: &str, deadline: Duration) -> Result<Option<i64>> {
        let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
        let mut api = self.api().clone();
        api.set_timeout(api.timeout().max(deadline + Duration::from_secs(30)));
        let mut exits = std::pin::pin!(api.wait_container(id, Some(options)));
        match tokio::time::timeout(deadline, exits.next()).await {
            Err(_late) => Ok(None),
            Ok(Some(Ok(exit))) => Ok(Some(exit.status_code)),
            // The client reports every exit code but 0 as an error.
            Ok(Some(Err(ApiError::DockerContainerWaitError { code, .. }))) => Ok(Some(code)),
            Ok(Some(Err(error))) => Err(error).with_context(|| format!("waiting for container `{id}`")),
            Ok(None) => anyhow::bail!("waiting for container `{id}`: the engine hung up"),
        }
    }
}

fn summary(found: bollard::models::ContainerSummary) -> ContainerSummary {
    let state = found.state.map(|state| state.to_string()).unwrap_or_default();
    let name = found.names.unwrap_or_default().into_iter().next().unwrap_or_default();
    ContainerSummary {
        id: found.id.unwrap_or_default(),
        name: name.trim_start_matches('/').to_owned(),
        labels: found.labels.unwrap_or_default().into_iter().collect(),
        running: state == "running",
        state,
    }
}

fn is_being_removed(error: &ApiError) -> bool {
    matches!(error, ApiError::DockerResponseServerError { status_code: 409, message } if message.contains("already in progress"))
}
