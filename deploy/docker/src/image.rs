//! Images on this engine.

use crate::Docker;
use crate::engine::is_gone;
use anyhow::{Context, Result, bail, ensure};
use bollard::auth::DockerCredentials;
use bollard::query_parameters::{CreateImageOptionsBuilder, RemoveImageOptions};
use contract::ImageRef;
use futures_util::StreamExt;
use std::fmt;
use std::time::Duration;

/// For a registry that wants to know who asks.
#[derive(Clone)]
pub struct RegistryCredentials {
    pub username: String,
    pub password: String,
}

impl fmt::Debug for RegistryCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryCredentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl Docker {
    /// Whether the engine has this image, by tag, digest or id.
    pub async fn has_image(&self, reference: &str) -> Result<bool> {
        Ok(self.image_id(reference).await?.is_some())
    }

    /// The id (`sha256:…`) of an image the engine has.
    pub async fn image_id(&self, reference: &str) -> Result<Option<String>> {
        match self.api().inspect_image(reference).await {
            Ok(image) => Ok(image.id),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("inspecting image `{reference}`")),
        }
    }

    /// Pulls by digest, and checks that what came has it.
    pub async fn pull(&self, image: &ImageRef, auth: Option<RegistryCredentials>, deadline: Duration) -> Result<()> {
        let reference = image.to_string();
        match tokio::time::timeout(deadline, self.pull_unbounded(&reference, auth)).await {
            Ok(pulled) => pulled.with_context(|| format!("pulling `{reference}`"))?,
            Err(_late) => bail!(
                "pulling `{reference}`: not finished within {} s",
                deadline.as_secs_f64()
            ),
        }
        let found = self.api().inspect_image(&reference).await;
        let digests = found
            .with_context(|| format!("inspecting `{reference}`"))?
            .repo_digests
            .unwrap_or_default();
        ensure!(
            digests
                .iter()
                .any(|digest| digest.ends_with(&format!("@{}", image.digest))),
            "pulled `{reference}`, but the engine knows the image as {digests:?}"
        );
        Ok(())
    }

    async fn pull_unbounded(&self, reference: &str, auth: Option<RegistryCredentials>) -> Result<()> {
        let options = CreateImageOptionsBuilder::default().from_image(reference).build();
        let credentials = auth.map(|auth| DockerCredentials {
            username: Some(auth.username),
            password: Some(auth.password),
            ..Default::default()
        });
        let mut progress = self.api().create_image(Some(options), None, credentials);
        while let Some(step) = progress.next().await {
            step?;
        }
        Ok(())
    }

    /// Removes a reference, and the image with it if that was its last. Fine if it is gone.
    pub async fn remove_image(&self, reference: &str) -> Result<()> {
        match self
            .api()
            .remove_image(reference, None::<RemoveImageOptions>, None)
            .await
        {
            Err(error) if !is_gone(&error) => Err(error).with_context(|| format!("removing image `{reference}`")),
            _ => Ok(()),
        }
    }
}
