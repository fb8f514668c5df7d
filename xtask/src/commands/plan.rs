//! `plan`: what `release` would do; the very value it runs.

use crate::engine::Records;
use crate::facts::{facts, upload};
use crate::failure::Result;
use crate::git;
use crate::plan::{self, Facts};
use crate::project::Project;
use crate::report::Report;

pub async fn plan(profile: &str, report: &Report) -> Result<()> {
    let project = Project::find()?;
    let pipeline = project.pipeline(profile)?;
    let source = git::facts(&project).await?;
    let records = Records::open(&project, &pipeline)?;
    let facts = Facts {
        upload: upload(&project, &pipeline).await,
        ..facts(&records, &pipeline, source).await?
    };
    let plan = plan::plan(&pipeline, &facts);
    report.data("plan", &plan.to_string(), &plan);
    Ok(())
}
