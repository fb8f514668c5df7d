//! A database image made of the distribution's own packages, for machines that reach no registry.
//!
//! Packages are fetched with apt into a private root (nothing is installed, no root rights are needed), unpacked, and become
//! an image without a shell, whose server runs as an ordinary user. The data directory is initialised at build time, in a
//! container of the image itself, so that a database is ready a second after its start. Built once: a later call finds the
//! image by its tag, a hash of the recipe.

mod bootstrap;
mod packages;
mod rootfs;
mod zones;

use crate::image::ServiceImage;
use crate::oneoff::OneOff;
use crate::{IMAGE_LABEL, start};
use anyhow::{Context, Result, bail};
use bollard::models::ContainerConfig;
use bollard::query_parameters::CommitContainerOptionsBuilder;
use contract::Digest;
use docker::{BuildOptions, Docker, Labels, Owner};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

/// The user the server runs as; its database account of the same name, without rights, is the health check's.
pub(crate) const USER: &str = "mysql";
/// As in the official images.
pub(crate) const OWNER: Owner = Owner { uid: 999, gid: 999 };
pub(crate) const SOCKET: &str = "/run/mysqld/mysqld.sock";
/// Raised when code, not a constant, changes what is in the image.
const RECIPE_VERSION: u32 = 2;
const REPOSITORY: &str = "xtask-database";
const RECIPE_LABEL: &str = "xtask.recipe";
const SUBSTITUTE_LABEL: &str = "xtask.substitute";
const LOCK_PATIENCE: Duration = Duration::from_secs(5 * 60);

/// The image, built if this engine has none of this recipe.
pub(crate) async fn ensure(docker: &Docker, progress: &mut dyn FnMut(&str)) -> Result<ServiceImage> {
    let recipe = Digest::of(recipe().as_bytes()).short();
    let tag = format!("{REPOSITORY}:{recipe}");
    if let Some(image) = find(docker, &tag).await? {
        return Ok(image);
    }
    let _lock = lock(&recipe, progress).await?;
    // Another may have built it while this one waited.
    if let Some(image) = find(docker, &tag).await? {
        return Ok(image);
    }
    let began = Instant::now();
    let image = build(docker, &recipe, &tag, progress).await?;
    let what = image.substitute.as_deref().unwrap_or_default();
    progress(&format!(
        "built an image of {what} in {:.1} s",
        began.elapsed().as_secs_f64()
    ));
    Ok(image)
}

async fn find(docker: &Docker, tag: &str) -> Result<Option<ServiceImage>> {
    let Some(id) = docker.image_id(tag).await? else {
        return Ok(None);
    };
    let config = docker
        .api()
        .inspect_image(&id)
        .await
        .context("inspecting the database image")?
        .config;
    let substitute = config.and_then(|config| config.labels?.remove(SUBSTITUTE_LABEL));
    Ok(Some(ServiceImage {
        reference: tag.to_owned(),
        id,
        substitute,
    }))
}

/// Packages → root file system → image → image with an initialised data directory.
async fn build(docker: &Docker, recipe: &str, tag: &str, progress: &mut dyn FnMut(&str)) -> Result<ServiceImage> {
    let dir = tempfile::Builder::new()
        .prefix("xtask-database-")
        .tempdir()
        .context("making a temporary directory")?;
    let packages = packages::fetch(dir.path(), progress).await?;
    let substitute = packages.name.clone();
    progress(&format!("unpacking {} packages of {substitute}", packages.debs.len()));
    let root = packages.unpack(dir.path()).await?;
    let (statements, context) = tokio::task::spawn_blocking(move || pack(&root)).await??;
    progress("building the image");
    let base = format!("{tag}-base");
    let options = BuildOptions {
        dockerfile: "Dockerfile".to_owned(),
        tag: base.clone(),
        ..Default::default()
    };
    docker.build(context, options, |_| ()).await.image?;
    progress("initialising its data directory");
    let labels = Labels::from([
        (IMAGE_LABEL.to_owned(), "database".to_owned()),
        (RECIPE_LABEL.to_owned(), recipe.to_owned()),
        (SUBSTITUTE_LABEL.to_owned(), substitute.clone()),
    ]);
    let initialised = initialise(docker, &base, statements, tag, labels).await;
    // Only the name goes: its layers are below the finished image.
    docker.remove_image(&base).await?;
    let id = initialised?;
    Ok(ServiceImage {
        reference: tag.to_owned(),
        id,
        substitute: Some(substitute),
    })
}

fn pack(root: &Path) -> Result<(Vec<u8>, Vec<u8>)> {
    let statements = bootstrap::statements(root)?;
    Ok((statements, rootfs::build_context(root)?))
}

/// Runs the bootstrap in a container of `base`, and makes what is left the image `tag`.
async fn initialise(docker: &Docker, base: &str, statements: Vec<u8>, tag: &str, labels: Labels) -> Result<String> {
    let command = server()
        .chain(bootstrap::ARGS.map(str::to_owned))
        .chain(start::charset())
        .collect();
    let name = base.replace(':', "-");
    // Left by a build that was killed; the lock says that none is under way.
    docker.remove(&name).await?;
    let bootstrap = OneOff {
        name,
        image: base.to_owned(),
        owner: OWNER,
        command,
        stdin: statements,
    };
    let container = bootstrap.run(docker).await?;
    let (repository, version) = tag.split_once(':').unwrap_or((tag, "latest"));
    let options = CommitContainerOptionsBuilder::default()
        .container(&container)
        .repo(repository)
        .tag(version)
        .build();
    let config = ContainerConfig {
        entrypoint: Some(server().collect()),
        cmd: Some(Vec::new()),
        labels: Some(labels.into_iter().collect()),
        ..Default::default()
    };
    let committed = docker.api().commit_container(options, config).await;
    docker.remove(&container).await?;
    committed.with_context(|| format!("committing `{tag}`"))?;
    docker
        .image_id(tag)
        .await?
        .with_context(|| format!("`{tag}` is not there after its build"))
}

/// The server and where its things are: the same for the bootstrap and for every start.
fn server() -> impl Iterator<Item = String> {
    [
        "/usr/sbin/mariadbd".to_owned(),
        format!("--defaults-file={}", rootfs::CONFIG_PATH),
    ]
    .into_iter()
}

/// All that decides what the image is, except for the versions of the packages.
fn recipe() -> String {
    let server: Vec<String> = server().chain(start::charset()).collect();
    let parts = [bootstrap::recipe(), rootfs::recipe()];
    format!("{RECIPE_VERSION} {:?} {server:?} {parts:?}", packages::WANTED)
}

/// One build at a time on this machine; the file system drops the lock with its process.
async fn lock(recipe: &str, progress: &mut dyn FnMut(&str)) -> Result<File> {
    let path = std::env::temp_dir().join(format!("{REPOSITORY}-{recipe}.lock"));
    // Another user's file cannot be written to, but it can be locked.
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .or_else(|_| File::open(&path));
    let file = file.with_context(|| format!("opening `{}`", path.display()))?;
    let began = Instant::now();
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking `{}`", path.display()));
            }
            Err(TryLockError::WouldBlock) if began.elapsed() > LOCK_PATIENCE => {
                bail!(
                    "another process has been building the database image for {} s",
                    LOCK_PATIENCE.as_secs()
                )
            }
            Err(TryLockError::WouldBlock) => {
                if !std::mem::replace(&mut told, true) {
                    progress("another process is building the database image; waiting for it");
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}
