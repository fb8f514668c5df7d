//! Bringing a release to staging or production: migrate, start beside, look, shift.

use super::Outcome;
use super::load::{self, Loaded, Sides};
use super::migration::Migrated;
use crate::clock;
use crate::context::Context;
use crate::engine::{History, Lease, Proof, Release, Schema, Settled};
use crate::failure::Result;
use crate::local::storage::{AppStorage, key_names};
use crate::report::seconds;
use crate::rollout::{Rollout, RolloutStart, StepResult};
use crate::secrets;
use contract::judge::{Thresholds, Verdict, judge};
use contract::{Counts, ReleaseId, Version, Weight};
use pipeline::model::{Environment, Migrate};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shifted {
    pub hosts: usize,
    /// What it replaced.
    pub from: Option<ReleaseId>,
    pub migration: Option<Migrated>,
    pub smoke_checks: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Loaded>,
    pub steps: Vec<StepResult>,
    /// What it replaced was ready on every host, to the last step.
    #[serde(default)]
    pub stayed_ready: bool,
}

impl Shifted {
    /// What it replaced, if that was ready to the last step. Ready, but failing what it is asked, is no proof.
    fn proven_beside(&self, thresholds: Thresholds) -> Option<ReleaseId> {
        let (stable, _) = counts(&self.steps);
        let alone = judge(Counts::default(), stable, thresholds);
        self.from
            .filter(|_| self.stayed_ready && alone.verdict != Verdict::Fail)
    }
}

/// What was asked of stable and candidate in all of these steps.
pub fn counts(steps: &[StepResult]) -> (Counts, Counts) {
    let nothing = (Counts::default(), Counts::default());
    steps.iter().fold(nothing, |(stable, candidate), step| {
        (stable + step.judgement.stable, candidate + step.judgement.candidate)
    })
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
        let load = self.load.as_ref().map(|load| format!(", {}", load.summary()));
        format!(
            "{}{hosts}, {}{}",
            migrated.unwrap_or_default(),
            weights.join(" → "),
            load.unwrap_or_default()
        )
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
    let mut env = environment.env.clear.clone();
    let mut secrets = environment.env.secret.clone();
    if let (Some(ground), Some(storage)) = (&context.ground, &context.pipeline.storage) {
        // What pipeline.yaml says itself stays.
        let told = AppStorage::of(&context.project, storage, &environment.name).variables(&ground.state);
        env = told.into_iter().chain(env).collect();
        secrets.extend(key_names()?.map(secrets::own));
    }
    if context.ground.is_some() {
        secrets = secrets.into_iter().map(|secret| secrets::own(secret.name)).collect();
    }
    Ok(Version {
        release: release.id,
        commit: if release.source.dirty.is_some() {
            format!("{}+dirty", release.source.commit)
        } else {
            release.source.commit.clone()
        },
        image: release.image()?.clone(),
        image_bytes: release.image_bytes,
        port: context.pipeline.build.port,
        env,
        secrets,
        replicas: environment.replicas,
        memory_mb: environment.memory_mb,
        cpus: environment.cpus,
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
        Some(migrate) => Some(self::migrate(context, environment, rollout, migrate).await?),
        None => None,
    };
    rollout.start_beside().await?;
    let smoke_checks = context.providers.smoke(context, environment, rollout.candidate());
    let smoke_checks = rollout.hold(context.report.interrupt.cuts(smoke_checks)).await?;
    let load = put_load(context, environment, rollout).await?;
    let steps = rollout.shift(&environment.canary, reached).await?;
    Ok(Shifted {
        hosts: environment.hosts.len(),
        from,
        migration,
        smoke_checks,
        load,
        steps,
        stayed_ready: rollout.stable_is_ready().await?,
    })
}

/// While the candidate has no share of traffic, so that one that cannot bear it costs nobody anything.
async fn put_load(context: &Context, environment: &Environment, rollout: &mut Rollout<'_>) -> Result<Option<Loaded>> {
    let Some(limits) = &environment.load else {
        return Ok(None);
    };
    let sides = Sides {
        candidate: rollout.candidate(),
        running: rollout.stable().map(|version| version.release),
    };
    let put = context.providers.load(context, environment, limits, sides);
    let put = context.report.interrupt.cuts(put);
    let loaded = rollout.hold(put).await?;
    if let Some(loaded) = &loaded {
        let kept = format!("cargo xtask show {}", sides.candidate);
        load::expect_within(&environment.name, limits, loaded).map_err(|failure| failure.next(kept))?;
    }
    Ok(loaded)
}

/// That it was begun is written down before it can have changed anything, and what it did before anything relies on it.
async fn migrate(
    context: &Context,
    environment: &Environment,
    rollout: &mut Rollout<'_>,
    migrate: &Migrate,
) -> Result<Migrated> {
    let (records, name, release) = (&context.records, &environment.name, rollout.candidate());
    Schema::change(records, name, |schema| schema.begin(release)).await?;
    let result = rollout.migrate(migrate).await?;
    let migrated = Migrated {
        took_ms: result.took_ms,
        output: result.output,
    };
    Schema::change(records, name, |schema| schema.migrated(release, &migrated)).await?;
    Ok(migrated)
}

/// Records what the environment has settled on, and what ran on its schema to the end: where `rollback` will find it.
pub async fn remember(
    context: &Context,
    environment: &Environment,
    release: &Release,
    shifted: &Shifted,
) -> Result<()> {
    let (stable, candidate) = counts(&shifted.steps);
    let beside = shifted.proven_beside(environment.canary.judge);
    let prove = |schema: &mut Schema| {
        schema.proven(release.id, Proof::Live, candidate);
        if let Some(replaced) = beside {
            schema.proven(replaced, Proof::Beside(release.id), stable);
        }
    };
    Schema::change(&context.records, &environment.name, prove).await?;
    let settled = Settled {
        version: version(context, environment, release)?,
        source: release.source.clone(),
        config: release.config,
        frontend: release.frontend,
        at: clock::now(),
        withdrawn: false,
        unproven: None,
    };
    History::settle(&context.records, &environment.name, settled).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds {
        max_error_per_mille: 10,
        min_requests: 20,
    };

    /// A step in which the stable version failed so many of a hundred requests.
    fn step(errors: u64) -> StepResult {
        let stable = Counts { requests: 100, errors };
        StepResult {
            weight: Weight::ALL,
            judgement: judge(stable, Counts::default(), THRESHOLDS),
        }
    }

    #[test]
    fn what_was_replaced_is_proven_if_it_was_ready_to_the_end_and_failed_no_more_than_it_may() {
        let release = ReleaseId::from_parts(1, 0);
        let cases = [
            (Some(release), true, vec![], true),
            (Some(release), true, vec![step(0), step(1)], true),
            (Some(release), true, vec![step(0), step(3)], false),
            (Some(release), false, vec![step(0)], false),
            (None, true, vec![], false),
        ];
        for (number, (from, stayed_ready, steps, is_proven)) in cases.into_iter().enumerate() {
            let shifted = Shifted {
                hosts: 1,
                from,
                migration: None,
                smoke_checks: 0,
                load: None,
                steps,
                stayed_ready,
            };
            let proven = shifted.proven_beside(THRESHOLDS);
            assert_eq!(proven, from.filter(|_| is_proven), "case {number}");
        }
    }
}
