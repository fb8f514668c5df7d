//! `approve` and `reject`: the answer to a release that waits.

use crate::context::Context;
use crate::engine::{self, How, Records, Release, Run};
use crate::facts::facts;
use crate::failure::{Failure, Result};
use crate::plan::plan;
use crate::preflight::{self, Install};
use crate::project::Project;
use crate::report::Report;
use std::time::Instant;

pub async fn approve(profile: &str, id: &str, report: &Report) -> Result<()> {
    let since = Instant::now();
    let project = Project::find()?;
    let pipeline = project.pipeline(profile)?;
    let records = Records::open(&project, &pipeline)?;
    let release = Release::find(&records, id).await?;
    let asked = pipeline.production.approval.clone().ok_or_else(|| {
        Failure::bad_input("production asks for no approval in pipeline.yaml")
            .next(format!("cargo xtask release --resume {}", release.id))
    })?;
    preflight::expect_fit(&project, &pipeline).await?;
    let docker = preflight::engine(Install::Never).await?;
    engine::approve(&records, &asked, &release).await?;
    let facts = facts(&records, &pipeline, release.source.clone()).await?;
    let context = Context::open(project, pipeline, report.clone(), docker).await?;
    let ready = since.elapsed();
    let mut run = Run::resume(&context, plan(&context.pipeline, &facts), release).await?;
    super::release::carry(&mut run, &How::Ask, ready).await
}

pub async fn reject(profile: &str, id: &str, reason: &str, report: &Report) -> Result<()> {
    let project = Project::find()?;
    let records = Records::open(&project, &project.pipeline(profile)?)?;
    let release = Release::find(&records, id).await?;
    engine::reject(&records, &release, reason).await?;
    let text = format!("release {} is rejected: {reason}", release.id);
    report.data(
        "rejected",
        &text,
        serde_json::json!({ "release": release.id, "reason": reason }),
    );
    Ok(())
}
