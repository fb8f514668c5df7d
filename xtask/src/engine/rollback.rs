//! Back to a release that was good: the entry document first, because that is one quick write; traffic next; and only then
//! what takes its time.

use super::live::take_back;
use super::{History, Lease, Past, Proof, Schema, Settled};
use crate::clock;
use crate::context::Context;
use crate::failure::{Exit, Result};
use crate::stages::environment::{self, counts};
use crate::stages::frontend::Flip;
use crate::user;
use contract::Weight;
use pipeline::Identity;
use pipeline::model::{Canary, Environment, Occasion, Step};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Somebody wants a release back that is not proven on the schema there is. Recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unproven {
    pub reason: String,
    pub by: Identity,
}

impl Unproven {
    pub fn new(reason: String) -> Self {
        let by = user::identity();
        Self { reason, by }
    }
}

pub async fn roll_back(
    context: &Context,
    environment: &Environment,
    target: &Settled,
    unproven: Option<&Unproven>,
) -> Result<()> {
    let _in_hand = context.report.interrupt.hold();
    let lease = Lease::acquire_above(context, environment, target.version.release).await?;
    let ended = roll_back_under(&lease, context, environment, target, unproven).await;
    lease.give_back().await;
    if ended.is_ok() {
        let text = format!("`{}` is back on release {}", environment.name, target.version.release);
        context.providers.notify(context, Occasion::RolledBack, &text).await;
    }
    ended
}

async fn roll_back_under(
    lease: &Lease,
    context: &Context,
    environment: &Environment,
    target: &Settled,
    unproven: Option<&Unproven>,
) -> Result<()> {
    let release = target.version.release;
    let past = Past::load(&context.records, &environment.name).await?;
    let unproven = match unproven {
        Some(unproven) => past.gap(release).map(|_| unproven.clone()),
        None => past.expect_proven(release).map(|()| None)?,
    };
    let mut rollout = environment::begin(context, environment, lease, target.version.clone()).await?;
    let mut flip = None;
    if let (Some(asked), Some(manifest), true) = (
        &context.pipeline.frontend,
        target.frontend,
        environment.name == context.pipeline.production.name,
    ) {
        Flip::make(context, asked, manifest, (release, lease.fence), &mut flip).await?;
    }
    let at_once = Canary {
        steps: vec![Step {
            weight: Weight::ALL,
            bake: Duration::ZERO,
        }],
        ..environment.canary.clone()
    };
    let moved = async {
        let mut steps = Vec::new();
        // Cut off near its end, it is only ended.
        if !rollout.was_settled() {
            rollout.start_beside().await?;
            steps = rollout.shift(&at_once, async |_| Ok(())).await?;
        }
        rollout.settle().await?;
        Ok(counts(&steps))
    };
    let (_, answered) = match moved.await {
        Ok(counts) => counts,
        Err(failure) => return Err(take_back(context, &mut rollout, flip, failure).await),
    };
    // Cut off between the two records below, it is what runs already, and what was said of it stays.
    let said = target.unproven.clone().filter(|_| past.is_current(release));
    let settled = Settled {
        at: clock::now(),
        unproven: unproven.or(said),
        ..target.clone()
    };
    History::return_to(&context.records, &environment.name, settled).await?;
    let prove = |schema: &mut Schema| schema.proven(release, Proof::Returned, answered);
    Schema::change(&context.records, &environment.name, prove).await?;
    match &flip {
        Some(flip) => flip.finish(context).await.map_err(|failure| failure.exit(Exit::Astray)),
        None => Ok(()),
    }
}
