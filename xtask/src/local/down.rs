//! Takes the ground down: `stop` keeps everything, `down` removes processes, containers and networks, `--purge` the rest.

use super::environment::GROUND_LABEL;
use super::process::Identity;
use super::state::{self, GroundState};
use super::up::supervised;
use crate::build::stages;
use crate::engine::{Records, Release};
use crate::failure::{OrFail, Result};
use crate::project::Project;
use crate::report::Report;
use docker::Docker;
use futures_util::future::join_all;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(40);

/// What was there and is gone.
#[derive(Debug, Default, Serialize)]
pub struct DownReport {
    pub processes: usize,
    pub containers: usize,
    pub networks: usize,
    pub volumes: usize,
    pub images: usize,
    pub folders: Vec<PathBuf>,
}

/// Ends processes and stops containers; ports, data, weights and releases stay.
pub async fn stop(docker: &Docker, project: &Project, report: &Report) -> Result<DownReport> {
    let Some(state) = GroundState::load(project)? else {
        return Ok(DownReport::default());
    };
    let processes = end_processes(project, &state, report).await;
    let label = (GROUND_LABEL, state.id.as_str());
    let containers = docker
        .list(&[label])
        .await
        .or_fail(|| "containers cannot be listed".to_owned())?;
    let mut stopped = 0;
    for container in containers.iter().filter(|container| container.running) {
        report.progress(format!("stopping {}", container.name));
        docker
            .stop(&container.id, Duration::from_secs(20))
            .await
            .or_fail(|| format!("{} cannot be stopped", container.name))?;
        stopped += 1;
    }
    Ok(DownReport {
        processes,
        containers: stopped,
        ..DownReport::default()
    })
}

/// Removes processes, containers and networks; with `purge` also volumes, images and everything under `.release/`.
pub async fn down(docker: &Docker, project: &Project, purge: bool, report: &Report) -> Result<DownReport> {
    let Some(state) = GroundState::load(project)? else {
        return purge_files(project, purge, DownReport::default());
    };
    let mut gone = DownReport {
        processes: end_processes(project, &state, report).await,
        ..DownReport::default()
    };
    let label = (GROUND_LABEL, state.id.as_str());
    for container in docker
        .list(&[label])
        .await
        .or_fail(|| "containers cannot be listed".to_owned())?
    {
        report.progress(format!("removing {}", container.name));
        docker
            .remove(&container.id)
            .await
            .or_fail(|| format!("container {} cannot be removed", container.name))?;
        gone.containers += 1;
    }
    for network in docker
        .networks(&[label])
        .await
        .or_fail(|| "networks cannot be listed".to_owned())?
    {
        docker
            .remove_network(&network)
            .await
            .or_fail(|| format!("network {network} cannot be removed"))?;
        gone.networks += 1;
    }
    if purge {
        for volume in docker
            .volumes(&[label])
            .await
            .or_fail(|| "volumes cannot be listed".to_owned())?
        {
            docker
                .remove_volume(&volume)
                .await
                .or_fail(|| format!("volume {volume} cannot be removed"))?;
            gone.volumes += 1;
        }
        gone.images = remove_images(docker, project, &state, report).await? + stages::forget(docker, project).await;
    }
    purge_files(project, purge, gone)
}

/// The edge first: the connections it keeps open to routers would otherwise have to be waited for.
async fn end_processes(project: &Project, state: &GroundState, report: &Report) -> usize {
    let ground = Identity::load(&state::folder(project).join("process.json")).filter(Identity::is_running);
    if let Some(ground) = &ground {
        report.progress("ending registry, bucket and edge");
        ground.end(GRACE).await;
    }
    let mut hosts = Vec::new();
    for (environment, kept) in &state.environments {
        for host in kept.hosts.keys() {
            let folder = state::host_folder(project, environment, host);
            let supervisor = Identity::load(&folder.join("process.json")).filter(Identity::is_running);
            // Read before the supervisor ends, in case it is no longer there to end them.
            hosts.push(supervisor.into_iter().chain(supervised(&folder)).collect::<Vec<_>>());
        }
    }
    report.progress("ending the hosts' processes");
    let ending = hosts.iter().map(|processes| async move {
        for identity in processes {
            identity.end(GRACE).await;
        }
        processes.len()
    });
    join_all(ending).await.into_iter().sum::<usize>() + usize::from(ground.is_some())
}

/// The app's images came from this ground's registry, or from the one its releases name; the database image is shared by all grounds of this engine and goes
/// only when nobody uses it.
async fn remove_images(docker: &Docker, project: &Project, state: &GroundState, report: &Report) -> Result<usize> {
    let registry = format!("{}/", state.registry);
    let releases = Release::list(&Records::beside(project))
        .await
        .unwrap_or_default()
        .into_iter();
    let released: Vec<String> = releases
        .filter_map(|release| Some(release.image?.to_string()))
        .collect();
    let images = docker.images().await.or_fail(|| "images cannot be listed".to_owned())?;
    let mut removed = 0;
    for image in images {
        let from_here = image
            .references
            .iter()
            .any(|reference| reference.starts_with(&registry) || released.contains(reference));
        let built_here = image.labels.get(GROUND_LABEL).is_some_and(|ground| *ground == state.id);
        let shared = image.labels.contains_key("xtask.image");
        if !(from_here || built_here || shared) {
            continue;
        }
        report.progress("removing images");
        for reference in image.references.iter().chain([&image.id]) {
            if let Err(error) = docker.remove_image(reference).await {
                report.note(&format!("image {reference} stays: {error:#}"));
            }
        }
        removed += 1;
    }
    Ok(removed)
}

fn purge_files(project: &Project, purge: bool, mut gone: DownReport) -> Result<DownReport> {
    let folder = project.state();
    if purge && folder.exists() {
        std::fs::remove_dir_all(&folder).or_fail(|| format!("`{}` cannot be removed", folder.display()))?;
        gone.folders.push(folder);
    }
    Ok(gone)
}
