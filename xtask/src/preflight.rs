//! What can be in the way of a release before it begins. `release` stops at these, `doctor` lists them; both say the same.

mod buckets;

pub use buckets::expect_fit;

use crate::failure::{Exit, Failure, Result};
use crate::git;
use crate::local::GroundState;
use crate::plan::SourceFacts;
use crate::project::Project;
use docker::{Docker, EngineError};
use pipeline::model::Pipeline;

/// Less free space than this and a build would end half-way.
const MIN_FREE_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// One thing in the way.
#[derive(Debug)]
pub enum Obstacle {
    NoSource(Failure),
    Dirty(SourceFacts),
    WrongBranch { expected: String, found: Option<String> },
    DiskFull { folder: String, free: u64 },
    NoLinker,
    GroundUnreadable(Failure),
    PortTaken(Failure),
    MissingSecret(Failure),
    UnfitBucket(Failure),
}

impl Obstacle {
    pub fn failure(self) -> Failure {
        match self {
            Self::NoSource(failure)
            | Self::GroundUnreadable(failure)
            | Self::PortTaken(failure)
            | Self::MissingSecret(failure)
            | Self::UnfitBucket(failure) => failure,
            Self::Dirty(source) => Failure::bad_input("the tree has changes that are in no commit")
                .why(format!(
                    "expected: commit {} as it is",
                    source.short().trim_end_matches("+dirty")
                ))
                .next("git stash, or commit them, or use profile local, which marks the release as dirty"),
            Self::WrongBranch { expected, found } => Failure::bad_input("this is not the branch that is released from")
                .why(format!(
                    "expected `{expected}`, found {}",
                    found.map_or("no branch".to_owned(), |found| format!("`{found}`"))
                ))
                .next(format!("git switch {expected}")),
            Self::DiskFull { folder, free } => Failure::bad_input(format!("the disk under `{folder}` is nearly full"))
                .why(format!("expected {} free, found {}", gib(MIN_FREE_BYTES), gib(free)))
                .next("make room there, for example with `cargo clean`, then run the command again"),
            Self::NoLinker => Failure::bad_input("there is no C linker `cc`")
                .why("expected: a C compiler, which Rust links with")
                .next("sudo apt-get install gcc libc6-dev"),
        }
    }
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1024.0 * 1024.0 * 1024.0))
}

pub fn engine_failure(error: &EngineError) -> Failure {
    let text = error.to_string();
    let (what, hint) = text.split_once("\nhint: ").unwrap_or((&text, "cargo xtask doctor"));
    Failure::new(Exit::BadInput, what).next(hint)
}

/// All obstacles but the engine, which is asked for separately because it may be installed on the way.
pub async fn obstacles(project: &Project, pipeline: &Pipeline) -> (Option<SourceFacts>, Vec<Obstacle>) {
    let mut found = Vec::new();
    let source = match git::facts(project).await {
        Ok(source) => Some(source),
        Err(failure) => {
            found.push(Obstacle::NoSource(failure));
            None
        }
    };
    if let Some(source) = &source {
        found.extend(source_obstacles(pipeline, source));
    }
    if let Some(free) = free_bytes(project).filter(|free| *free < MIN_FREE_BYTES) {
        found.push(Obstacle::DiskFull {
            folder: project.root.display().to_string(),
            free,
        });
    }
    if std::env::var_os("PATH")
        .is_none_or(|path| !std::env::split_paths(&path).any(|folder| folder.join("cc").is_file()))
    {
        found.push(Obstacle::NoLinker);
    }
    found.extend(ground_obstacles(project, pipeline));
    let unfit = buckets::unfit(project, pipeline).await;
    found.extend(unfit.into_iter().map(Obstacle::UnfitBucket));
    (source, found)
}

fn source_obstacles(pipeline: &Pipeline, source: &SourceFacts) -> Vec<Obstacle> {
    let mut found = Vec::new();
    if pipeline.source.require_clean && source.dirty.is_some() {
        found.push(Obstacle::Dirty(source.clone()));
    }
    if pipeline.source.require_branch && source.branch.as_ref() != Some(&pipeline.source.branch) {
        found.push(Obstacle::WrongBranch {
            expected: pipeline.source.branch.clone(),
            found: source.branch.clone(),
        });
    }
    found
}

/// Ports and secrets of a ground that exists; a new one makes its own, but for the ports that pipeline.yaml fixes.
fn ground_obstacles(project: &Project, pipeline: &Pipeline) -> Vec<Obstacle> {
    let Some(wanted) = &pipeline.ground else {
        return Vec::new();
    };
    let mut found = Vec::new();
    match GroundState::load(project) {
        Ok(state) => {
            let taken = crate::local::taken_ports(project, wanted, state.as_ref());
            found.extend(taken.into_iter().map(Obstacle::PortTaken));
        }
        Err(failure) => found.push(Obstacle::GroundUnreadable(failure)),
    }
    for environment in crate::plan::environments(pipeline) {
        let vault = crate::secrets::Vault::new(environment.name.clone(), project.secrets(&environment.name));
        found.extend(vault.lost().into_iter().map(Obstacle::MissingSecret));
    }
    found
}

fn free_bytes(project: &Project) -> Option<u64> {
    let stat = rustix::fs::statvfs(&project.root).ok()?;
    Some(stat.f_bavail * stat.f_frsize)
}

/// The engine, installed on the way where that was asked for or agreed to.
pub async fn engine(install: Install) -> Result<Docker> {
    let error = match Docker::connect().await {
        Ok(docker) => return Ok(docker),
        Err(error) => error,
    };
    if matches!(error, EngineError::Missing { .. })
        && std::env::var_os("DOCKER_HOST").is_none()
        && install.agreed(&error)?
    {
        crate::install::engine().await?;
        return Docker::connect().await.map_err(|error| engine_failure(&error));
    }
    Err(engine_failure(&error))
}

/// Whether a missing engine may be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Install {
    Never,
    Ask,
    Yes,
}

impl Install {
    fn agreed(self, error: &EngineError) -> Result<bool> {
        use std::io::{IsTerminal as _, Write as _};
        match self {
            Self::Yes => Ok(true),
            Self::Never => Ok(false),
            Self::Ask if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) => Ok(false),
            Self::Ask if !crate::install::knows_package() => Ok(false),
            Self::Ask => {
                eprint!("{error}\nInstall it now with `apt-get install docker.io`? [y/N] ");
                let _ = std::io::stderr().flush();
                let mut answer = String::new();
                let read = std::io::stdin().read_line(&mut answer);
                read.map_err(|error| Failure::failed(format!("the answer cannot be read: {error}")))?;
                Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
            }
        }
    }
}
