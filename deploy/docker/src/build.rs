//! Images built by the engine from a Dockerfile.

use crate::{Docker, Labels};
use anyhow::{Context, Result};
use bollard::query_parameters::BuildImageOptionsBuilder;
use futures_util::StreamExt;
use std::collections::{BTreeMap, HashMap};

#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// Its path in the context.
    pub dockerfile: String,
    pub tag: String,
    pub args: BTreeMap<String, String>,
    pub labels: Labels,
}

impl Docker {
    /// Builds from a tar of the context and returns the image's id; each line the engine prints is handed on.
    pub async fn build(
        &self,
        context_tar: Vec<u8>,
        options: BuildOptions,
        mut on_line: impl FnMut(&str),
    ) -> Result<String> {
        let query = BuildImageOptionsBuilder::default()
            .dockerfile(&options.dockerfile)
            .t(&options.tag)
            .buildargs(&options.args.into_iter().collect::<HashMap<_, _>>())
            .labels(&options.labels.into_iter().collect::<HashMap<_, _>>())
            .rm(true)
            .forcerm(true)
            .build();
        let context = bollard::body_full(context_tar.into());
        let mut output = std::pin::pin!(self.api().build_image(query, None, Some(context)));
        let mut id = None;
        while let Some(step) = output.next().await {
            let step = step.with_context(|| format!("building image `{}`", options.tag))?;
            id = step.aux.and_then(|image| image.id).or(id);
            let text = step.stream.or(step.status).unwrap_or_default();
            text.lines()
                .map(str::trim_end)
                .filter(|line| !line.is_empty())
                .for_each(&mut on_line);
        }
        match id {
            Some(id) => Ok(id),
            // Every engine since 1.29 says the id; asking by tag is for one that did not.
            None => self
                .image_id(&options.tag)
                .await?
                .with_context(|| format!("`{}` is not there after its build", options.tag)),
        }
    }
}
