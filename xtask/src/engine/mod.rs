//! Carries a plan out: the only place that decides whether to go on, stop or undo.
//!
//! Every stage is journalled before and after it acts. A stage that finished is not run again; one that was cut off is, and
//! converges. From production on the stages are one unit, held by one rollout: a run that was cut off in it begins it again.

mod decision;
mod exec;
mod executions;
mod haste;
mod hooks;
mod journal;
mod lease;
mod live;
mod past;
#[cfg(test)]
mod places;
mod records;
mod release;
mod rollback;
mod schema;
mod stop;

use decision::given;
pub use decision::{How, approve, reject};
pub use exec::{Asked, exec};
pub use executions::{Ended, Execution, Executions};
pub use haste::Haste;
pub use journal::{Entry, Event, JOURNAL_VERSION, Journal, outcome};
pub use lease::{Holder, Lease};
pub use past::Past;
pub use records::{Records, journal_key};
pub use release::{History, Release, Settled};
pub use rollback::{Unproven, roll_back};
pub use schema::{Gap, Proof, Schema};
pub use stop::{start, stop};

use crate::build::Built;
use crate::clock;
use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use crate::plan::{self, Plan, SourceFacts, StageName, config_digest};
use crate::stages::Outcome;
use crate::stages::approval::Found;
use crate::stages::environment::{self, Shifted};
use crate::stages::test::Tested;
use pipeline::model::{Occasion, Pipeline, When};
use std::time::Duration;
use tokio::time::Instant;

/// How far a run got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    Live,
    /// The stage that was to be the last.
    Asked(StageName),
}

/// One release on its way.
#[derive(Debug)]
pub struct Run<'a> {
    pub context: &'a Context,
    pub release: Release,
    pub journal: Journal,
    plan: Plan,
    /// The last stage to carry out; `None` goes live.
    pub until: Option<StageName>,
    /// How long each stage took in this run.
    pub times: Vec<(StageName, Duration)>,
}

impl<'a> Run<'a> {
    pub async fn begin(context: &'a Context, plan: Plan, release: Release) -> Result<Self> {
        release.save(&context.records).await?;
        let mut journal = Journal::open(&context.records, release.id).await?;
        let begun = Event::Begun {
            version: JOURNAL_VERSION,
            release: release.id,
            profile: release.profile.clone(),
        };
        journal.append(begun).await?;
        Ok(Self {
            context,
            release,
            journal,
            plan,
            until: None,
            times: Vec::new(),
        })
    }

    pub async fn resume(context: &'a Context, plan: Plan, release: Release) -> Result<Self> {
        if release.profile != context.pipeline.profile {
            return Err(Failure::bad_input(format!(
                "release {} was made with profile `{}` and is never promoted with `{}`",
                release.id, release.profile, context.pipeline.profile
            ))
            .next(format!(
                "cargo xtask release --profile {} --resume {}",
                release.profile, release.id
            )));
        }
        let journal = Journal::open(&context.records, release.id).await?;
        Ok(Self {
            context,
            release,
            journal,
            plan,
            until: None,
            times: Vec::new(),
        })
    }

    /// From wherever it stands to live, to the last stage that was asked for, or to where it has to wait.
    pub async fn go(&mut self, how: &How) -> Result<Reached> {
        let _in_hand = self.context.report.interrupt.hold();
        let ended = self.stages(how).await;
        self.tell(&ended).await;
        ended.map_err(|failure| match failure.exit {
            Exit::Cancelled => failure.next(format!("cargo xtask release --resume {}", self.release.id)),
            _ => failure,
        })
    }

    async fn tell(&self, ended: &Result<Reached>) {
        let Release { id, app, source, .. } = &self.release;
        let what = format!("{app} {} (release {id})", source.short());
        let (occasion, text) = match ended {
            Ok(Reached::Live) => (Occasion::Done, format!("{what} is live")),
            Ok(Reached::Asked(_)) => return,
            Err(failure) => match failure.exit {
                Exit::Parked => (Occasion::Approval, format!("{what}: {}", failure.what)),
                Exit::Cancelled | Exit::Locked => return,
                _ => (Occasion::Failed, format!("{what} did not go live: {failure}")),
            },
        };
        self.context.providers.notify(self.context, occasion, &text).await;
    }

    async fn stages(&mut self, how: &How) -> Result<Reached> {
        let context = self.context;
        let interrupt = &context.report.interrupt;
        if self.is_finished() {
            return Ok(Reached::Live);
        }
        let source = self.release.source.clone();
        self.stage(StageName::Source, async |_| Ok(source.clone())).await?;
        if self.ends_with(StageName::Source) {
            return Ok(Reached::Asked(StageName::Source));
        }
        let built: Built = self
            .stage(StageName::Build, async |run| {
                let built = context.providers.build(context, &run.release);
                interrupt.cuts(run.within(StageName::Build, built)).await
            })
            .await?;
        self.release.image = Some(built.image.clone());
        self.release.image_bytes = Some(built.size);
        self.release.save(&context.records).await?;
        if self.ends_with(StageName::Build) {
            return Ok(Reached::Asked(StageName::Build));
        }
        let image = built.image.clone();
        let tested: Tested = self
            .stage(StageName::Test, async |run| {
                context.providers.test(context, &run.release, &image).await
            })
            .await?;
        self.release.substitutes = tested.substitutes.clone();
        self.release.save(&context.records).await?;
        if self.ends_with(StageName::Test) {
            return Ok(Reached::Asked(StageName::Test));
        }
        let staged: Shifted = self.stage(StageName::Staging, async |run| run.staging().await).await?;
        if self.ends_with(StageName::Staging) {
            return Ok(Reached::Asked(StageName::Staging));
        }
        let found = Found { built, tested, staged };
        if let Some(asked) = &context.pipeline.production.approval {
            if given(self.journal.entries(), asked).is_none() {
                self.forget(StageName::Approval).await?;
            }
            self.stage(StageName::Approval, async |run| run.decide(asked, &found, how).await)
                .await?;
        }
        if self.ends_with(StageName::Approval) {
            return Ok(Reached::Asked(StageName::Approval));
        }
        self.live(&found).await?;
        self.journal.append(Event::Finished).await?;
        Ok(Reached::Live)
    }

    /// What takes longer than was planned has failed.
    async fn within<T>(&self, stage: StageName, work: impl Future<Output = Result<T>>) -> Result<T> {
        let at_most = self.plan.at_most(stage);
        match tokio::time::timeout(at_most, work).await {
            Ok(ended) => ended,
            Err(_) => Err(Failure::failed(format!(
                "{stage} took longer than {} and was ended",
                plan::span(at_most)
            ))
            .why("that is the most that `cargo xtask plan` gives it")),
        }
    }

    fn ends_with(&self, stage: StageName) -> bool {
        self.until.is_some_and(|until| until <= stage)
    }

    /// This stage and those after it, whatever they found before.
    pub async fn again_from(&mut self, stage: StageName) -> Result<()> {
        for later in StageName::ALL.into_iter().filter(|later| *later >= stage) {
            self.forget(later).await?;
        }
        Ok(())
    }

    fn is_finished(&self) -> bool {
        let last = self.journal.entries().last();
        last.is_some_and(|entry| entry.event == Event::Finished)
    }

    /// Runs a stage unless it is finished; again, where it may be, if it fails.
    pub(crate) async fn stage<T: Outcome>(
        &mut self,
        name: StageName,
        mut work: impl AsyncFnMut(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let mut pauses = self.context.pipeline.pauses(name.as_str());
        loop {
            let failure = match self.attempt(name, &mut work).await {
                Err(failure) if failure.exit == Exit::Failed => failure,
                ended => return ended,
            };
            let Some(pause) = pauses.next() else {
                return Err(failure);
            };
            let report = &self.context.report;
            report.note(&format!("{name} is tried again in {}", plan::span(pause)));
            let paused = async {
                tokio::time::sleep(pause).await;
                Ok(())
            };
            report.interrupt.cuts(paused).await?;
        }
    }

    /// Writes down both ends of it.
    async fn attempt<T: Outcome>(
        &mut self,
        name: StageName,
        work: &mut impl AsyncFnMut(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let report = self.context.report.clone();
        let done = self
            .journal
            .outcome(name)
            .and_then(|value| serde_json::from_value::<T>(value.clone()).ok());
        if let Some(done) = done {
            report.stage_skipped(name, &format!("{} (done before)", done.summary()));
            return Ok(done);
        }
        report.interrupt.check()?;
        self.journal.append(Event::StageStarted { stage: name }).await?;
        report.stage_started(name);
        let since = Instant::now();
        match self.hooked(name, work).await {
            Ok(found) => {
                let took = since.elapsed();
                let outcome = serde_json::to_value(&found)
                    .map_err(|error| Failure::failed(format!("what `{name}` found cannot be written down: {error}")))?;
                let took_ms = took.as_millis() as u64;
                let summary = found.summary();
                let finished = Event::StageFinished {
                    stage: name,
                    took_ms,
                    summary: summary.clone(),
                    outcome,
                };
                self.journal.append(finished).await?;
                report.stage_finished(name, &summary, took);
                self.times.push((name, took));
                Ok(found)
            }
            Err(failure) => {
                if failure.exit == Exit::Parked {
                    report.stage_waits(name, &failure);
                    return Err(failure);
                }
                report.stage_failed(name, &failure);
                let (what, why) = (failure.what.clone(), failure.why.clone());
                self.journal
                    .append(Event::StageFailed { stage: name, what, why })
                    .await?;
                Err(failure)
            }
        }
    }

    /// What a finished stage found counts no more: it is begun again.
    pub(crate) async fn forget(&mut self, stage: StageName) -> Result<()> {
        if self.journal.outcome(stage).is_none() {
            return Ok(());
        }
        self.journal.append(Event::StageStarted { stage }).await
    }

    /// What is held by the rollout of production has its hooks there, where they cannot let its lease run out.
    async fn hooked<T>(&mut self, name: StageName, work: &mut impl AsyncFnMut(&mut Self) -> Result<T>) -> Result<T> {
        if name >= StageName::Production {
            return work(self).await;
        }
        self.hooks(When::Before, name).await?;
        let found = work(self).await?;
        self.hooks(When::After, name).await?;
        Ok(found)
    }

    async fn staging(&mut self) -> Result<Shifted> {
        let context = self.context;
        let staging = &context.pipeline.staging;
        let lease = Lease::acquire_above(context, staging, self.release.id).await?;
        let staged = self.stage_under(&lease).await;
        lease.give_back().await;
        staged
    }

    async fn stage_under(&mut self, lease: &Lease) -> Result<Shifted> {
        let context = self.context;
        let staging = &context.pipeline.staging;
        let candidate = environment::version(context, staging, &self.release)?;
        let mut rollout = environment::begin(context, staging, lease, candidate).await?;
        let journal = &mut self.journal;
        let step = async |weight| {
            let (stage, text) = (StageName::Staging, format!("{weight}"));
            journal.append(Event::Step { stage, text }).await
        };
        let shifted = match environment::shift(context, staging, &mut rollout, step).await {
            Ok(shifted) => shifted,
            Err(failure) => return Err(rollout.revert(failure).await),
        };
        match rollout.settle().await {
            Ok(()) => environment::remember(context, staging, &self.release, &shifted).await?,
            Err(failure) => return Err(rollout.revert(failure).await),
        }
        Ok(shifted)
    }
}

/// A new release of what the source tree is now.
pub fn release_of(pipeline: &Pipeline, source: SourceFacts) -> Release {
    Release {
        id: crate::ids::new_release(),
        app: pipeline.app.clone(),
        profile: pipeline.profile.clone(),
        source,
        config: config_digest(pipeline),
        image: None,
        image_bytes: None,
        promotes: None,
        frontend: None,
        substitutes: Vec::new(),
        created_at: clock::now(),
        created_by: crate::user::identity(),
    }
}
