//! Named volumes: what outlives its container.

use crate::engine::is_gone;
use crate::{Docker, Labels};
use anyhow::{Context, Result};
use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::RemoveVolumeOptions;

impl Docker {
    /// The volume of this name, created if it is not there.
    pub async fn ensure_volume(&self, name: &str, labels: &Labels) -> Result<()> {
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            labels: Some(labels.clone().into_iter().collect()),
            ..Default::default()
        };
        self.api()
            .create_volume(request)
            .await
            .map(drop)
            .with_context(|| format!("creating volume `{name}`"))
    }

    /// Fine if it is gone; an error while a container uses it.
    pub async fn remove_volume(&self, name: &str) -> Result<()> {
        match self.api().remove_volume(name, None::<RemoveVolumeOptions>).await {
            Err(error) if !is_gone(&error) => Err(error).with_context(|| format!("removing volume `{name}`")),
            _ => Ok(()),
        }
    }
}
