//! From a Dockerfile, through the engine's API: for apps that are not a cargo package. It has its own digest, that of what
//! the engine pushed.

use super::{Built, push, stages};
use crate::context::Context;
use crate::failure::{Failure, OrFail, Result};
use crate::local::GROUND_LABEL;
use contract::{Digest, ImageRef};
use docker::BuildOptions;
use std::io;
use std::path::Path;
use std::time::Instant;

/// What git ignores is not sent; a context beyond this is a mistake.
const MAX_CONTEXT_BYTES: u64 = 512 * 1024 * 1024;

pub async fn build(context: &Context) -> Result<Built> {
    let dockerfile = &context.pipeline.build.dockerfile;
    if !context.project.root.join(dockerfile).is_file() {
        return Err(
            Failure::bad_input(format!("there is no Dockerfile `{}`", dockerfile.display()))
                .next("name it under `build.dockerfile` in pipeline.yaml"),
        );
    }
    let since = Instant::now();
    let files = tracked_files(context).await?;
    let tar = context_tar(&context.project.root, &files)?;
    let repository = push::repository(context)?;
    let tag = format!("{repository}:build-{}", crate::ids::new_ground());
    let ground = context
        .ground
        .as_ref()
        .map(|ground| (GROUND_LABEL.to_owned(), ground.state.id.clone()));
    let options = BuildOptions {
        dockerfile: dockerfile.to_string_lossy().into_owned(),
        tag: tag.clone(),
        args: context.pipeline.build.args.clone(),
        labels: ground.into_iter().collect(),
    };
    let mut log = Vec::new();
    let built = context.docker.build(tar, options, |line| {
        context.report.progress(line.to_owned());
        log.push(line.to_owned());
    });
    let built = built.await;
    stages::remember(&context.docker, &context.project, &built.kept).await;
    if let Err(error) = built.image {
        let failure = Failure::failed(format!("`{}` does not build", dockerfile.display())).why(format!("{error:#}"));
        let from = log.len().saturating_sub(20);
        return Err(log[from..]
            .iter()
            .fold(failure, |failure, line| failure.why(format!("| {line}"))));
    }
    let compile_ms = since.elapsed().as_millis() as u64;
    let since = Instant::now();
    let pushed = context
        .docker
        .push(&tag, push::login(context).await?.as_ref())
        .await
        .or_fail(|| format!("`{tag}` cannot be pushed"))?;
    // The tag was only for the way there; the digest is what the image is known by from here on.
    let _ = context.docker.remove_image(&tag).await;
    let digest = Digest::parse(&pushed.digest).or_fail(|| "the engine named no digest".to_owned())?;
    Ok(Built {
        image: ImageRef { repository, digest },
        builder: "docker".to_owned(),
        size: pushed.size,
        uploaded: pushed.size,
        compile_ms,
        push_ms: since.elapsed().as_millis() as u64,
    })
}

async fn tracked_files(context: &Context) -> Result<Vec<String>> {
    let args = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    let listed = crate::command::ask("git", &args, &context.project.root)
        .await?
        .unwrap_or_default();
    Ok(listed
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect())
}

fn context_tar(root: &Path, files: &[String]) -> Result<Vec<u8>> {
    let failed = || "the build context cannot be read".to_owned();
    let mut archive = tar::Builder::new(Vec::new());
    archive.mode(tar::HeaderMode::Deterministic);
    archive.follow_symlinks(false);
    let mut total = 0;
    for name in files {
        let path = root.join(name);
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_file() || metadata.is_symlink() => total += metadata.len(),
            // A submodule, or a file deleted but not yet from the index.
            _ => continue,
        }
        if total > MAX_CONTEXT_BYTES {
            return Err(Failure::bad_input(format!(
                "the build context is larger than {} MB",
                MAX_CONTEXT_BYTES / 1_000_000
            )));
        }
        archive.append_path_with_name(&path, name).or_fail(failed)?;
    }
    archive
        .into_inner()
        .map_err(|error: io::Error| Failure::failed(failed()).why(error.to_string()))
}
