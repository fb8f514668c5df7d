//! The object that is promoted: one image, one front end, one configuration. Built once, promoted unchanged.

use crate::failure::{Failure, OrFail, Result};
use crate::files;
use crate::plan::{Running, SourceFacts};
use crate::project::Project;
use contract::{AppName, Digest, EnvironmentName, ImageRef, ReleaseId, Version};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    pub id: ReleaseId,
    pub app: AppName,
    /// A release made under one profile is never promoted under another.
    pub profile: String,
    pub source: SourceFacts,
    pub config: Digest,
    pub image: Option<ImageRef>,
    /// The front end's manifest.
    pub frontend: Option<Digest>,
    /// What stood in for something that could not be had, such as the database image.
    pub substitutes: Vec<String>,
    pub created_at: Timestamp,
    pub created_by: String,
}

impl Release {
    pub fn load(project: &Project, id: ReleaseId) -> Result<Self> {
        let path = project.release(id).join("release.json");
        let release = files::read_json(&path).or_fail(|| format!("release {id} cannot be read"))?;
        release.ok_or_else(|| unknown(project, &id.to_string()))
    }

    pub fn save(&self, project: &Project) -> Result<()> {
        let path = project.release(self.id).join("release.json");
        files::write_json(&path, self).or_fail(|| format!("`{}` cannot be written", path.display()))
    }

    /// All of them, oldest first.
    pub fn list(project: &Project) -> Result<Vec<Self>> {
        let mut ids: Vec<ReleaseId> = match std::fs::read_dir(project.releases()) {
            Ok(folder) => folder
                .filter_map(|entry| ReleaseId::parse(entry.ok()?.file_name().to_str()?).ok())
                .collect(),
            Err(_) => Vec::new(),
        };
        ids.sort();
        ids.into_iter()
            .filter(|id| project.release(*id).join("release.json").exists())
            .map(|id| Self::load(project, id))
            .collect()
    }

    /// By id, or by the beginning of an id that no other release shares.
    pub fn find(project: &Project, text: &str) -> Result<Self> {
        let wanted = text.to_ascii_uppercase();
        let mut found: Vec<Self> = Self::list(project)?;
        found.retain(|release| !wanted.is_empty() && release.id.to_string().starts_with(&wanted));
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => Err(unknown(project, text)),
            many => Err(
                Failure::bad_input(format!("`{text}` is the beginning of {many} release ids"))
                    .next("give more of the id: `cargo xtask releases` lists them"),
            ),
        }
    }

    pub fn image(&self) -> Result<&ImageRef> {
        self.image.as_ref().ok_or_else(|| {
            Failure::failed(format!("release {} has no image yet", self.id))
                .next(format!("cargo xtask release --resume {}", self.id))
        })
    }
}

fn unknown(project: &Project, text: &str) -> Failure {
    let known = Release::list(project).unwrap_or_default();
    let latest: Vec<String> = known
        .iter()
        .rev()
        .take(3)
        .map(|release| release.id.to_string())
        .collect();
    let known = if latest.is_empty() {
        "there are none yet".to_owned()
    } else {
        format!("latest: {}", latest.join(", "))
    };
    let text: String = text.chars().take(60).collect();
    Failure::bad_input(format!("no release `{text}` is known here"))
        .why(known)
        .next("cargo xtask releases")
}

/// What an environment has settled on, newest last: where `rollback` goes back to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    pub settled: Vec<Settled>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    pub version: Version,
    pub source: SourceFacts,
    pub config: Digest,
    pub frontend: Option<Digest>,
    pub at: Timestamp,
    /// It was rolled back from: no place to return to unless it is named.
    #[serde(default)]
    pub withdrawn: bool,
}

impl History {
    const KEPT: usize = 50;

    pub fn load(project: &Project, environment: &EnvironmentName) -> Result<Self> {
        let path = project.environment(environment).join("history.json");
        Ok(files::read_json(&path)
            .or_fail(|| format!("the history of `{environment}` cannot be read"))?
            .unwrap_or_default())
    }

    pub fn settle(project: &Project, environment: &EnvironmentName, settled: Settled) -> Result<()> {
        Self::load(project, environment)?.settle_on(project, environment, settled)
    }

    /// The same after a rollback: what ran until now was not good.
    pub fn return_to(project: &Project, environment: &EnvironmentName, settled: Settled) -> Result<()> {
        let mut history = Self::load(project, environment)?;
        if let Some(left) = history.settled.last_mut() {
            left.withdrawn = true;
        }
        history.settle_on(
            project,
            environment,
            Settled {
                withdrawn: false,
                ..settled
            },
        )
    }

    fn settle_on(mut self, project: &Project, environment: &EnvironmentName, settled: Settled) -> Result<()> {
        let history = &mut self;
        // Settling twice on the same release, as a resumed run may, is one event.
        history
            .settled
            .retain(|earlier| earlier.version.release != settled.version.release);
        history.settled.push(settled);
        let surplus = history.settled.len().saturating_sub(Self::KEPT);
        history.settled.drain(..surplus);
        let path = project.environment(environment).join("history.json");
        files::write_json(&path, history).or_fail(|| format!("`{}` cannot be written", path.display()))
    }

    pub fn latest(&self) -> Option<&Settled> {
        self.settled.last()
    }

    /// The latest good release settled on before the one that runs now.
    pub fn previous(&self) -> Option<&Settled> {
        self.settled.iter().rev().skip(1).find(|settled| !settled.withdrawn)
    }
}

impl Settled {
    pub fn running(&self) -> Running {
        Running {
            release: self.version.release,
            source: self.source.clone(),
            config: self.config,
        }
    }
}
