//! Bringing a release to staging or production: migrate, start beside, look, shift.

use super::Outcome;
use crate::clock;
use crate::context::Context;
use crate::engine::{History, Lease, Release, Settled};
use crate::failure::Result;
use crate::local::storage::{AppStorage, key_names};
use crate::report::seconds;
use crate::rollout::{Rollout, RolloutStart, StepResult};
use crate::secrets::Vault;
use contract::judge::Verdict;
use contract::{ReleaseId, Version, Weight};
use pipeline::model::Environment;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shifted {
    pub hosts: usize,
    /// What it replaced.
    pub from: Option<ReleaseId>,
    pub migration: Option<Migrated>,
    pub smoke_checks: usize,
    pub steps: Vec<StepResult>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Migrated {
    pub took_ms: u64,
    pub output: Vec<String>,
}

impl Outcome for Shifted {
    fn summary(&self) -> String {
        let hosts = if self.hosts == 1 {
            "1 host".to_owned()
        } else {
            format!("{} hosts", self.hosts)
        };
        let migrated = self.migration.as_ref();
        let migrated = migrated.map(|m| format!("migrated in {}, ", seconds(Duration::from_millis(m.took_ms))));
        let weights: Vec<String> = match self.from {
            Some(_) => self.steps.iter().map(describe).collect(),
            None => vec!["100%".to_owned()],
        };
        format!("{}{hosts}, {}", migrated.unwrap_or_default(), weights.join(" → "))
    }
}

fn describe(step: &StepResult) -> String {
    match step.judgement.verdict {
        Verdict::NotEnoughData => step.weight.to_string(),
        _ => format!(
            "{} ({} requests, {} errors)",
            step.weight, step.judgement.candidate.requests, step.judgement.candidate.errors
        ),
    }
}

/// A release as one environment runs it.
pub fn version(context: &Context, environment: &Environment, release: &Release) -> Result<Version> {
    let vault = Vault::new(environment.name.clone(), context.project.secrets(&environment.name));
    let mut env = environment.env.clear.clone();
    let mut secrets = environment.env.secret.clone();
    if let (Some(ground), Some(storage)) = (&context.ground, &context.pipeline.storage) {
        // What pipeline.yaml says itself stays.
        let told = AppStorage::of(&context.project, storage, &environment.name).variables(&ground.state);
        env = told.into_iter().chain(env).collect();
        secrets.extend(key_names()?);
    }
    Ok(Version {
        release: release.id,
        commit: if release.source.dirty.is_some() {
            format!("{}+dirty", release.source.commit)
        } else {
            release.source.commit.clone()
        },
        image: release.image()?.clone(),
        port: context.pipeline.build.port,
        env,
        secrets: secrets.iter().map(|name| vault.reference(name)).collect(),
        memory_mb: environment.memory_mb,
    })
}

pub async fn begin<'a>(
    context: &'a Context,
    environment: &'a Environment,
    lease: &'a Lease,
    candidate: Version,
) -> Result<Rollout<'a>> {
    Rollout::begin(RolloutStart {
        pipeline: &context.pipeline,
        environment,
        channel: context.channel(&environment.name)?,
        key: &context.key,
        lease,
        report: &context.report,
        candidate,
    })
    .await
}

/// All the way to full weight; the version before stays warm beside it.
pub async fn shift(
    context: &Context,
    environment: &Environment,
    rollout: &mut Rollout<'_>,
    reached: impl AsyncFnMut(Weight) -> Result<()>,
) -> Result<Shifted> {
    let from = rollout.stable().map(|version| version.release);
    let migration = match &environment.migrate {
        Some(migrate) => {
            let result = rollout.migrate(migrate).await?;
            Some(Migrated {
                took_ms: result.took_ms,
                output: result.output,
            })
        }
        None => None,
    };
    rollout.start_beside().await?;
    let smoke_checks = context
        .providers
        .smoke(context, environment, rollout.candidate())
        .await?;
    let steps = rollout.shift(&environment.canary, reached).await?;
    Ok(Shifted {
        hosts: environment.hosts.len(),
        from,
        migration,
        smoke_checks,
        steps,
    })
}

/// Records what the environment has settled on: where `rollback` will find it.
pub async fn remember(context: &Context, environment: &Environment, release: &Release) -> Result<()> {
    let settled = Settled {
        version: version(context, environment, release)?,
        source: release.source.clone(),
        config: release.config,
        frontend: release.frontend,
        at: clock::now(),
        withdrawn: false,
    };
    History::settle(&context.records, &environment.name, settled).await
}
