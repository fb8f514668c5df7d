//! `exec ENV -- CMD`: a command, once, with what an environment's release has.

use crate::cli::ExecArgs;
use crate::context::Context;
use crate::engine::{self, Asked, Ended, Execution};
use crate::failure::{Failure, OrFail, Result};
use crate::files;
use crate::plain::plain;
use crate::plan;
use crate::preflight::{self, Install};
use crate::project::Project;
use crate::redact;
use crate::report::Report;
use contract::{HostName, TaskResult};
use pipeline::model::Environment;
use serde_json::json;

const MOST_WORDS: usize = 100;
const MOST_BYTES: usize = 4_096;
/// As `timeout` of a shell says it.
const TOOK_TOO_LONG: u8 = 124;

pub async fn exec(profile: &str, args: ExecArgs, report: &Report) -> Result<()> {
    let project = Project::find()?;
    let pipeline = project.pipeline(profile)?;
    let environment = plan::find_environment(&pipeline, &args.environment)?.clone();
    let asked = Asked {
        host: host(&environment, args.host.as_deref())?,
        command: bounded(args.command)?,
        timeout: args.timeout,
    };
    preflight::expect_fit(&project, &pipeline).await?;
    let docker = preflight::engine(Install::Never).await?;
    let context = Context::open(project, pipeline, report.clone(), docker).await?;
    let (execution, result) = engine::exec(&context, &environment, &asked).await?;
    show(report, &environment, &execution, &result);
    keep(&context.project, &execution, &result)?;
    passed_on(&execution, &Ended::of(&result))
}

/// The one named, or the first.
fn host(environment: &Environment, named: Option<&str>) -> Result<HostName> {
    let mut hosts = environment.hosts.iter();
    let found = match named {
        Some(named) => hosts.find(|host| host.as_str() == named),
        None => hosts.next(),
    };
    found.cloned().ok_or_else(|| {
        let known: Vec<&str> = environment.hosts.iter().map(HostName::as_str).collect();
        let name: String = named.unwrap_or_default().chars().take(40).collect();
        Failure::bad_input(format!("`{}` has no host `{name}`", environment.name))
            .why(format!("known: {}", known.join(", ")))
            .world("nothing was touched")
    })
}

/// It goes into a document that every host reads.
fn bounded(command: Vec<String>) -> Result<Vec<String>> {
    let refused = |what: String| Err(Failure::bad_input(what).world("nothing was touched"));
    let bytes: usize = command.iter().map(String::len).sum();
    if command.first().is_none_or(|program| program.trim().is_empty()) {
        return refused("expected a command behind `--`, found an empty one".to_owned());
    }
    if command.len() > MOST_WORDS || bytes > MOST_BYTES {
        return refused(format!(
            "the command is too long: expected at most {MOST_WORDS} words and {MOST_BYTES} bytes, found {} and {bytes}",
            command.len()
        ));
    }
    Ok(command)
}

fn show(report: &Report, environment: &Environment, execution: &Execution, result: &TaskResult) {
    let Execution {
        task,
        release,
        host,
        command,
        ..
    } = execution;
    if result.left_out {
        report.note(&format!(
            "only the last {} lines were kept; those before are left out",
            result.output.len()
        ));
    }
    let data = json!({
        "environment": environment.name, "host": host, "release": release, "task": task, "command": command,
        "exit_code": result.exit_code, "timed_out": result.timed_out, "took_ms": result.took_ms,
        "output": result.output, "left_out": result.left_out,
    });
    let lines: Vec<_> = result.output.iter().map(|line| plain(line)).collect();
    report.data("executed", &lines.join("\n"), data);
    report.note(&format!("{host}: `{}` {}", execution.line(), Ended::of(result)));
}

/// Beside what the release's stages printed, where `logs` shows it.
fn keep(project: &Project, execution: &Execution, result: &TaskResult) -> Result<()> {
    let folder = project.release(execution.release).join("logs");
    let path = folder.join(format!("exec-{}.log", execution.task));
    let text = format!(
        "$ {}\n{}\n{}\n",
        execution.line(),
        result.output.join("\n"),
        Ended::of(result)
    );
    let failed = || format!("what the command printed cannot be kept in `{}`", path.display());
    files::write_atomic(&path, redact::mask(&text).as_bytes()).or_fail(failed)
}

fn passed_on(execution: &Execution, ended: &Ended) -> Result<()> {
    if ended.is_good() {
        return Ok(());
    }
    let code = match ended.timed_out {
        true => TOOK_TOO_LONG,
        false => u8::try_from(ended.exit_code).unwrap_or(1).max(1),
    };
    let what = format!("`{}` on {} {ended}", execution.line(), execution.host);
    Err(Failure::failed(what)
        .passing_on(code)
        .next(format!("cargo xtask show {}", execution.release)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(command: &[&str]) -> String {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        bounded(command).unwrap_err().to_string()
    }

    #[test]
    fn a_command_is_neither_empty_nor_longer_than_a_document_can_hold() {
        assert!(refused(&[]).contains("an empty one"));
        assert!(refused(&[" ", "x"]).contains("an empty one"));
        assert!(refused(&vec!["x"; MOST_WORDS + 1]).contains("found 101 and 101"));
        assert!(refused(&[&"x".repeat(MOST_BYTES + 1)]).contains("found 1 and 4097"));
        assert!(bounded(vec!["x".repeat(MOST_BYTES)]).is_ok());
    }

    #[test]
    fn the_codes_exit_with_what_the_command_did() {
        let execution = Execution {
            task: contract::TaskId::from_parts(1, 1),
            release: contract::ReleaseId::from_parts(1, 1),
            host: HostName::parse("web-1").unwrap(),
            command: vec!["reindex".to_owned()],
            by: crate::user::identity(),
            at: jiff::Timestamp::UNIX_EPOCH,
            ended: None,
        };
        let code = |exit_code, timed_out| {
            let took_ms = 1;
            let ended = Ended {
                exit_code,
                timed_out,
                took_ms,
            };
            passed_on(&execution, &ended).map_or_else(|failure| failure.code(), |()| 0)
        };
        assert_eq!([code(0, false), code(7, false), code(137, false)], [0, 7, 137]);
        assert_eq!(
            [code(137, true), code(0, true), code(-1, false), code(256, false)],
            [124, 124, 1, 1]
        );
    }
}
