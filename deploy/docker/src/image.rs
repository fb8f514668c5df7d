//! Images on this engine.

use crate::Docker;
use crate::engine::is_gone;
use anyhow::{Context, Result};
use bollard::auth::DockerCredentials;
use bollard::query_parameters::RemoveImageOptions;
use credentials::Login;

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

    /// What an image takes on the engine's disk, layers that others share included; `None` where there is no such image.
    pub async fn image_bytes(&self, reference: &str) -> Result<Option<u64>> {
        match self.api().inspect_image(reference).await {
            Ok(image) => Ok(Some(image.size.and_then(|size| size.try_into().ok()).unwrap_or(0))),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("inspecting image `{reference}`")),
        }
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
