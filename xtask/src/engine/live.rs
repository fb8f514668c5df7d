//! From approved to live: production, front end and bake, one unit under one lease and one rollout.

use super::{Event, Haste, Lease, Run};
use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use crate::plan::StageName;
use crate::rollout::Rollout;
use crate::stages::approval::Found;
use crate::stages::environment::{self, Shifted};
use crate::stages::frontend::{self, Baked, Flip, Published};
use pipeline::model::{Environment, Occasion, When};

impl Run<'_> {
    pub(super) async fn live(&mut self, found: &Found) -> Result<()> {
        let context = self.context;
        let production = &Haste::shorten(Haste::of(self.journal.entries()), &context.pipeline.production);
        if self.journal.outcome(StageName::Bake).is_some() {
            return Ok(());
        }
        self.expect_thawed(production)?;
        let lease = Lease::acquire_above(context, production, self.release.id).await?;
        let ended = self.go_live_under(&lease, production, found).await;
        lease.give_back().await;
        ended
    }

    async fn go_live_under(&mut self, lease: &Lease, production: &Environment, found: &Found) -> Result<()> {
        let context = self.context;
        if let Some(asked) = &production.approval {
            self.expect_approved(asked, found).await?;
        }
        let candidate = environment::version(context, production, &self.release)?;
        let mut rollout = environment::begin(context, production, lease, candidate).await?;
        // Cut off after its bake, the unit is only ended. Cut off before, it begins again.
        let has_baked = rollout.was_settled() && self.has_published();
        if !has_baked {
            self.forget(StageName::Production).await?;
            self.forget(StageName::Frontend).await?;
        }
        let mut flip = None;
        match self.ascend(production, &mut rollout, has_baked, &mut flip, lease).await {
            Ok(()) => Ok(()),
            Err(failure) => Err(self.undo(&mut rollout, flip, failure).await),
        }
    }

    async fn ascend(
        &mut self,
        production: &Environment,
        rollout: &mut Rollout<'_>,
        has_baked: bool,
        flip: &mut Option<Flip>,
        lease: &Lease,
    ) -> Result<()> {
        let context = self.context;
        let shifted: Shifted = self
            .stage(StageName::Production, async |run| {
                run.hooks(When::Before, StageName::Production).await?;
                let journal = &mut run.journal;
                let step = async |weight| {
                    let (stage, text) = (StageName::Production, format!("{weight}"));
                    journal.append(Event::Step { stage, text }).await
                };
                let shifted = environment::shift(context, production, rollout, step).await?;
                rollout.hold(run.hooks(When::After, StageName::Production)).await?;
                Ok(shifted)
            })
            .await?;
        if let Some(site) = &context.pipeline.frontend {
            let published: Published = self
                .stage(StageName::Frontend, async |run| {
                    let published = async {
                        run.hooks(When::Before, StageName::Frontend).await?;
                        let published = frontend::publish(context, site, run.release.id, lease.fence, flip);
                        let published = run.within(StageName::Frontend, published).await?;
                        run.hooks(When::After, StageName::Frontend).await?;
                        Ok(published)
                    };
                    rollout.hold(published).await
                })
                .await?;
            self.release.frontend = Some(published.manifest);
            self.release.save(&context.records).await?;
        }
        let release = self.release.clone();
        let _: Baked = self
            .stage(StageName::Bake, async |run| {
                rollout.hold(run.hooks(When::Before, StageName::Bake)).await?;
                let result = match has_baked {
                    true => None,
                    false => rollout.bake(&production.canary, production.bake).await?,
                };
                rollout.settle().await?;
                environment::remember(context, production, &release, &shifted).await?;
                if let Err(failure) = run.hooks(When::After, StageName::Bake).await {
                    // It is live, whatever this says.
                    context.report.note(&failure.to_string());
                }
                Ok(Baked { result })
            })
            .await?;
        if let Some(site) = &context.pipeline.frontend {
            frontend::prune(context, site).await;
        }
        Ok(())
    }

    async fn undo(&mut self, rollout: &mut Rollout<'_>, flip: Option<Flip>, failure: Failure) -> Failure {
        let context = self.context;
        let rolled_back = Event::RolledBack {
            environment: context.pipeline.production.name.clone(),
            to: rollout.stable().map(|version| version.release),
            because: failure.what.clone(),
        };
        let failure = take_back(context, rollout, flip, failure).await;
        let text = format!("{} is rolled back: {failure}", self.release.id);
        context.providers.notify(context, Occasion::RolledBack, &text).await;
        if let Err(trouble) = self.journal.append(rolled_back).await {
            context.report.note(&trouble.to_string());
        }
        match failure.next {
            Some(_) => failure,
            None => failure.next(format!("cargo xtask show {}", self.release.id)),
        }
    }

    fn has_published(&self) -> bool {
        let has_frontend = self.context.pipeline.frontend.is_some();
        self.journal.outcome(StageName::Production).is_some()
            && (!has_frontend || self.journal.outcome(StageName::Frontend).is_some())
    }
}

/// The entry document first, because that is one quick write; then traffic; then what takes its time.
pub(super) async fn take_back(
    context: &Context,
    rollout: &mut Rollout<'_>,
    flip: Option<Flip>,
    mut failure: Failure,
) -> Failure {
    let Some(flip) = flip else {
        return rollout.revert(failure).await;
    };
    if let Err(trouble) = flip.back(context).await {
        failure = failure
            .exit(Exit::Astray)
            .why(format!("and the front end could not be returned: {}", trouble.what));
    }
    let failure = rollout.revert(failure).await;
    flip.settle_back(context, failure).await
}
