//! How long a stage may take, however bad it goes: the sum of all that bounds its parts. Pure.

use super::StageName;
use crate::build::COMPILE_WITHIN;
use crate::providers::INVALIDATED_WITHIN;
use crate::rollout::{SHIFT_WITHIN, START_MARGIN};
use crate::stages::load::GIVEN_UP_AFTER;
use crate::stand::PULL_WITHIN;
use pipeline::model::{Environment, Pipeline};
use std::time::Duration;

/// To fetch or make the image of a service.
const SERVICE_IMAGE_WITHIN: Duration = Duration::from_secs(900);
/// To send what the registry or the bucket lacks.
const SEND_WITHIN: Duration = Duration::from_secs(900);
/// To fetch and compare what is served.
const VERIFY_WITHIN: Duration = Duration::from_secs(120);

pub fn stage(stage: StageName, pipeline: &Pipeline) -> Duration {
    let hooks = pipeline.hooks_of(stage.as_str()).map(|hook| hook.timeout);
    let once = hooks.sum::<Duration>() + work(stage, pipeline);
    let again = pipeline.pauses(stage.as_str()).map(|pause| pause + once);
    once + again.sum::<Duration>()
}

fn work(stage: StageName, pipeline: &Pipeline) -> Duration {
    let production = &pipeline.production;
    match stage {
        StageName::Source => Duration::ZERO,
        StageName::Build => COMPILE_WITHIN + SEND_WITHIN,
        StageName::Test => test(pipeline),
        StageName::Staging => environment(&pipeline.staging) + load(pipeline) + settle(&pipeline.staging),
        StageName::Approval => production
            .approval
            .as_ref()
            .map_or(Duration::ZERO, |asked| asked.timeout),
        StageName::Production => environment(production),
        StageName::Frontend => SEND_WITHIN + INVALIDATED_WITHIN + VERIFY_WITHIN,
        StageName::Bake => SHIFT_WITHIN + production.bake + settle(production),
    }
}

fn test(pipeline: &Pipeline) -> Duration {
    let test = &pipeline.test;
    let services = test
        .services
        .values()
        .map(|service| SERVICE_IMAGE_WITHIN + service.health.deadline);
    let migration = test.migrate.as_ref().map_or(Duration::ZERO, |migrate| migrate.timeout);
    let gate = Duration::from_millis(test.health.deadline_ms);
    services.sum::<Duration>() + PULL_WITHIN + migration + gate + test.timeout
}

/// Up to full weight.
fn environment(environment: &Environment) -> Duration {
    let migration = environment.migrate.as_ref();
    let migration = migration.map_or(Duration::ZERO, |migrate| START_MARGIN + migrate.timeout);
    let checks = environment.smoke.iter().map(|check| check.deadline);
    let checks = checks.sum::<Duration>() * environment.hosts.len() as u32;
    let steps = environment.canary.steps.iter();
    let steps = steps.map(|step| SHIFT_WITHIN + drain(environment) + step.bake);
    migration + settle(environment) + checks + steps.sum::<Duration>()
}

fn load(pipeline: &Pipeline) -> Duration {
    let load = pipeline.load_of(&pipeline.staging);
    load.map_or(Duration::ZERO, |load| load.duration + GIVEN_UP_AFTER)
}

/// Every host has done what may need a new container.
fn settle(environment: &Environment) -> Duration {
    START_MARGIN + Duration::from_millis(environment.health.deadline_ms) + drain(environment)
}

fn drain(environment: &Environment) -> Duration {
    Duration::from_millis(environment.drain.requests_ms + environment.drain.stop_ms)
}
