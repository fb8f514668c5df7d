//! Whether the engine's disk has room for an image, found out before anything of it is pulled.

use anyhow::Result;
use contract::{ImageConfig, Version};
use docker::{DataRoot, Docker};
use std::path::PathBuf;
use std::sync::Once;

const MB: u64 = 1 << 20;
/// What travels lies beside what is unpacked until its layer is whole, and unpacked it is up to three times as large.
const GROWTH: u64 = 4;
/// For an image of which nobody said how large it is, and the least for any other.
const FLOOR_BYTES: u64 = 64 * MB;
const UNKNOWN_BYTES: u64 = 512 * MB;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` has {} MB free; {} MB are needed for the image and {} MB are to stay free (`images.reserve_mb` of host.json): \
     `docker system df` on that host shows what can go",
    .path.display(), .free_bytes / MB, .needed_bytes / MB, .reserve_bytes / MB
)]
pub struct NoRoom {
    path: PathBuf,
    free_bytes: u64,
    needed_bytes: u64,
    reserve_bytes: u64,
}

/// An engine whose disk cannot be looked at from here is taken to have room.
pub async fn expect(docker: &Docker, version: &Version, config: ImageConfig) -> Result<()> {
    let seen = match docker.data_root().await {
        Ok(root) => look(root),
        Err(error) => Err(format!("{error:#}")),
    };
    match seen {
        Ok((path, free_bytes)) => Ok(judge(path, free_bytes, version.image_bytes, config)?),
        Err(why) => {
            // The same before each pull: it is said once.
            static SAID: Once = Once::new();
            SAID.call_once(|| tracing::info!("free disk is not looked at before images are pulled: {why}"));
            Ok(())
        }
    }
}

/// A path of another machine would be some other folder here.
fn look(root: DataRoot) -> Result<(PathBuf, u64), String> {
    let (here, path) = (machine::host_name(), root.path.display());
    if root.machine != here {
        return Err(format!(
            "the engine keeps its data in `{path}` on `{}`, this is `{here}`",
            root.machine
        ));
    }
    let free = machine::free_bytes(&root.path);
    let free = free.map_err(|error| format!("the engine's folder `{path}` is not to be seen from here: {error}"))?;
    Ok((root.path, free))
}

fn judge(path: PathBuf, free_bytes: u64, image_bytes: Option<u64>, config: ImageConfig) -> Result<(), NoRoom> {
    let known = image_bytes.map(|bytes| bytes.saturating_mul(GROWTH).max(FLOOR_BYTES));
    let needed_bytes = known.unwrap_or(UNKNOWN_BYTES);
    let reserve_bytes = config.reserve_mb.saturating_mul(MB);
    if free_bytes >= needed_bytes.saturating_add(reserve_bytes) {
        return Ok(());
    }
    Err(NoRoom {
        path,
        free_bytes,
        needed_bytes,
        reserve_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a disk with so much free and an image of this size, with 1000 MB in reserve.
    fn said(free_mb: u64, image_mb: Option<u64>) -> String {
        let config = ImageConfig {
            reserve_mb: 1000,
            ..ImageConfig::default()
        };
        match judge("/data".into(), free_mb * MB, image_mb.map(|mb| mb * MB), config) {
            Ok(()) => "room".to_owned(),
            Err(no_room) => no_room.to_string(),
        }
    }

    #[test]
    fn an_image_needs_room_to_be_unpacked_and_leaves_the_reserve() {
        assert_eq!(said(1400, Some(100)), "room");
        assert_eq!(
            said(1399, Some(100)),
            "`/data` has 1399 MB free; 400 MB are needed for the image and 1000 MB are to stay free \
             (`images.reserve_mb` of host.json): `docker system df` on that host shows what can go"
        );
    }

    #[test]
    fn one_of_unknown_or_no_size_is_given_a_floor() {
        assert_eq!(
            (said(1512, None), said(1064, Some(0))),
            ("room".to_owned(), "room".to_owned())
        );
        assert!(said(1511, None).contains("512 MB are needed") && said(1063, Some(0)).contains("64 MB are needed"));
    }

    #[test]
    fn figures_that_cannot_be_true_are_no_room_and_no_panic() {
        let config = ImageConfig {
            reserve_mb: u64::MAX,
            ..ImageConfig::default()
        };
        assert!(judge("/data".into(), u64::MAX - 1, Some(u64::MAX), config).is_err());
    }

    #[test]
    fn an_engine_elsewhere_is_not_judged_by_a_folder_here() {
        let root = |path: &str, machine: String| DataRoot {
            path: path.into(),
            machine,
        };
        let vm = look(root("/", "docker-desktop".to_owned())).unwrap_err();
        assert!(vm.contains("on `docker-desktop`"), "{vm}");
        let hidden = look(root("/nonexistent/docker", machine::host_name())).unwrap_err();
        assert!(
            hidden.contains("`/nonexistent/docker` is not to be seen from here"),
            "{hidden}"
        );
        assert!(look(root("/", machine::host_name())).unwrap().1 > 0);
    }
}
