//! Back to a release that was good: the entry document first, because that is one quick write; traffic next; and only then
//! what takes its time.

use super::live::take_back;
use super::{History, Lease, Settled};
use crate::clock;
use crate::context::Context;
use crate::failure::{Exit, Result};
use crate::stages::environment;
use crate::stages::frontend::Flip;
use contract::Weight;
use pipeline::model::{Canary, Environment, Occasion, Step};
use std::time::Duration;

pub async fn roll_back(context: &Context, environment: &Environment, target: &Settled) -> Result<()> {
    let _in_hand = context.report.interrupt.hold();
    let lease = Lease::acquire_above(context, environment, target.version.release).await?;
    let ended = roll_back_under(&lease, context, environment, target).await;
    lease.give_back().await;
    if ended.is_ok() {
        let text = format!("`{}` is back on release {}", environment.name, target.version.release);
        context.providers.notify(context, Occasion::RolledBack, &text).await;
    }
    ended
}

async fn roll_back_under(lease: &Lease, context: &Context, environment: &Environment, target: &Settled) -> Result<()> {
    let release = target.version.release;
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
        judge: environment.canary.judge,
    };
    let moved = async {
        // Cut off near its end, it is only ended.
        if !rollout.was_settled() {
            rollout.start_beside().await?;
            rollout.shift(&at_once, async |_| Ok(())).await?;
        }
        rollout.settle().await
    };
    if let Err(failure) = moved.await {
        return Err(take_back(context, &mut rollout, flip, failure).await);
    }
    let settled = Settled {
        at: clock::now(),
        ..target.clone()
    };
    History::return_to(&context.records, &environment.name, settled).await?;
    match &flip {
        Some(flip) => flip.finish(context).await.map_err(|failure| failure.exit(Exit::Astray)),
        None => Ok(()),
    }
}
