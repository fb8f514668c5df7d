//! `stop ENV` and `start ENV`: nothing runs there, on purpose, and back.

use crate::context::Context;
use crate::engine;
use crate::failure::{Exit, Failure, Result};
use crate::plan;
use crate::preflight::{self, Install};
use crate::project::Project;
use crate::report::Report;
use serde_json::json;

pub async fn stop(profile: &str, name: &str, yes: bool, report: &Report) -> Result<()> {
    let project = Project::find()?;
    let pipeline = project.pipeline(profile)?;
    let environment = plan::find_environment(&pipeline, name)?.clone();
    let question = format!("`{name}` answers nobody until `cargo xtask start {name}`; its data is kept. Stop it?");
    if !yes && !report.ask(&question).await? {
        return Err(Failure::new(Exit::Refused, format!("`{name}` runs on"))
            .world("nothing was touched")
            .next(format!("cargo xtask stop {name} --yes")));
    }
    preflight::expect_fit(&project, &pipeline).await?;
    let docker = preflight::engine(Install::Never).await?;
    let context = Context::open(project, pipeline, report.clone(), docker).await?;
    let release = engine::stop(&context, &environment).await?;
    let text = format!("`{name}` runs nothing; release {release} is back with: cargo xtask start {name}");
    report.data(
        "stopped",
        &text,
        json!({ "environment": environment.name, "release": release }),
    );
    Ok(())
}

pub async fn start(profile: &str, name: &str, report: &Report) -> Result<()> {
    let project = Project::find()?;
    let pipeline = project.pipeline(profile)?;
    let environment = plan::find_environment(&pipeline, name)?.clone();
    preflight::expect_fit(&project, &pipeline).await?;
    let docker = preflight::engine(Install::Never).await?;
    let context = Context::open(project, pipeline, report.clone(), docker).await?;
    let release = engine::start(&context, &environment).await?;
    let text = format!("`{name}` serves release {release}");
    report.data(
        "started",
        &text,
        json!({ "environment": environment.name, "release": release }),
    );
    Ok(())
}
