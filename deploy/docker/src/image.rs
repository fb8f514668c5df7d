//! Images on this engine.

use crate::Docker;
use crate::engine::is_gone;
use anyhow::{Context, Result, bail, ensure};
use bollard::auth::DockerCredentials;
use bollard::query_parameters::{CreateImageOptionsBuilder, RemoveImageOptions};
use contract::ImageRef;
use credentials::Login;
use futures_util::StreamExt;
use std::time::Duration;

/// As the engine wants to be told who asks.
pub(crate) fn engine_credentials(login: &Login) -> DockerCredentials {
    match login {
        Login::Password { username, password } => DockerCredentials {
            username: Some(username.clone()),
            password: Some(password.reveal().to_owned()),
            ..DockerCredentials::default()
        },
        Login::IdentityToken(token) => DockerCredentials {
            identitytoken: Some(token.reveal().to_owned()),
            ..DockerCredentials::default()
        },
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
    pub async fn pull(&self, image: &ImageRef, login: Option<&Login>, deadline: Duration) -> Result<()> {
        let reference = image.to_string();
        match tokio::time::timeout(deadline, self.pull_unbounded(&reference, login)).await {
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

    async fn pull_unbounded(&self, reference: &str, login: Option<&Login>) -> Result<()> {
        let options = CreateImageOptionsBuilder::default().from_image(reference).build();
        let credentials = login.map(engine_credentials);
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
