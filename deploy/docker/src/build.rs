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

/// How a build ended.
#[derive(Debug)]
pub struct Build {
    /// The image's id.
    pub image: Result<String>,
    /// Images without a name that the engine keeps, to go on from next time: those of earlier stages and of a step that
    /// failed.
    pub kept: Vec<String>,
}

impl Docker {
    /// Builds from a tar of the context; each line the engine prints is handed on.
    pub async fn build(&self, context_tar: Vec<u8>, options: BuildOptions, mut on_line: impl FnMut(&str)) -> Build {
        let mut stages = Stages::default();
        let built = self.run_build(context_tar, &options, |line| {
            stages.read(line);
            on_line(line);
        });
        let image = built.await;
        if image.is_err() {
            stages.ended.extend(stages.last.take());
        }
        Build {
            image,
            kept: stages.ended,
        }
    }

    async fn run_build(
        &self,
        context_tar: Vec<u8>,
        options: &BuildOptions,
        mut on_line: impl FnMut(&str),
    ) -> Result<String> {
        let query = BuildImageOptionsBuilder::default()
            .dockerfile(&options.dockerfile)
            .t(&options.tag)
            .buildargs(&options.args.clone().into_iter().collect::<HashMap<_, _>>())
            .labels(&options.labels.clone().into_iter().collect::<HashMap<_, _>>())
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

/// Follows what the classic builder prints: `Step 2/7 : RUN …`, then ` ---> ` and the image that step made.
#[derive(Debug, Default)]
struct Stages {
    ended: Vec<String>,
    /// Of the stage under way; never its base, which is not ours.
    last: Option<String>,
    on_base: bool,
}

impl Stages {
    fn read(&mut self, line: &str) {
        if let Some((_, instruction)) = line.strip_prefix("Step ").and_then(|step| step.split_once(" : ")) {
            let begins = instruction
                .get(..5)
                .is_some_and(|word| word.eq_ignore_ascii_case("FROM "));
            if begins {
                self.ended.extend(self.last.take());
            }
            self.on_base = begins;
        }
        let image = line.trim_start().strip_prefix("---> ");
        let is_id = |text: &str| text.len() == 12 && text.chars().all(|c| c.is_ascii_hexdigit());
        if let Some(id) = image.filter(|text| is_id(text) && !self.on_base) {
            self.last = Some(id.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_image_of_each_stage_but_the_final_one_is_ours_to_remove() {
        let printed = "\
Step 1/9 : ARG BASE=rust
Step 2/9 : FROM ${BASE} AS build
 ---> 111111111111
Step 3/9 : COPY . .
 ---> Using cache
 ---> 222222222222
Step 4/9 : RUN cargo build
 ---> Running in 999999999999
Removing intermediate container 999999999999
 ---> 333333333333
Step 5/9 : from debian
 ---> 444444444444
Step 6/9 : FROM scratch
 --->
Step 7/9 : COPY --from=build /image/ /
 ---> 555555555555
Successfully built 555555555555";
        let mut stages = Stages::default();
        printed.lines().for_each(|line| stages.read(line));
        assert_eq!(stages.ended, ["333333333333"]);
    }
}
