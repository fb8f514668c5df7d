//! `plan`: what `release` would do; the very value it runs.

use crate::engine::{History, Records, Settled};
use crate::failure::{Failure, Result};
use crate::git;
use crate::plan::{self, Facts, SourceFacts, config_digest};
use crate::project::Project;
use crate::report::Report;
use pipeline::model::Pipeline;

pub async fn plan(profile: &str, report: &Report) -> Result<()> {
    let project = Project::find()?;
    let pipeline = project.pipeline(profile)?;
    let source = git::facts(&project).await?;
    let records = Records::open(&project, &pipeline)?;
    let plan = plan::plan(&pipeline, &facts(&records, &pipeline, source).await?);
    report.data("plan", &plan.to_string(), &plan);
    Ok(())
}

pub async fn facts(records: &Records, pipeline: &Pipeline, source: SourceFacts) -> Result<Facts> {
    let running = async |name| {
        let history = History::load(records, name).await?;
        Ok::<_, Failure>(history.latest().map(Settled::running))
    };
    Ok(Facts {
        now: crate::clock::now(),
        source,
        config: config_digest(pipeline),
        staging: running(&pipeline.staging.name).await?,
        production: running(&pipeline.production.name).await?,
    })
}
