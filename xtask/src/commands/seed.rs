//! `seed`: demo data for an environment, by the program that pipeline.yaml names.

use crate::cli::SeedArgs;
use crate::command;
use crate::failure::{Exit, Failure, Result};
use crate::local::{Ground, GroundState};
use crate::plan::environments;
use crate::project::Project;
use crate::report::Report;
use contract::EnvironmentName;
use pipeline::model::Pipeline;
use tokio::process::Command;

pub async fn seed(profile: &str, args: SeedArgs, report: &Report) -> Result<()> {
    let project = Project::find()?;
    let pipeline = project.pipeline(profile)?;
    let seed = pipeline.seed.as_ref().ok_or_else(|| {
        Failure::bad_input("pipeline.yaml names no program that makes demo data")
            .why("expected `seed: { command: [PROGRAM, …] }`")
    })?;
    let environment = environment(&pipeline, args.environment.as_deref())?;
    let url = match args.url {
        Some(url) => url,
        None => url_on_ground(&project, &pipeline, &environment)?,
    };
    let words: Vec<&String> = seed.command.iter().chain(&args.rest).collect();
    let [program, rest @ ..] = words.as_slice() else {
        return Ok(());
    };
    report.note(&format!("seeding {environment} at {url}"));
    let mut command = Command::new(program);
    command.args(rest).current_dir(&project.root).env("BASE_URL", &url);
    let said = command::show(command, seed.timeout).await.map_err(halfway)?;
    let data = serde_json::json!({ "environment": environment, "url": url, "text": said });
    report.data("seeded", &said, data);
    Ok(())
}

fn halfway(failure: Failure) -> Failure {
    if failure.exit == Exit::BadInput {
        return failure;
    }
    failure
        .exit(Exit::Astray)
        .world("what was made so far is there")
        .next("mend what is said above, then run the command again")
}

/// The one named. Only on the local ground is there one that goes without saying: what a newcomer looks at.
fn environment(pipeline: &Pipeline, named: Option<&str>) -> Result<EnvironmentName> {
    let known = environments(pipeline).map(|environment| environment.name.clone());
    let expected = format!(
        "expected one of: {}",
        known.each_ref().map(|name| name.as_str()).join(", ")
    );
    match named {
        None if pipeline.ground.is_some() => Ok(pipeline.production.name.clone()),
        None => Err(Failure::bad_input(format!(
            "profile `{}` has real hosts: say which environment",
            pipeline.profile
        ))
        .why(expected)
        .next(format!(
            "cargo xtask seed {} --profile {} --url URL",
            known[0], pipeline.profile
        ))),
        Some(named) => known
            .into_iter()
            .find(|name| name.as_str() == named)
            .ok_or_else(|| Failure::bad_input(format!("there is no environment `{named}`")).why(expected)),
    }
}

fn url_on_ground(project: &Project, pipeline: &Pipeline, environment: &EnvironmentName) -> Result<String> {
    if pipeline.ground.is_none() {
        return Err(
            Failure::bad_input(format!("pipeline.yaml does not say where `{environment}` answers")).next(format!(
                "cargo xtask seed {environment} --profile {} --url URL",
                pipeline.profile
            )),
        );
    }
    let ground = GroundState::load(project)?.map(|state| Ground {
        project: project.clone(),
        state,
    });
    ground
        .and_then(|ground| ground.environment_url(environment))
        .ok_or_else(|| {
            Failure::bad_input("there is no ground yet, and nothing released on it").next("cargo xtask release")
        })
}
