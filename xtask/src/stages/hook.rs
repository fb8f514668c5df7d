//! Runs a command before or after a stage, and keeps what it prints.

use crate::command;
use crate::context::Context;
use crate::engine::Release;
use crate::failure::{Failure, Result};
use crate::stand::{LiveLog, keep_log};
use pipeline::model::{Hook, When};
use tokio::process::Command;

/// Of what it prints, from the beginning; its last lines are in the failure.
const KEPT_BYTES: usize = 1024 * 1024;

pub async fn hook(context: &Context, release: &Release, hook: &Hook, told: Vec<(String, String)>) -> Result<()> {
    let [program, args @ ..] = hook.command.as_slice() else {
        return Ok(());
    };
    let when = match hook.when {
        When::Before => "before",
        When::After => "after",
    };
    let name = format!("{}-{when}", hook.stage.as_str());
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(&context.project.root)
        .envs(&hook.env)
        .envs(told);
    let logs = context.project.release(release.id).join("logs");
    let (mut output, mut live) = (String::new(), LiveLog::begin(&logs, &format!("{name}.log")));
    let finished = command::run(command, hook.timeout, |line| {
        context.report.progress(format!("{name}: {line}"));
        if output.len() < KEPT_BYTES {
            live.line(line);
            output.push_str(line);
            output.push('\n');
        }
    });
    let finished = context.report.interrupt.cuts(finished).await;
    keep_log(&logs, &format!("{name}.log"), &output);
    let failed = || format!("`{}` {when} {} failed", hook.command.join(" "), hook.stage.as_str());
    match finished {
        Ok(finished) if finished.success => Ok(()),
        Ok(finished) => {
            let lines = finished.tail.iter();
            Err(lines.fold(Failure::failed(failed()), |failure, line| {
                failure.why(format!("| {line}"))
            }))
        }
        Err(failure) => Err(failure),
    }
}
