//! Pulling an image by its digest: bounded as a whole and between two signs of life, with its bytes told as they come.

use crate::Docker;
use crate::image::engine_credentials;
use anyhow::{Context, Result, bail, ensure};
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use contract::ImageRef;
use credentials::Login;
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a pull may take, and how long of that it may stand still.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pub deadline: Duration,
    pub stall: Duration,
}

/// What came so far, of the layers whose download has begun: compressed, as they travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulled {
    pub bytes: u64,
    pub of: u64,
}

impl Docker {
    /// Pulls by digest, and checks that what came has it.
    pub async fn pull(&self, image: &ImageRef, login: Option<&Login>, deadline: Duration) -> Result<()> {
        // The deadline alone counts, so that of two times that are over at once it is the one that is named.
        let patience = Patience {
            deadline,
            stall: deadline * 2,
        };
        self.pull_with(image, login, patience, |_| ()).await
    }

    /// The same, told of every progress. One that is given up ends in the engine as well.
    pub async fn pull_with(
        &self,
        image: &ImageRef,
        login: Option<&Login>,
        patience: Patience,
        progress: impl FnMut(Pulled),
    ) -> Result<()> {
        let reference = image.to_string();
        let steps = self.steps(&reference, login, patience.stall, progress);
        match tokio::time::timeout(patience.deadline, steps).await {
            Ok(pulled) => pulled.with_context(|| format!("pulling `{reference}`"))?,
            Err(_late) => bail!(
                "pulling `{reference}`: not finished within {} s",
                patience.deadline.as_secs_f64()
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

    async fn steps(
        &self,
        reference: &str,
        login: Option<&Login>,
        stall: Duration,
        mut progress: impl FnMut(Pulled),
    ) -> Result<()> {
        let options = CreateImageOptionsBuilder::default().from_image(reference).build();
        let credentials = login.map(engine_credentials);
        let mut steps = self.api().create_image(Some(options), None, credentials);
        let mut layers = Layers::default();
        loop {
            match tokio::time::timeout(stall, steps.next()).await {
                Err(_late) => bail!("it stands still: nothing came for {} s", stall.as_secs_f64()),
                Ok(None) => return Ok(()),
                Ok(Some(step)) => {
                    if let Some(pulled) = layers.note(&step?) {
                        progress(pulled);
                    }
                }
            }
        }
    }
}

/// Each layer's bytes, by its id.
#[derive(Debug, Default)]
struct Layers(BTreeMap<String, Pulled>);

impl Layers {
    /// The sum, where this step changes it.
    fn note(&mut self, step: &CreateImageInfo) -> Option<Pulled> {
        let id = step.id.as_ref()?;
        let number = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
        match step.status.as_deref()? {
            "Downloading" => {
                let detail = step.progress_detail.as_ref()?;
                let bytes = number(detail.current)?;
                let of = number(detail.total).unwrap_or(bytes);
                self.0.insert(id.clone(), Pulled { bytes, of });
            }
            // The last step of a download is not always told.
            "Download complete" => {
                let layer = self.0.get_mut(id)?;
                layer.bytes = layer.of;
            }
            _ => return None,
        }
        Some(self.0.values().fold(Pulled::default(), |sum, layer| Pulled {
            bytes: sum.bytes + layer.bytes,
            of: sum.of + layer.of,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::ProgressDetail;

    fn step(id: &str, status: &str, current: i64, total: i64) -> CreateImageInfo {
        CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: Some(ProgressDetail {
                current: Some(current),
                total: Some(total),
            }),
            ..CreateImageInfo::default()
        }
    }

    #[test]
    fn what_came_is_the_sum_over_layers_and_unpacking_counts_no_byte_twice() {
        let mut layers = Layers::default();
        let sum = |bytes, of| Some(Pulled { bytes, of });
        assert_eq!(layers.note(&step("a", "Downloading", 10, 100)), sum(10, 100));
        assert_eq!(layers.note(&step("b", "Downloading", 5, 50)), sum(15, 150));
        assert_eq!(layers.note(&step("a", "Download complete", 0, 0)), sum(105, 150));
        assert_eq!(layers.note(&step("a", "Extracting", 70, 100)), None);
        assert_eq!(layers.note(&step("c", "Already exists", 0, 0)), None);
    }
}
