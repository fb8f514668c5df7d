//! A command that somebody has run once, on one host, with all that the environment's release has. What serves goes on
//! serving: hosts are told of the task beside what is settled, and afterwards of what is settled alone.
//!
//! Cut off anywhere, it leaves a document that differs from the settled one by its task only. A host runs a task at most
//! once, and whatever changes the environment next writes a document without it.

use super::{Execution, Executions, History, Lease};
use crate::clock;
use crate::context::Context;
use crate::failure::{Exit, Failure, OrFail, Result};
use crate::ids;
use crate::redact;
use crate::rollout::{Rollout, Told};
use crate::stages::environment;
use crate::user;
use contract::{Desired, HostName, Task, TaskResult, Version};
use pipeline::model::Environment;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Asked {
    pub host: HostName,
    pub command: Vec<String>,
    pub timeout: Duration,
}

/// The command's result, whatever its exit code, and what is kept of it.
pub async fn exec(context: &Context, environment: &Environment, asked: &Asked) -> Result<(Execution, TaskResult)> {
    let latest = latest(context, environment).await?;
    let _in_hand = context.report.interrupt.hold();
    let lease = Lease::acquire_above(context, environment, latest.release).await?;
    let ended = exec_under(&lease, context, environment, asked).await;
    lease.give_back().await;
    ended
}

async fn exec_under(
    lease: &Lease,
    context: &Context,
    environment: &Environment,
    asked: &Asked,
) -> Result<(Execution, TaskResult)> {
    let version = settled(context, environment).await?;
    let task = Task {
        id: ids::new_task(),
        host: asked.host.clone(),
        version: version.clone(),
        command: asked.command.clone(),
        timeout_ms: asked.timeout.as_millis() as u64,
    };
    let execution = Execution {
        task: task.id,
        release: version.release,
        host: task.host.clone(),
        command: task
            .command
            .iter()
            .map(|word| redact::mask(word).into_owned())
            .collect(),
        by: user::identity(),
        at: clock::now(),
        ended: None,
    };
    let mut rollout = environment::begin(context, environment, lease, version).await?;
    note_earlier(context, environment).await?;
    // That it was asked for is written down before anybody can run it.
    Executions::begin(&context.records, &environment.name, execution.clone()).await?;
    let told = rollout.exec(&task).await;
    let noted = match &told {
        Ok(Told::Ended(result)) => {
            let results = std::slice::from_ref(result);
            Executions::note(&context.records, &environment.name, results).await
        }
        Ok(Told::NotRun(_)) | Err(_) => Ok(()),
    };
    let forgotten = forget(&mut rollout).await;
    // The command has ended, whatever became of its record.
    for trouble in [noted, forgotten].into_iter().filter_map(Result::err) {
        context.report.note(&trouble.to_string());
    }
    let serves = format!("`{}` serves release {} as before", environment.name, execution.release);
    match told {
        Ok(Told::Ended(result)) => Ok((execution, result)),
        Ok(Told::NotRun(failure)) => Err(failure.world(format!("{serves}; the command was not run"))),
        Err(failure) => Err(unseen(failure, &execution, &serves)),
    }
}

/// Whoever has the lease by now tells hosts something of their own.
async fn forget(rollout: &mut Rollout<'_>) -> Result<()> {
    match rollout.forget_task().await {
        Err(failure) if failure.exit == Exit::Locked => Ok(()),
        forgotten => forgotten,
    }
}

/// Nobody knows here how the command ended, or whether it was begun.
fn unseen(failure: Failure, execution: &Execution, serves: &str) -> Failure {
    let host = &execution.host;
    let (exit, command) = match failure.exit {
        Exit::Cancelled => (
            Exit::Cancelled,
            format!("{host} runs the command on to its end or its time limit if it has begun it, and else never"),
        ),
        Exit::Locked => (
            Exit::Locked,
            format!("whether {host} runs the command is not known here, but never more than once"),
        ),
        _ => (
            Exit::Astray,
            format!("whether {host} ran the command is not known, but never more than once"),
        ),
    };
    failure.exit(exit).world(format!("{serves}; {command}")).next(format!(
        "cargo xtask show {}, where the next exec notes its end",
        execution.release
    ))
}

/// Of commands whose end nobody saw.
async fn note_earlier(context: &Context, environment: &Environment) -> Result<()> {
    let name = &environment.name;
    let known = Executions::load(&context.records, name).await?;
    if known.executions.iter().all(|execution| execution.ended.is_some()) {
        return Ok(());
    }
    let fleet = context.channel(name)?.read_observed().await;
    let fleet = fleet.or_fail(|| format!("the hosts of `{name}` cannot be read"))?;
    let results: Vec<TaskResult> = fleet.into_values().flat_map(|observed| observed.tasks).collect();
    Executions::note(&context.records, name, &results).await
}

async fn latest(context: &Context, environment: &Environment) -> Result<Version> {
    let history = History::load(&context.records, &environment.name).await?;
    let latest = history.latest().map(|settled| settled.version.clone());
    latest.ok_or_else(|| {
        Failure::bad_input(format!(
            "`{}` runs nothing: it has run no release yet",
            environment.name
        ))
        .world("nothing was touched")
        .next("cargo xtask release")
    })
}

/// What the environment runs, and nothing else is on its way to it. From our records: what lies in the channel is only
/// compared with them.
async fn settled(context: &Context, environment: &Environment) -> Result<Version> {
    let name = &environment.name;
    let latest = latest(context, environment).await?;
    let read = context.channel(name)?.read_desired().await;
    let read = read.or_fail(|| format!("the channel of `{name}` cannot be read"))?;
    let desired = match &read {
        Some((envelope, _)) => serde_json::from_str::<Desired>(&envelope.document)
            .or_fail(|| format!("the desired document of `{name}` cannot be read"))?,
        None => return Err(runs_nothing(environment)),
    };
    match &desired.release {
        None => Err(runs_nothing(environment)),
        Some(running) if desired.lease_ttl_ms.is_none() && is_same(running, &latest) => Ok(latest),
        Some(_) => Err(Failure::bad_input(format!(
            "`{name}` has not settled on a release: one on its way there was cut off"
        ))
        .why(format!("release {} is what it settled on last", latest.release))
        .world("nothing was touched")
        .next(format!(
            "cargo xtask releases, then cargo xtask release --resume ID or cargo xtask rollback {name} --to {}",
            latest.release
        ))),
    }
}

fn is_same(running: &Version, settled: &Version) -> bool {
    (running.release, &running.image) == (settled.release, &settled.image)
}

fn runs_nothing(environment: &Environment) -> Failure {
    let name = &environment.name;
    Failure::bad_input(format!("`{name}` runs nothing"))
        .world("nothing was touched")
        .next(format!("cargo xtask start {name}"))
}
