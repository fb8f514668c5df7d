//! From this engine to a registry.

use crate::Docker;
use crate::image::engine_credentials;
use anyhow::{Context, Result, anyhow, bail};
use bollard::query_parameters::PushImageOptionsBuilder;
use credentials::Login;
use futures_util::StreamExt;

/// What the engine pushed.
#[derive(Debug, Clone)]
pub struct Pushed {
    pub digest: String,
    /// Of the image on this engine, not compressed.
    pub size: u64,
}

impl Docker {
    /// Pushes `registry/repository:tag`, and tells the digest the registry now knows it by.
    pub async fn push(&self, reference: &str, login: Option<&Login>) -> Result<Pushed> {
        let (repository, tag) = reference.rsplit_once(':').context("expected `repository:tag`")?;
        let options = PushImageOptionsBuilder::default().tag(tag).build();
        let mut steps = self
            .api()
            .push_image(repository, Some(options), login.map(engine_credentials));
        while let Some(step) = steps.next().await {
            let step = step.with_context(|| format!("pushing `{reference}`"))?;
            if let Some(error) = step.error_detail.and_then(|error| error.message) {
                bail!("pushing `{reference}`: {error}");
            }
        }
        let image = self
            .api()
            .inspect_image(reference)
            .await
            .with_context(|| format!("inspecting `{reference}`"))?;
        let prefix = format!("{repository}@");
        let digests = image.repo_digests.unwrap_or_default();
        let digest = digests.iter().find_map(|digest| digest.strip_prefix(&prefix));
        let digest = digest.ok_or_else(|| anyhow!("the engine knows no digest of `{reference}` after pushing it"))?;
        let size = image.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
        Ok(Pushed {
            digest: digest.to_owned(),
            size,
        })
    }
}
