//! `plan`: what `release` would do; the very value it runs.

use crate::engine::{History, Settled};
use crate::failure::Result;
use crate::git;
use crate::plan::{self, Facts, SourceFacts, config_digest};
use crate::project::Project;
use crate::report::Report;
use pipeline::model::Pipeline;

pub async fn plan(profile: &str, report: &Report) -> Result<()> {
    let project = Project::find()?;
    let pipeline = project.pipeline(profile)?;
    let source = git::facts(&project).await?;
    let plan = plan::plan(&pipeline, &facts(&project, &pipeline, source)?);
    report.data("plan", &plan.to_string(), &plan);
    Ok(())
}

pub fn facts(project: &Project, pipeline: &Pipeline, source: SourceFacts) -> Result<Facts> {
    let running = |name| Ok(History::load(project, name)?.latest().map(Settled::running));
    Ok(Facts {
        source,
        config: config_digest(pipeline),
        staging: running(&pipeline.staging.name)?,
        production: running(&pipeline.production.name)?,
    })
}
