//! What a release would do, as a value: printed by `plan`, carried out by `release`. Pure.

mod at_most;

use crate::failure::Failure;
use crate::report::{bytes, counted};
use contract::{Digest, EnvironmentName, ReleaseId};
use jiff::Timestamp;
use pipeline::Identity;
use pipeline::model::{Builder, Environment, Frontend, Load, Pipeline, When};
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
        .filter_map(|stage| plan_stage(stage, pipeline, facts))
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

fn plan_stage(stage: StageName, pipeline: &Pipeline, facts: &Facts) -> Option<PlannedStage> {
    let production = &pipeline.production;
    let does = match stage {
        StageName::Source => vec![source_line(facts)],
        StageName::Build => vec![build_line(pipeline, facts)],
        StageName::Test => plan_test(pipeline),
        StageName::Staging => plan_environment(pipeline, &pipeline.staging, facts.staging.as_ref()),
        StageName::Approval => {
            let approval = production.approval.as_ref()?;
            let by = match approval.approvers.as_slice() {
                [] => "anyone".to_owned(),
                approvers => names(approvers),
            };
            vec![format!("wait for approval by {by}")]
        }
        StageName::Production => {
            let mut does = plan_environment(pipeline, production, facts.production.as_ref());
            for freeze in &production.freeze {
                if let Some(until) = freeze.until(facts.now) {
                    does.insert(0, format!("stop here until {until}: frozen ({freeze})"));
                }
            }
            does
        }
        StageName::Frontend => plan_frontend(pipeline.frontend.as_ref()?, facts.upload),
        StageName::Bake => vec![format!(
            "watch production for {}, then stop the previous version",
            span(production.bake)
        )],
    };
    let hooks = pipeline
        .hooks
        .iter()
        .filter(|hook| hook.stage.as_str() == stage.as_str());
    let hooks = hooks.map(|hook| {
        let when = match hook.when {
            When::Before => "before",
            When::After => "after",
        };
        format!("run `{}` {when} it", hook.command.join(" "))
    });
    Some(PlannedStage {
        stage,
        does: does.into_iter().chain(hooks).collect(),
        at_most_s: at_most::stage(stage, pipeline).as_secs(),
    })
}

/// Of those who may approve.
pub fn names(approvers: &[Identity]) -> String {
    let names: Vec<String> = approvers.iter().map(Identity::to_string).collect();
    names.join(", ")
}

fn source_line(facts: &Facts) -> String {
    let branch = facts.source.branch.as_deref().unwrap_or("no branch");
    format!("commit {} on {branch}", facts.source.short())
}

fn build_line(pipeline: &Pipeline, facts: &Facts) -> String {
    let registry = pipeline
        .registry
        .repository
        .as_deref()
        .unwrap_or("the embedded registry");
    let builder = match pipeline.build.builder {
        Builder::Docker => "docker",
        Builder::Native | Builder::Auto => "native",
    };
    let running = facts.production.as_ref().and_then(|running| running.image_bytes);
    let size = running.map(|size| format!("; the image that runs now has {}", bytes(size)));
    format!(
        "build {} for linux/amd64 ({builder}), push to {registry} what of it is not there{}",
        pipeline.build.package,
        size.unwrap_or_default()
    )
}

fn plan_test(pipeline: &Pipeline) -> Vec<String> {
    let test = &pipeline.test;
    let mut does: Vec<String> = test
        .services
        .iter()
        .map(|(name, service)| format!("start {name} ({}), wait until healthy", service.image))
        .collect();
    does.push("start the built image by digest beside it".to_owned());
    does.push(format!("run `{}` against it", test.command.join(" ")));
    does
}

fn plan_environment(pipeline: &Pipeline, environment: &Environment, running: Option<&Running>) -> Vec<String> {
    let mut does = Vec::new();
    let hosts: Vec<&str> = environment.hosts.iter().map(|host| host.as_str()).collect();
    if environment.migrate.is_some() {
        does.push(format!(
            "migrate the database, from {}: what the image finds pending",
            hosts.first().unwrap_or(&"no host")
        ));
    }
    does.push(format!("start beside what runs on {}", hosts.join(", ")));
    if !environment.smoke.is_empty() {
        let checks = counted(environment.smoke.len() * hosts.len(), "smoke check");
        does.push(format!("make {checks}, before users meet it"));
    }
    // Hosts other than the ground's are not reached from here.
    let load = environment.load.as_ref().filter(|_| pipeline.ground.is_some());
    does.extend(load.map(|load| load_line(load, running)));
    let steps: Vec<String> = environment
        .canary
        .steps
        .iter()
        .map(|step| match step.bake {
            Duration::ZERO => step.weight.to_string(),
            bake => format!("{} for {}", step.weight, span(bake)),
        })
        .collect();
    match running {
        Some(running) => does.push(format!("shift traffic from {}: {}", running.release, steps.join(" → "))),
        None => does.push("take all traffic at once: nothing runs there yet".to_owned()),
    }
    does
}

fn load_line(load: &Load, running: Option<&Running>) -> String {
    let both = running.map_or(String::new(), |running| format!(", and on {}", running.release));
    let mut limits: Vec<String> = load
        .p99
        .iter()
        .map(|p99| format!("p99 at most {}", span(*p99)))
        .collect();
    limits.extend(
        load.slower_by
            .iter()
            .map(|slower_by| format!("by at most {} slower", span(*slower_by))),
    );
    limits.push(format!("at most {} errors", load.max_error_rate));
    format!(
        "put {} requests/s on it for {}{both}: {} {}; {}",
        load.rps,
        span(load.duration),
        load.method.as_str(),
        load.paths.join(", "),
        limits.join(", ")
    )
}

fn plan_frontend(asked: &Frontend, upload: Option<Upload>) -> Vec<String> {
    let bucket = asked.bucket.as_deref().unwrap_or("the embedded bucket");
    let send = match upload {
        None => String::new(),
        Some(Upload {
            files: 0, unchanged, ..
        }) => format!(" (nothing new to send, {} there)", counted(unchanged, "file")),
        Some(Upload {
            files,
            bytes: size,
            unchanged,
        }) => format!(
            " ({} to send, {}; {unchanged} there)",
            counted(files, "file"),
            bytes(size)
        ),
    };
    let entry = &asked.entry;
    vec![
        format!("publish {} to {bucket}{send}, then flip {entry}", asked.dir.display()),
        format!("invalidate 2 paths, / and /{entry}; compare what is served"),
        format!("keep the assets of {} releases", asked.keep_releases),
    ]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::load::GIVEN_UP_AFTER;

    #[test]
    fn a_load_check_is_announced_and_its_time_counted() {
        let staging = |load: &str| {
            let text =
                format!("version: 1\napp: shop\ntest: {{ command: [ok] }}\nenvironments: {{ staging: {load} }}\n");
            let pipeline = pipeline::load("pipeline.yaml", &text, "local").unwrap();
            let source = SourceFacts {
                commit: "1".repeat(40),
                branch: None,
                dirty: None,
            };
            let config = config_digest(&pipeline);
            let facts = Facts {
                now: Timestamp::UNIX_EPOCH,
                source: source.clone(),
                config,
                staging: Some(Running {
                    release: ReleaseId::from_parts(1, 0),
                    source,
                    config,
                    image_bytes: None,
                }),
                production: None,
                begun: None,
                upload: None,
            };
            let stages = plan(&pipeline, &facts).stages;
            stages
                .into_iter()
                .find(|planned| planned.stage == StageName::Staging)
                .unwrap()
        };
        let without = staging("{}");
        let with = staging("{ load: { rps: 50, duration: 30s, paths: [/a, /b], p99: 300ms } }");
        let announced: Vec<&String> = with.does.iter().filter(|line| !without.does.contains(line)).collect();
        let running = ReleaseId::from_parts(1, 0);
        let expected = format!(
            "put 50 requests/s on it for 30s, and on {running}: GET /a, /b; p99 at most 300ms, at most 1% errors"
        );
        assert_eq!(announced, [&expected]);
        assert_eq!(with.at_most_s - without.at_most_s, 30 + GIVEN_UP_AFTER.as_secs());
    }
}
