//! What a release would do, as a value: printed by `plan`, carried out by `release`. Pure.

use crate::failure::Failure;
use contract::{Digest, EnvironmentName, ReleaseId};
use jiff::Timestamp;
use pipeline::model::{Builder, Environment, Pipeline};
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
}

/// The release an environment settled on last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    pub release: ReleaseId,
    pub source: SourceFacts,
    pub config: Digest,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    pub app: String,
    pub profile: String,
    pub source: SourceFacts,
    /// The release that is already live with just this source and configuration.
    pub already_live: Option<ReleaseId>,
    pub stages: Vec<PlannedStage>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedStage {
    pub stage: StageName,
    /// What it would do, a line each.
    pub does: Vec<String>,
    /// The longest it may take before it counts as failed, where that is bounded.
    pub at_most_s: Option<u64>,
}

pub fn plan(pipeline: &Pipeline, facts: &Facts) -> Plan {
    let already_live = facts
        .production
        .as_ref()
        .filter(|running| running.source == facts.source && running.config == facts.config);
    let stages = StageName::ALL
        .into_iter()
        .filter_map(|stage| plan_stage(stage, pipeline, facts))
        .collect();
    Plan {
        app: pipeline.app.to_string(),
        profile: pipeline.profile.clone(),
        source: facts.source.clone(),
        already_live: already_live.map(|running| running.release),
        stages,
    }
}

fn plan_stage(stage: StageName, pipeline: &Pipeline, facts: &Facts) -> Option<PlannedStage> {
    let (does, at_most) = match stage {
        StageName::Source => (vec![source_line(facts)], None),
        StageName::Build => (vec![build_line(pipeline)], None),
        StageName::Test => plan_test(pipeline),
        StageName::Staging => plan_environment(&pipeline.staging, facts.staging.as_ref()),
        StageName::Approval => {
            let approval = pipeline.production.approval.as_ref()?;
            let by = match approval.approvers.as_slice() {
                [] => "anyone".to_owned(),
                approvers => approvers.join(", "),
            };
            (vec![format!("wait for approval by {by}")], Some(approval.timeout))
        }
        StageName::Production => {
            let (mut does, at_most) = plan_environment(&pipeline.production, facts.production.as_ref());
            for freeze in &pipeline.production.freeze {
                if let Some(until) = freeze.until(facts.now) {
                    does.insert(0, format!("stop here until {until}: frozen ({freeze})"));
                }
            }
            (does, at_most)
        }
        StageName::Frontend => {
            let frontend = pipeline.frontend.as_ref()?;
            let bucket = frontend.bucket.as_deref().unwrap_or("the embedded bucket");
            let line = format!(
                "publish {} to {bucket}, then flip {}",
                frontend.dir.display(),
                frontend.entry
            );
            (
                vec![line, format!("keep the assets of {} releases", frontend.keep_releases)],
                None,
            )
        }
        StageName::Bake => {
            let bake = pipeline.production.bake;
            (
                vec![format!(
                    "watch production for {}, then stop the previous version",
                    span(bake)
                )],
                Some(bake),
            )
        }
    };
    Some(PlannedStage {
        stage,
        does,
        at_most_s: at_most.map(|at_most| at_most.as_secs()),
    })
}

fn source_line(facts: &Facts) -> String {
    let branch = facts.source.branch.as_deref().unwrap_or("no branch");
    format!("commit {} on {branch}", facts.source.short())
}

fn build_line(pipeline: &Pipeline) -> String {
    let registry = pipeline
        .registry
        .repository
        .as_deref()
        .unwrap_or("the embedded registry");
    let builder = match pipeline.build.builder {
        Builder::Docker => "docker",
        Builder::Native | Builder::Auto => "native",
    };
    format!(
        "build {} for linux/amd64 ({builder}), push to {registry}",
        pipeline.build.package
    )
}

fn plan_test(pipeline: &Pipeline) -> (Vec<String>, Option<Duration>) {
    let test = &pipeline.test;
    let mut does: Vec<String> = test
        .services
        .iter()
        .map(|(name, service)| format!("start {name} ({}), wait until healthy", service.image))
        .collect();
    does.push("start the built image by digest beside it".to_owned());
    does.push(format!("run `{}` against it", test.command.join(" ")));
    (does, Some(test.timeout))
}

fn plan_environment(environment: &Environment, running: Option<&Running>) -> (Vec<String>, Option<Duration>) {
    let mut does = Vec::new();
    let hosts: Vec<&str> = environment.hosts.iter().map(|host| host.as_str()).collect();
    if environment.migrate.is_some() {
        does.push(format!(
            "migrate the database, from {}",
            hosts.first().unwrap_or(&"no host")
        ));
    }
    does.push(format!("start beside what runs on {}", hosts.join(", ")));
    let steps: Vec<String> = environment
        .canary
        .steps
        .iter()
        .map(|step| format!("{} for {}", step.weight, span(step.bake)))
        .collect();
    match running {
        Some(running) => does.push(format!("shift traffic from {}: {}", running.release, steps.join(" → "))),
        None => does.push("take all traffic at once: nothing runs there yet".to_owned()),
    }
    let gate = Duration::from_millis(environment.health.deadline_ms);
    let bakes: Duration = environment.canary.steps.iter().map(|step| step.bake).sum();
    let migration = environment
        .migrate
        .as_ref()
        .map_or(Duration::ZERO, |migrate| migrate.timeout);
    (does, Some(gate + bakes + migration))
}

/// `3s`, `5m`, `1h`: as pipeline.yaml writes them.
pub fn span(duration: Duration) -> String {
    let whole = duration.as_secs();
    match whole {
        0 => format!("{}ms", duration.as_millis()),
        _ if whole.is_multiple_of(3600) => format!("{}h", whole / 3600),
        _ if whole.is_multiple_of(60) => format!("{}m", whole / 60),
        _ if whole > 3600 => format!("{}h{}m", whole / 3600, whole % 3600 / 60),
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
            for (number, line) in planned.does.iter().enumerate() {
                let name = if number == 0 { planned.stage.as_str() } else { "" };
                let at_most = match planned.at_most_s {
                    Some(limit) if number == 0 => format!("  (at most {})", span(Duration::from_secs(limit))),
                    _ => String::new(),
                };
                writeln!(f, "  {name:<11} {line}{at_most}")?;
            }
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
        Failure::bad_input(format!("there is no environment `{name}`")).why(format!("known: {}", known.join(", ")))
    })
}
