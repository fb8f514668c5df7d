//! An environment that runs nothing, on purpose, and back. Its data, its history and the image of what ran stay.

use super::{History, Lease};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::rollout::Rollout;
use crate::stages::environment;
use contract::{ReleaseId, Version};
use pipeline::model::Environment;

pub async fn stop(context: &Context, environment: &Environment) -> Result<ReleaseId> {
    under_lease(context, environment, async |rollout| rollout.stop().await).await
}

/// What the environment settled on last, behind the same gate and checks as ever.
pub async fn start(context: &Context, environment: &Environment) -> Result<ReleaseId> {
    let started = async |rollout: &mut Rollout<'_>| {
        rollout.start_beside().await?;
        let candidate = rollout.candidate();
        context.providers.smoke(context, environment, candidate).await?;
        rollout.settle().await
    };
    under_lease(context, environment, started).await
}

async fn under_lease(
    context: &Context,
    environment: &Environment,
    work: impl AsyncFnOnce(&mut Rollout<'_>) -> Result<()>,
) -> Result<ReleaseId> {
    let version = latest(context, environment).await?;
    let release = version.release;
    let _in_hand = context.report.interrupt.hold();
    let lease = Lease::acquire_above(context, environment, release).await?;
    let ended = async {
        let mut rollout = environment::begin(context, environment, &lease, version).await?;
        match work(&mut rollout).await {
            Ok(()) => Ok(release),
            Err(failure) => Err(rollout.revert(failure).await),
        }
    };
    let ended = ended.await;
    lease.give_back().await;
    ended
}

async fn latest(context: &Context, environment: &Environment) -> Result<Version> {
    let history = History::load(&context.records, &environment.name).await?;
    let latest = history.latest().map(|settled| settled.version.clone());
    latest.ok_or_else(|| {
        Failure::bad_input(format!("`{}` has run no release yet", environment.name)).next("cargo xtask release")
    })
}
