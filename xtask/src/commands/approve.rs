//! `approve` and `reject`: the answer to a release that waits.

use crate::context::Context;
use crate::engine::{self, How, Release, Run};
use crate::failure::{Failure, Result};
use crate::preflight::{self, Install};
use crate::project::Project;
use crate::report::Report;
use std::time::Instant;

pub async fn approve(profile: &str, id: &str, report: &Report) -> Result<()> {
    let since = Instant::now();
    let project = Project::find()?;
    let pipeline = project.pipeline(profile)?;
    let release = Release::find(&project, id)?;
    let asked = pipeline.production.approval.clone().ok_or_else(|| {
        Failure::bad_input("production asks for no approval in pipeline.yaml")
            .next(format!("cargo xtask release --resume {}", release.id))
    })?;
    let docker = preflight::engine(Install::Never).await?;
    engine::approve(&project, &asked, &release)?;
    let context = Context::open(project, pipeline, report.clone(), docker).await?;
    let ready = since.elapsed();
    let mut run = Run::resume(&context, release)?;
    run.go(&How::Ask).await?;
    super::release::finish(&run, ready);
    Ok(())
}

pub fn reject(id: &str, reason: &str, report: &Report) -> Result<()> {
    let project = Project::find()?;
    let release = Release::find(&project, id)?;
    engine::reject(&project, &release, reason)?;
    let text = format!("release {} is rejected: {reason}", release.id);
    report.data(
        "rejected",
        &text,
        serde_json::json!({ "release": release.id, "reason": reason }),
    );
    Ok(())
}
