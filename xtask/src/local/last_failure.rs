//! Why the ground did not come up the last time: no release existed yet whose journal could tell.

use super::state;
use crate::failure::Failure;
use crate::files;
use crate::project::Project;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[derive(Debug, Serialize, Deserialize)]
pub struct LastFailure {
    pub what: String,
    pub why: Vec<String>,
}

fn path(project: &Project) -> PathBuf {
    state::folder(project).join("failure.json")
}

/// Best effort: the failure itself has already been said.
pub fn remember(project: &Project, failure: Option<&Failure>) {
    let written = match failure {
        Some(failure) => files::write_json(
            &path(project),
            &LastFailure {
                what: failure.what.clone(),
                why: failure.why.clone(),
            },
        )
        .map_err(|error| format!("{error:#}")),
        None => match std::fs::remove_file(path(project)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
            _ => Ok(()),
        },
    };
    if let Err(error) = written {
        tracing::warn!("`{}` cannot be brought up to date: {error}", path(project).display());
    }
}

pub fn last_failure(project: &Project) -> Option<LastFailure> {
    files::read_json(&path(project)).ok().flatten()
}
