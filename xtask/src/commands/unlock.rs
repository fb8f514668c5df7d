//! `unlock ENV`: takes a lease away from a release that will not give it back.

use crate::engine::{Holder, Lease, Records};
use crate::failure::{Exit, Failure, Result};
use crate::plan;
use crate::project::Project;
use crate::report::Report;
use jiff::Timestamp;
use serde_json::json;

pub async fn unlock(profile: &str, name: &str, yes: bool, report: &Report) -> Result<()> {
    let project = Project::find()?;
    let pipeline = project.pipeline(profile)?;
    let environment = &plan::find_environment(&pipeline, name)?.name;
    let records = Records::open(&project, &pipeline)?;
    let Some(holder) = Lease::read(&records, environment).await?.holder else {
        let text = format!("nobody holds `{environment}`: nothing to unlock");
        report.data("unlocked", &text, json!({ "environment": environment, "holder": null }));
        return Ok(());
    };
    report.note(&explain(name, &holder, Timestamp::now()));
    if !yes
        && !report
            .ask(&format!("Take `{environment}` away from release {}?", holder.release))
            .await?
    {
        return Err(Failure::new(
            Exit::Refused,
            format!("`{environment}` stays with release {}", holder.release),
        )
        .world("nothing was touched")
        .next(format!("cargo xtask unlock {environment} --yes")));
    }
    let holder = Lease::take_away(&records, environment).await?;
    let text = format!("`{environment}` is free; whatever its former holder still writes is refused");
    report.data(
        "unlocked",
        &text,
        json!({ "environment": environment, "holder": holder }),
    );
    Ok(())
}

/// What would happen to whom.
fn explain(environment: &str, holder: &Holder, now: Timestamp) -> String {
    let Holder {
        release,
        who,
        since,
        expires_at,
    } = holder;
    let held = now.duration_since(*since).as_secs();
    let left = expires_at.duration_since(now).as_secs();
    let state = if left > 0 {
        format!(
            "It was renewed less than 15 s ago, so that its process is most likely alive: taken away now, its rollout fails. \
             Left alone after its process has died, it runs out in {left} s."
        )
    } else {
        format!(
            "It ran out {} s ago: the next release takes it over without being helped.",
            -left
        )
    };
    format!(
        "`{environment}` is held by release {release} ({who}, for {held} s). {state} Hosts in the middle of its rollout return to \
         the stable version by themselves."
    )
}
