//! Images on this host.

use anyhow::Result;
use contract::ImageRef;
use credentials::CredentialSource;
use docker::Docker;
use std::time::Duration;

const PULL_ATTEMPTS: u32 = 3;
const PULL_DEADLINE: Duration = Duration::from_secs(240);
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Pulls what is missing, by digest. Returns whether it was.
pub async fn ensure(docker: &Docker, image: &ImageRef) -> Result<bool> {
    if docker.has_image(&image.to_string()).await? {
        return Ok(false);
    }
    let mut pause = FIRST_PAUSE;
    for attempt in 1.. {
        match pull(docker, image).await {
            Ok(()) => return Ok(true),
            Err(error) if attempt == PULL_ATTEMPTS => return Err(error),
            Err(error) => tracing::warn!("attempt {attempt} of {PULL_ATTEMPTS}: {error:#}"),
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Ok(false)
}

async fn pull(docker: &Docker, image: &ImageRef) -> Result<()> {
    let registry = image.repository.split('/').next().unwrap_or_default();
    let login = CredentialSource::of_this_host().login(registry).await?;
    docker.pull(image, login.as_ref(), PULL_DEADLINE).await
}

/// Removes images that this agent once pulled. One that something else uses stays, and is no longer this agent's.
pub async fn prune(docker: &Docker, images: &[ImageRef]) {
    for image in images {
        match docker.remove_image(&image.to_string()).await {
            Ok(()) => tracing::info!(%image, "an old image was removed"),
            Err(error) => tracing::info!(%image, "an old image stays: {error:#}"),
        }
    }
}
