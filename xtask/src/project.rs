//! Where things are: the project being released, and the tool's own workspace.

use crate::failure::{Failure, OrFail, Result};
use contract::{ChannelPlace, EnvironmentName, ReleaseId};
use pipeline::model::{Pipeline, Place};
use std::path::{Path, PathBuf};

pub const PIPELINE_FILE: &str = "pipeline.yaml";

/// A folder with a `pipeline.yaml`, and the state kept beside it.
#[derive(Debug, Clone)]
pub struct Project {
    pub root: PathBuf,
}

impl Project {
    /// The nearest folder upwards that holds a `pipeline.yaml`.
    pub fn find() -> Result<Self> {
        let here = std::env::current_dir().or_fail(|| "the current folder cannot be read".to_owned())?;
        match here.ancestors().find(|folder| folder.join(PIPELINE_FILE).is_file()) {
            Some(root) => Ok(Self { root: root.to_owned() }),
            None => Err(
                Failure::bad_input(format!("no `{PIPELINE_FILE}` in `{}` or above it", here.display()))
                    .why("expected: a project folder with a `pipeline.yaml` at its top")
                    .next("cd into the project, then run the command again"),
            ),
        }
    }

    pub fn pipeline(&self, profile: &str) -> Result<Pipeline> {
        let path = self.root.join(PIPELINE_FILE);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Failure::bad_input(format!("`{}` cannot be read: {error}", path.display())))?;
        pipeline::load(PIPELINE_FILE, &text, profile).map_err(|problems| {
            let text = problems.to_string();
            let (each, summary) = text.rsplit_once('\n').unwrap_or(("", &text));
            Failure::bad_input(summary)
                .why(each)
                .next("mend the lines named above, then `cargo xtask plan`")
        })
    }

    /// Those that pipeline.yaml knows, as far as it can be read.
    pub fn profiles(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.root.join(PIPELINE_FILE));
        pipeline::profiles(&text.unwrap_or_default())
    }

    /// All state of this project; nothing outside it is written.
    pub fn state(&self) -> PathBuf {
        self.root.join(".release")
    }

    pub fn releases(&self) -> PathBuf {
        self.state().join("releases")
    }

    pub fn release(&self, id: ReleaseId) -> PathBuf {
        self.releases().join(id.to_string())
    }

    pub fn secrets(&self, name: &EnvironmentName) -> PathBuf {
        self.state().join("secrets").join(name.as_str())
    }

    pub fn keys(&self) -> PathBuf {
        self.state().join("keys")
    }

    /// A place as pipeline.yaml names it; a directory that it does not name is `usual` among the project's state.
    pub fn place(&self, place: &Place, usual: &str) -> ChannelPlace {
        match place {
            Place::Directory(Some(path)) => ChannelPlace::Directory(self.root.join(path)),
            Place::Directory(None) => ChannelPlace::Directory(self.state().join(usual)),
            Place::S3 {
                bucket,
                prefix,
                region,
                endpoint,
            } => ChannelPlace::S3 {
                bucket: bucket.clone(),
                prefix: prefix.clone(),
                region: region.clone(),
                endpoint: endpoint.clone(),
            },
        }
    }
}

/// The workspace this tool was built from: the programs of the hosts and of the ground are built from the same source.
pub fn tool_workspace() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}
