//! `bench NAME`: a benchmark of the app's own, run beside the very image that would be released and the services that it is
//! tested with.
//!
//! The program is told where the containers themselves answer, not their ports on this machine: what the engine forwards
//! with would be measured along, and differently for app and database.

use crate::build;
use crate::command;
use crate::context::Context;
use crate::failure::{Failure, OrFail, Result};
use crate::git;
use crate::preflight::{self, Install};
use crate::project::Project;
use crate::report::{Report, bytes};
use crate::stand::{Identity, Purpose, Stand, Up};
use pipeline::model::Program;
use serde_json::{Value, json};
use std::net::IpAddr;
use tokio::process::Command;

/// What a benchmark adds to the command: the answer is for a program, this one.
const JSON: &str = "--json";

pub async fn run(profile: &str, (name, program): (&str, &Program), report: &Report) -> Result<()> {
    let project = Project::find()?;
    let pipeline = project.pipeline(profile)?;
    let docker = preflight::engine(Install::Never).await?;
    let source = git::facts(&project).await?;
    report.note("preparing the ground");
    let context = Context::open(project, pipeline, report.clone(), docker).await?;
    report.note("building the image");
    let image = build::build(&context).await?.image;
    let identity = Identity {
        release: format!("bench-{name}"),
        commit: source.commit,
    };
    let stand = Stand::new(&context, Purpose::Bench, identity).await?;
    let result = async {
        report.note("starting the services and the image");
        let up = stand.up(&image).await?;
        measure(&context, program, &up).await.map(|found| (found, up))
    };
    let result = result.await;
    let logs = context.project.state().join("bench").join(name);
    if result.is_err() {
        stand.keep_logs(&logs).await;
    }
    stand.tear_down().await;
    let (found, up) = result.map_err(|failure| failure.next(format!("look into `{}`", logs.display())))?;
    show(name, found, &up, report);
    Ok(())
}

/// What the program found, and the app's memory around it.
struct Found {
    answer: Value,
    at_rest: Option<u64>,
    at_most: Option<u64>,
}

async fn measure(context: &Context, program: &Program, up: &Up) -> Result<Found> {
    let [name, args @ ..] = program.command.as_slice() else {
        return Err(Failure::bad_input("this benchmark has no command"));
    };
    let (address, pid) = place(context, &up.app).await?;
    let mut command = Command::new(name);
    command
        .args(args)
        .arg(JSON)
        .current_dir(&context.project.root)
        .env("BASE_URL", format!("http://{address}:{}", context.pipeline.build.port));
    if let Some(service) = up.services.first() {
        let (address, _) = place(context, &service.container).await?;
        command.env("DATABASE_URL", service.url(address));
    }
    let at_rest = pid.and_then(machine::memory_of).map(|memory| memory.now);
    let stdout = command::show(command, program.timeout).await?;
    let at_most = pid.and_then(machine::memory_of).map(|memory| memory.at_most);
    let answer = serde_json::from_str(&stdout).or_fail(|| {
        let start: String = stdout.chars().take(200).collect();
        format!("expected one JSON object of `{name} … {JSON}`, found `{start}`")
    })?;
    Ok(Found {
        answer,
        at_rest,
        at_most,
    })
}

/// A container's address on its network, and its first process.
async fn place(context: &Context, container: &str) -> Result<(IpAddr, Option<u32>)> {
    let state = context.docker.inspect(container).await;
    let state = state.or_fail(|| "a container of the benchmark cannot be seen".to_owned())?;
    let state = state.ok_or_else(|| Failure::failed("a container of the benchmark is gone"))?;
    let address = state
        .ip
        .ok_or_else(|| Failure::failed(format!("container `{}` has no address on its network", state.name)))?;
    Ok((address, state.pid.and_then(|pid| u32::try_from(pid).ok())))
}

fn show(name: &str, found: Found, up: &Up, report: &Report) {
    let Found {
        answer,
        at_rest,
        at_most,
    } = found;
    let size = |memory: Option<u64>| memory.map_or_else(|| "unknown".to_owned(), bytes);
    let mut text = answer["text"].as_str().unwrap_or_default().trim_end().to_owned();
    text.push_str(&format!(
        "\nmemory of the app: {} at rest, {} at most under load",
        size(at_rest),
        size(at_most)
    ));
    for substitute in up.substitutes() {
        text.push_str(&format!("\nwith {substitute}"));
    }
    let memory = json!({ "rest_bytes": at_rest, "most_bytes": at_most });
    let data = json!({ "figures": answer, "memory": memory, "substitutes": up.substitutes() });
    report.data(&format!("bench-{name}"), &text, data);
}
