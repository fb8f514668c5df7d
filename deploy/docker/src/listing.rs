//! What is on this engine, by label.

use crate::{Docker, Labels};
use anyhow::{Context, Result};
use bollard::query_parameters::{ListImagesOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder};
use std::collections::HashMap;

/// An image and every reference it is known by.
#[derive(Debug, Clone)]
pub struct ImageSummary {
    pub id: String,
    /// Tags and digests.
    pub references: Vec<String>,
    pub labels: Labels,
}

impl Docker {
    /// Names of the networks that carry every label.
    pub async fn networks(&self, labels: &[(&str, &str)]) -> Result<Vec<String>> {
        let options = ListNetworksOptionsBuilder::default().filters(&filters(labels)).build();
        let found = self
            .api()
            .list_networks(Some(options))
            .await
            .context("listing networks")?;
        Ok(found.into_iter().filter_map(|network| network.name).collect())
    }

    /// Names of the volumes that carry every label.
    pub async fn volumes(&self, labels: &[(&str, &str)]) -> Result<Vec<String>> {
        let options = ListVolumesOptionsBuilder::default().filters(&filters(labels)).build();
        let found = self
            .api()
            .list_volumes(Some(options))
            .await
            .context("listing volumes")?;
        Ok(found
            .volumes
            .unwrap_or_default()
            .into_iter()
            .map(|volume| volume.name)
            .collect())
    }

    /// All images, without the layers between.
    pub async fn images(&self) -> Result<Vec<ImageSummary>> {
        let options = ListImagesOptionsBuilder::default().build();
        let found = self.api().list_images(Some(options)).await.context("listing images")?;
        let known = |reference: &String| !reference.starts_with("<none>");
        Ok(found
            .into_iter()
            .map(|image| ImageSummary {
                id: image.id,
                references: image
                    .repo_tags
                    .into_iter()
                    .chain(image.repo_digests)
                    .filter(known)
                    .collect(),
                labels: image.labels.into_iter().collect(),
            })
            .collect())
    }
}

/// The engine's way of saying "carries every one of these labels".
pub(crate) fn filters(labels: &[(&str, &str)]) -> HashMap<String, Vec<String>> {
    let label = |(name, value): &(&str, &str)| format!("{name}={value}");
    [("label".to_owned(), labels.iter().map(label).collect())].into()
}
