//! `rollback ENV`: back to a release that was good, front end and all.

use crate::cli::RollbackArgs;
use crate::context::Context;
use crate::engine::{self, Past, Records, Unproven};
use crate::failure::Result;
use crate::plan;
use crate::preflight::{self, Install};
use crate::project::Project;
use crate::report::{Report, seconds};
use std::time::Instant;

pub async fn rollback(profile: &str, args: RollbackArgs, report: &Report) -> Result<()> {
    let project = Project::find()?;
    let pipeline = project.pipeline(profile)?;
    let environment = plan::find_environment(&pipeline, &args.environment)?.clone();
    preflight::expect_fit(&project, &pipeline).await?;
    let records = Records::open(&project, &pipeline)?;
    let past = Past::load(&records, &environment.name).await?;
    let (target, passed_over) = past.target(args.to.as_deref(), args.unproven)?;
    let release = target.version.release;
    for line in passed_over {
        report.note(&format!("passed over: {line}"));
    }
    let unproven = args.reason.filter(|_| args.unproven).map(Unproven::new);
    if let (Some(Unproven { reason, .. }), Some(gap)) = (&unproven, past.gap(release)) {
        report.note(&format!(
            "release {release} is not proven on this schema; returning all the same: {reason}"
        ));
        gap.lines(release).iter().for_each(|line| report.note(line));
    }
    let docker = preflight::engine(Install::Never).await?;
    let context = Context::open(project, pipeline, report.clone(), docker).await?;
    let since = Instant::now();
    report.note(&format!("returning `{}` to release {release}", environment.name));
    engine::roll_back(&context, &environment, target, unproven.as_ref()).await?;
    let text = format!(
        "`{}` serves release {release} again, after {}",
        environment.name,
        seconds(since.elapsed())
    );
    report.data(
        "rolled-back",
        &text,
        serde_json::json!({ "environment": environment.name, "release": release }),
    );
    Ok(())
}
