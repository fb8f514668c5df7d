//! What whoever is logged in on a host can ask: a file a verb. All but `run` look and say; only `rollback` changes
//! anything, and that only the way the agent itself may, back.

mod arguments;
mod doctor;
mod hold;
mod logs;
mod rollback;
mod run;
mod seen;
mod status;

use crate::reach::ThisHost;
use anyhow::{Context as _, Result};
use arguments::{Arguments, USAGE, Verb};
use contract::HostConfig;
use std::process::ExitCode;
use std::sync::Arc;

/// The whole of the program's `main`.
pub fn main() -> ExitCode {
    let arguments = match arguments::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(why) => {
            eprintln!("error: {why}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match &arguments.verb {
        Verb::Run => host::serve(&arguments.host_json, |config, _| run::run(config)),
        Verb::Version => said(Ok(format!("{}\n", host::version("agent")))),
        Verb::Help => said(Ok(format!("{USAGE}\n"))),
        _ => match ask(&arguments) {
            Ok(code) => code,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

/// On one thread, and without the agent's log: what is found is the answer.
fn ask(arguments: &Arguments) -> Result<ExitCode> {
    let (config, _) = host::enter(&arguments.host_json)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start")?;
    let code = runtime.block_on(answer(arguments, config));
    // Who does not answer must not be waited for twice.
    runtime.shutdown_background();
    code
}

async fn answer(arguments: &Arguments, config: HostConfig) -> Result<ExitCode> {
    let reach = Arc::new(ThisHost::new(&config));
    Ok(match &arguments.verb {
        Verb::Status { json } => {
            let status = status::look(&config, reach).await;
            said(as_asked(&status, *json, status::show))
        }
        Verb::Rollback => said(rollback::rollback(&config, reach).await),
        Verb::Hold(asked) => said(hold::hold(reach, asked.as_ref()).await),
        Verb::Logs(wanted) => {
            logs::print(&config, &*reach, wanted).await?;
            ExitCode::SUCCESS
        }
        Verb::Doctor { json } => {
            let findings = doctor::examine(&config, reach).await;
            said(as_asked(&findings, *json, |findings| doctor::show(findings)));
            ExitCode::from(u8::from(doctor::is_anything_in_the_way(&findings)))
        }
        Verb::Run | Verb::Version | Verb::Help => ExitCode::SUCCESS,
    })
}

fn as_asked<T: serde::Serialize>(found: &T, json: bool, show: impl FnOnce(&T) -> String) -> Result<String> {
    match json {
        true => Ok(serde_json::to_string_pretty(found)? + "\n"),
        false => Ok(show(found)),
    }
}

/// A reader that has seen enough closes its end, which is no failure.
fn said(what: Result<String>) -> ExitCode {
    use std::io::Write as _;
    match what {
        Ok(text) => {
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
