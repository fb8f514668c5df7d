//! Images on this host: there is room first, then they are pulled by digest.

use crate::agent::Event;
use crate::room;
use crate::start::Tools;
use anyhow::{Error, Result};
use contract::{FailureKind, ImageRef, Version};
use credentials::CredentialSource;
use docker::{Docker, Patience, Pulled};
use std::time::{Duration, Instant};

const PULL_ATTEMPTS: u32 = 3;
const PULL_DEADLINE: Duration = Duration::from_secs(240);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// A pull that is told of more often fills a log.
const TOLD_EVERY: Duration = Duration::from_secs(5);

impl Tools {
    /// Pulls what is missing. That it is about to be pulled is noted first, so that an image is pruned some day whatever
    /// becomes of this job.
    pub async fn fetch(&self, version: &Version) -> Result<(), (FailureKind, Error)> {
        let image = &version.image;
        let failed = |error| (FailureKind::Pull, error);
        if self.docker.has_image(&image.to_string()).await.map_err(failed)? {
            return Ok(());
        }
        room::expect(&self.docker, version, self.config.images)
            .await
            .map_err(|error| (FailureKind::Disk, error))?;
        // Nobody is left to note it when the agent ends.
        let _ = self.events.send(Event::Pulling(image.clone())).await;
        let mut pause = FIRST_PAUSE;
        for attempt in 1..PULL_ATTEMPTS {
            match self.pull(image).await {
                Ok(()) => return Ok(()),
                Err(error) => tracing::warn!("attempt {attempt} of {PULL_ATTEMPTS}: {error:#}"),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.pull(image).await.map_err(failed)
    }

    async fn pull(&self, image: &ImageRef) -> Result<()> {
        let registry = image.repository.split('/').next().unwrap_or_default();
        let login = CredentialSource::of_this_host().login(registry).await?;
        let patience = Patience {
            deadline: PULL_DEADLINE,
            stall: Duration::from_millis(self.config.images.stall_ms),
        };
        let mut told = Instant::now();
        let tell = |pulled: Pulled| {
            if told.elapsed() >= TOLD_EVERY {
                told = Instant::now();
                tracing::info!(%image, bytes = pulled.bytes, of = pulled.of, "pulling");
            }
        };
        let since = Instant::now();
        tracing::info!(%image, "pulling");
        self.docker.pull_with(image, login.as_ref(), patience, tell).await?;
        tracing::info!(%image, took_ms = since.elapsed().as_millis() as u64, "pulled");
        Ok(())
    }
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
