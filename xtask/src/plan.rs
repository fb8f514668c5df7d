//! What a release would do, as a value: printed by `plan`, carried out by `release`. Pure.

mod at_most;
mod does;

use crate::failure::Failure;
use contract::{Digest, EnvironmentName, ReleaseId};
use jiff::Timestamp;
use pipeline::Identity;
use pipeline::model::{Environment, Pipeline};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// The parts of the pipeline, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum StageName {
    Source,
    Build,
    Test,
    Staging,
    Approval,
    Production,
    Frontend,
    Bake,
}

impl StageName {
    pub const ALL: [Self; 8] = [
        Self::Source,
        Self::Build,
        Self::Test,
        Self::Staging,
        Self::Approval,
        Self::Production,
        Self::Frontend,
        Self::Bake,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Build => "build",
            Self::Test => "test",
            Self::Staging => "staging",
            Self::Approval => "approval",
            Self::Production => "production",
            Self::Frontend => "frontend",
            Self::Bake => "bake",
        }
    }
}

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the source tree is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFacts {
    pub commit: String,
    pub branch: Option<String>,
    /// The digest of what differs from the commit, where anything does.
    pub dirty: Option<Digest>,
}

impl SourceFacts {
    /// `1a2b3c4` or `1a2b3c4+dirty`.
    pub fn short(&self) -> String {
        let commit: String = self.commit.chars().take(7).collect();
        if self.dirty.is_some() {
            format!("{commit}+dirty")
        } else {
            commit
        }
    }
}

/// What was found out about the world before anything is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    pub now: Timestamp,
    pub source: SourceFacts,
    /// Values and secret versions that go into the release.
    pub config: Digest,
    pub staging: Option<Running>,
    pub production: Option<Running>,
    /// A release of just this source and configuration that did not get to its end.
    pub begun: Option<Begun>,
    /// Where what is served could be seen.
    pub upload: Option<Upload>,
}

/// How far a release got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Begun {
    pub release: ReleaseId,
    pub done: Vec<StageName>,
}

/// What of the front end would be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upload {
    pub files: usize,
    pub bytes: u64,
    pub unchanged: usize,
}

/// The release an environment settled on last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    pub release: ReleaseId,
    pub source: SourceFacts,
    pub config: Digest,
    /// How large its image is, where that was written down.
    pub image_bytes: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    pub app: String,
    pub profile: String,
    pub source: SourceFacts,
    /// The release that is already live with just this source and configuration.
    pub already_live: Option<ReleaseId>,
    /// The release that `--resume` would carry on, with what it has done.
    pub begun: Option<Begun>,
    pub stages: Vec<PlannedStage>,
    /// All of it, however bad it goes, but for waiting to be approved.
    pub at_most_s: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedStage {
    pub stage: StageName,
    /// What it would do, a line each.
    pub does: Vec<String>,
    /// The longest it may take before it counts as failed.
    pub at_most_s: u64,
}

impl Plan {
    /// What takes longer has failed; a stage that is not planned takes no time.
    pub fn at_most(&self, stage: StageName) -> Duration {
        let planned = self.stages.iter().find(|planned| planned.stage == stage);
        Duration::from_secs(planned.map_or(0, |planned| planned.at_most_s))
    }
}

pub fn plan(pipeline: &Pipeline, facts: &Facts) -> Plan {
    let already_live = facts
        .production
        .as_ref()
        .filter(|running| running.source == facts.source && running.config == facts.config);
    let stages: Vec<PlannedStage> = StageName::ALL
        .into_iter()
        .filter_map(|stage| {
            Some(PlannedStage {
                stage,
                does: does::stage(stage, pipeline, facts)?,
                at_most_s: at_most::stage(stage, pipeline).as_secs(),
            })
        })
        .collect();
    let working = stages.iter().filter(|planned| planned.stage != StageName::Approval);
    Plan {
        app: pipeline.app.to_string(),
        profile: pipeline.profile.clone(),
        source: facts.source.clone(),
        already_live: already_live.map(|running| running.release),
        begun: facts.begun.clone(),
        at_most_s: working.map(|planned| planned.at_most_s).sum(),
        stages,
    }
}

/// Of those who may approve.
pub fn names(approvers: &[Identity]) -> String {
    let names: Vec<String> = approvers.iter().map(Identity::to_string).collect();
    names.join(", ")
}

/// `3s`, `5m`, `1h`: as pipeline.yaml writes them.
pub fn span(duration: Duration) -> String {
    let whole = duration.as_secs();
    match whole {
        0 => format!("{}ms", duration.as_millis()),
        _ if whole.is_multiple_of(3600) => format!("{}h", whole / 3600),
        _ if whole > 3600 => format!("{}h{}m", whole / 3600, whole % 3600 / 60),
        _ if whole.is_multiple_of(60) => format!("{}m", whole / 60),
        _ if whole > 60 => format!("{}m{}s", whole / 60, whole % 60),
        _ => format!("{whole}s"),
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {} with profile {}", self.app, self.source.short(), self.profile)?;
        if let Some(live) = self.already_live {
            writeln!(f, "already live as {live}: `release` would change nothing")?;
        }
        for planned in &self.stages {
            let at_most = span(Duration::from_secs(planned.at_most_s));
            let is_done = self
                .begun
                .as_ref()
                .is_some_and(|begun| begun.done.contains(&planned.stage));
            for (number, line) in planned.does.iter().enumerate() {
                let (name, at_most) = match (number, planned.at_most_s) {
                    (0, 0) => (planned.stage.as_str(), String::new()),
                    (0, _) => (planned.stage.as_str(), format!("  (at most {at_most})")),
                    _ => ("", String::new()),
                };
                let mark = if is_done && number == 0 { '✓' } else { ' ' };
                writeln!(f, "{mark} {name:<11} {line}{at_most}")?;
            }
        }
        let approval = self.at_most(StageName::Approval);
        let waiting = if approval.is_zero() {
            ""
        } else {
            ", beside the wait for approval"
        };
        writeln!(
            f,
            "at most {} in all{waiting}",
            span(Duration::from_secs(self.at_most_s))
        )?;
        if let Some(Begun { release, .. }) = &self.begun {
            writeln!(
                f,
                "✓ was done by release {release}, which goes on with: cargo xtask release --resume {release}"
            )?;
        }
        Ok(())
    }
}

/// What a release promises to run in one environment; used to tell whether anything would change.
pub fn config_digest(pipeline: &Pipeline) -> Digest {
    let parts = (
        &pipeline.staging,
        &pipeline.production,
        &pipeline.build,
        &pipeline.frontend,
        &pipeline.storage,
    );
    // Serialising plain data to memory cannot fail; an empty text would only make a release look new.
    Digest::of(serde_json::to_string(&parts).unwrap_or_default().as_bytes())
}

/// Both environments, in the order releases reach them.
pub fn environments(pipeline: &Pipeline) -> [&Environment; 2] {
    [&pipeline.staging, &pipeline.production]
}

pub fn environment<'a>(pipeline: &'a Pipeline, name: &EnvironmentName) -> Option<&'a Environment> {
    environments(pipeline)
        .into_iter()
        .find(|environment| environment.name == *name)
}

/// The environment somebody named.
pub fn find_environment<'a>(pipeline: &'a Pipeline, name: &str) -> Result<&'a Environment, Failure> {
    let known = environments(pipeline).map(|environment| environment.name.as_str());
    let found = EnvironmentName::parse(name)
        .ok()
        .and_then(|name| environment(pipeline, &name));
    found.ok_or_else(|| {
        let name: String = name.chars().take(40).collect();
        Failure::bad_input(format!("there is no environment `{name}`"))
            .why(format!("known: {}", known.join(", ")))
            .next("cargo xtask status")
    })
}
