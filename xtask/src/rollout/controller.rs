//! Carries a rollout out: publishes, watches, and says when something is wrong. Whether to return to stable then is the
//! caller's to say (`revert`).

mod explain;
mod migrate;
mod publish;
mod task;

pub use task::Told;

use super::document::{Phase, Versions, is_settled_on, stable_of};
use super::next::{Fleet, Move, Step, StepResult, Watch, next};
use crate::clock;
use crate::engine::Lease;
use crate::failure::{Exit, Failure, OrFail, Result};
use crate::ids;
use crate::keys::Signer;
use crate::report::Report;
use channel::{Channel, Reports};
use contract::{Desired, Generation, Health, HostName, ReleaseId, RolloutId, Version, Weight};
use jiff::Timestamp;
use pipeline::model::{self, Environment, Pipeline};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use store::Revision;
use tokio::time::Instant;

/// Between two looks at what the hosts say.
const TICK: Duration = Duration::from_millis(150);
/// A look at a large fleet is dear, and hosts say something new once a second at most, as a rule.
const TICK_PER_HOST: Duration = Duration::from_millis(1);
const SILENT_AFTER: Duration = Duration::from_secs(20);
/// For a weight, which needs no new container.
pub const SHIFT_WITHIN: Duration = Duration::from_secs(30);
/// Beside the health gate's own deadline: to fetch the image and make the container.
pub const START_MARGIN: Duration = Duration::from_secs(300);

/// What a rollout needs to begin.
pub struct RolloutStart<'a> {
    pub pipeline: &'a Pipeline,
    pub environment: &'a Environment,
    pub channel: Channel,
    pub key: &'a Signer,
    pub lease: &'a Lease,
    pub report: &'a Report,
    pub candidate: Version,
}

pub struct Rollout<'a> {
    start: RolloutStart<'a>,
    id: RolloutId,
    versions: Versions,
    settled: bool,
    sequence: u32,
    revision: Option<Revision>,
    published: Option<Published>,
    reports: Reports,
}

/// What the hosts were last told.
struct Published {
    phase: Phase,
    /// The first that said so.
    generation: Generation,
    since: Instant,
    renewed: Instant,
}

impl<'a> Rollout<'a> {
    /// Reads what the environment runs now. Publishes nothing yet but who signs.
    pub async fn begin(start: RolloutStart<'a>) -> Result<Self> {
        let name = &start.environment.name;
        start.key.introduce(&start.channel).await?;
        let current = start
            .channel
            .read_desired()
            .await
            .or_fail(|| format!("the channel of `{name}` cannot be read"))?;
        let candidate = start.candidate.release;
        let (stable, settled, revision) = match current {
            None => (None, false, None),
            Some((envelope, revision)) => {
                // Signed by us or not, it is what the hosts follow; what it names is verified by digest when it is run.
                let desired: Desired = serde_json::from_str(&envelope.document)
                    .or_fail(|| format!("the desired document of `{name}` cannot be read"))?;
                (
                    stable_of(&desired, candidate),
                    is_settled_on(&desired, candidate),
                    Some(revision),
                )
            }
        };
        let versions = Versions {
            candidate: Some(start.candidate.clone()),
            stable,
        };
        let reports = start.channel.reports();
        Ok(Self {
            start,
            reports,
            id: ids::new_rollout(),
            versions,
            settled,
            sequence: 0,
            revision,
            published: None,
        })
    }

    /// Hosts had been told that the candidate stays, before this rollout began. (Or to run it as their first.)
    pub fn was_settled(&self) -> bool {
        self.settled
    }

    pub fn stable(&self) -> Option<&Version> {
        self.versions.stable.as_ref()
    }

    /// Starts the candidate beside the stable version, with no share of traffic yet.
    pub async fn start_beside(&mut self) -> Result<()> {
        self.publish(Phase::Shift(Weight::NONE)).await?;
        self.watch(None).await.map(drop)
    }

    /// Whether the stable version could take traffic back in this moment, on every host.
    pub async fn stable_is_ready(&mut self) -> Result<bool> {
        let Some(stable) = self.stable().map(|version| version.release) else {
            return Ok(false);
        };
        let (fleet, _) = self.observe().await?;
        let is_ready = |host: &HostName| {
            let version = fleet.get(host).and_then(|observed| observed.version(stable));
            version.is_some_and(|version| version.health() == Health::Ready)
        };
        Ok(self.start.environment.hosts.iter().all(is_ready))
    }

    /// Moves traffic step by step, watching each.
    pub async fn shift(
        &mut self,
        canary: &model::Canary,
        mut reached: impl AsyncFnMut(Weight) -> Result<()>,
    ) -> Result<Vec<StepResult>> {
        // Without a stable version there is nothing to compare with and nothing to return to: the last step is the only one.
        let steps = match (&self.versions.stable, canary.steps.last()) {
            (None, Some(last)) => vec![model::Step {
                bake: Duration::ZERO,
                ..*last
            }],
            _ => canary.steps.clone(),
        };
        let mut results = Vec::new();
        for step in steps {
            self.publish(Phase::Shift(step.weight)).await?;
            reached(step.weight).await?;
            results.extend(self.watch(Some((step, canary))).await?);
        }
        Ok(results)
    }

    /// Keeps the rollout alive, and watches it, while something else is done.
    pub async fn hold<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(self.tick()) => {
                    let (fleet, ages) = self.observe().await?;
                    match next(&self.state(None), &fleet, &ages) {
                        Move::Renew => self.renew().await?,
                        Move::Revert(reason) => return Err(self.explain(&reason)),
                        Move::Wait(_) | Move::Advance(_) => {}
                    }
                }
            }
        }
    }

    /// Watches the candidate at full weight, the stable version warm beside it.
    pub async fn bake(&mut self, canary: &model::Canary, bake: Duration) -> Result<Option<StepResult>> {
        let bake = if self.versions.stable.is_some() {
            bake
        } else {
            Duration::ZERO
        };
        self.watch(Some((
            model::Step {
                weight: Weight::ALL,
                bake,
            },
            canary,
        )))
        .await
    }

    /// The end: the candidate alone, no lease; the stable version's image stays pinned.
    pub async fn settle(&mut self) -> Result<()> {
        self.publish(Phase::Settled).await?;
        self.watch(None).await.map(drop)
    }

    /// Nothing runs any more, until it is started again.
    pub async fn stop(&mut self) -> Result<()> {
        self.publish(Phase::Stopped).await?;
        self.watch(None).await.map(drop)
    }

    /// Returns every host to the stable version, and says in the failure what then runs where.
    pub async fn revert(&mut self, failure: Failure) -> Failure {
        let name = self.start.environment.name.clone();
        if self.published.is_none() {
            return failure.world(self.describe_stable());
        }
        self.start
            .report
            .progress(format!("returning `{name}` to {}", self.describe_stable()));
        // A lapsed or failed rollout id is never followed again; the return is a rollout of its own.
        self.id = ids::new_rollout();
        let reverted = match self.publish(Phase::Reverted).await {
            Ok(()) => self.wait_reverted().await,
            Err(failure) => Err(failure),
        };
        match reverted {
            Ok(()) => failure.world(format!("`{name}` {}", self.describe_stable())),
            // Whoever has the lease now began with what the hosts follow, and returns them if need be.
            Err(trouble) if trouble.exit == Exit::Locked => failure
                .exit(Exit::Locked)
                .why(trouble.what)
                .world(format!(
                    "what `{name}` serves is in the hands of whoever has its lease now"
                ))
                .next("cargo xtask status"),
            Err(trouble) => {
                let failure = failure.exit(Exit::Astray).world(format!(
                    "`{name}` was told to return ({}), but not every host has said that it did: {}; \
                     each returns by itself when its lease ends",
                    self.describe_stable(),
                    trouble.what
                ));
                failure.next("cargo xtask status, then `cargo xtask rollback` for this environment")
            }
        }
    }

    async fn wait_reverted(&mut self) -> Result<()> {
        let deadline = Instant::now() + self.acknowledge_within(true);
        loop {
            let (fleet, ages) = self.observe().await?;
            match next(&self.state(None), &fleet, &ages) {
                Move::Advance(_) => return Ok(()),
                Move::Revert(reason) => return Err(self.explain(&reason)),
                Move::Wait(_) | Move::Renew if Instant::now() < deadline => tokio::time::sleep(self.tick()).await,
                Move::Wait(what) => return Err(Failure::failed(what)),
                Move::Renew => {}
            }
        }
    }

    /// Until the generation is in force everywhere and the step has baked.
    async fn watch(&mut self, step: Option<(model::Step, &model::Canary)>) -> Result<Option<StepResult>> {
        let mut watched: Option<(Step, Instant)> = None;
        loop {
            // What is settled or returned is not left half-way.
            if matches!(&self.published, Some(published) if matches!(published.phase, Phase::Shift(_))) {
                self.start.report.interrupt.check()?;
            }
            let (fleet, ages) = self.observe().await?;
            if let Some((step, reached)) = &mut watched {
                step.since_reached = reached.elapsed();
            }
            let state = self.state(watched.as_ref().map(|(step, _)| step.clone()));
            match next(&state, &fleet, &ages) {
                Move::Wait(what) => self.start.report.progress(what),
                Move::Renew => self.renew().await?,
                Move::Revert(reason) => return Err(self.explain(&reason)),
                Move::Advance(result) => match (&step, &watched) {
                    // The weight has just come into force: only now does its bake begin.
                    (Some((step, canary)), None) => {
                        let baking = Step {
                            weight: step.weight,
                            bake: step.bake,
                            since_reached: Duration::ZERO,
                            before: state.tally(&fleet),
                            thresholds: canary.judge,
                        };
                        watched = Some((baking, Instant::now()));
                        continue;
                    }
                    _ => return Ok(result),
                },
            }
            tokio::time::sleep(self.tick()).await;
        }
    }

    fn state(&self, step: Option<Step>) -> Watch {
        let published = self.published.as_ref();
        let phase = published.map(|published| &published.phase);
        let elapsed = |since: fn(&Published) -> Instant| published.map(since).map_or(Duration::ZERO, |at| at.elapsed());
        let leased = matches!(phase, Some(Phase::Shift(_))) && self.versions.stable.is_some();
        let release = |version: &Option<Version>| version.as_ref().map(|version| version.release);
        Watch {
            hosts: self.start.environment.hosts.clone(),
            rollout: self.id,
            candidate: release(&self.versions.candidate),
            stable: release(&self.versions.stable),
            generation: published.map(|published| published.generation).unwrap_or_default(),
            since_published: elapsed(|published| published.since),
            since_renewed: elapsed(|published| published.renewed),
            acknowledge_within: self
                .acknowledge_within(!matches!(phase, Some(Phase::Shift(weight)) if *weight != Weight::NONE)),
            silent_after: SILENT_AFTER,
            renew_after: leased.then(|| self.start.environment.lease_ttl / 3),
            step,
        }
    }

    fn acknowledge_within(&self, may_start: bool) -> Duration {
        let environment = self.start.environment;
        let drain = Duration::from_millis(environment.drain.requests_ms + environment.drain.stop_ms);
        let gate = Duration::from_millis(environment.health.deadline_ms);
        if may_start || self.versions.stable.is_none() {
            START_MARGIN + gate + drain
        } else {
            SHIFT_WITHIN + drain
        }
    }

    /// What the hosts say, and how long ago each said it.
    async fn observe(&mut self) -> Result<(Arc<Fleet>, BTreeMap<HostName, Duration>)> {
        let name = &self.start.environment.name;
        let fleet = self
            .reports
            .read()
            .await
            .or_fail(|| format!("the hosts of `{name}` cannot be read"))?;
        let now = clock::now();
        let age = |at: Timestamp| Duration::try_from(now.duration_since(at)).unwrap_or_default();
        let ages = fleet
            .iter()
            .map(|(host, observed)| (host.clone(), age(observed.at)))
            .collect();
        Ok((fleet, ages))
    }

    fn tick(&self) -> Duration {
        TICK.max(TICK_PER_HOST * self.start.environment.hosts.len() as u32)
    }

    pub fn candidate(&self) -> ReleaseId {
        self.start.candidate.release
    }
}
