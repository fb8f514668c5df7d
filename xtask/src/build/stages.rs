//! Images the engine keeps of a Dockerfile's earlier stages: useful for the next build, and gone after it or with the ground.

use crate::files;
use crate::project::Project;
use docker::Docker;
use std::path::PathBuf;

fn path(project: &Project) -> PathBuf {
    project.state().join("build-stages.json")
}

fn known(project: &Project) -> Vec<String> {
    files::read_json(&path(project)).ok().flatten().unwrap_or_default()
}

/// Those of the newest build stay, those of the one before go. A build is not failed by what it leaves behind.
pub async fn remember(docker: &Docker, project: &Project, stages: &[String]) {
    let before = known(project);
    if let Err(error) = files::write_json(&path(project), &stages) {
        tracing::warn!("`{}` cannot be written: {error}", path(project).display());
    }
    let old = before.iter().filter(|image| !stages.contains(image));
    remove(docker, old).await;
}

/// How many were there.
pub async fn forget(docker: &Docker, project: &Project) -> usize {
    let known = known(project);
    remove(docker, known.iter()).await;
    known.len()
}

async fn remove(docker: &Docker, images: impl Iterator<Item = &String>) {
    for image in images {
        if let Err(error) = docker.remove_image(image).await {
            tracing::info!("image {image} of an earlier build stays: {error:#}");
        }
    }
}
