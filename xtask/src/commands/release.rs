//! `release`: the whole flow.

use crate::cli::ReleaseArgs;
use crate::context::Context;
use crate::engine::{Haste, How, Reached, Records, Release, Run, release_of};
use crate::facts::facts;
use crate::failure::{Failure, Result};
use crate::plan::{self, StageName};
use crate::preflight::{self, Install};
use crate::project::Project;
use crate::report::{Report, seconds};
use crate::summary;
use contract::ImageRef;
use std::time::{Duration, Instant};

pub async fn release(profile: &str, args: ReleaseArgs, report: &Report) -> Result<()> {
    let since = Instant::now();
    let project = Project::find()?;
    let pipeline = project.pipeline(profile)?;
    if args.yes {
        expect_yes_allowed(&pipeline)?;
    }
    let until = last_stage(args.to, args.only)?;
    let promotes = args.image.as_deref().map(promoted).transpose()?;
    let (source, obstacles) = preflight::obstacles(&project, &pipeline).await;
    if let Some(first) = obstacles.into_iter().next() {
        return Err(first.failure());
    }
    let Some(source) = source else {
        return Err(Failure::bad_input("there is nothing to release"));
    };
    let install = match (args.install, args.no_install) {
        (true, _) => Install::Yes,
        (_, true) => Install::Never,
        _ => Install::Ask,
    };
    let docker = preflight::engine(install).await?;
    let how = if args.yes { How::Yes } else { How::Ask };
    let records = Records::open(&project, &pipeline)?;
    let facts = facts(&records, &pipeline, source.clone()).await?;
    let plan = plan::plan(&pipeline, &facts);
    if let (Some(live), None, None) = (plan.already_live, &args.resume, &promotes)
        && super::status::runs_everywhere(&project, &pipeline, live).await?
    {
        let text = format!(
            "release {live} is already live with this source and configuration; nothing to do ({})",
            seconds(since.elapsed())
        );
        report.data("already-live", &text, serde_json::json!({ "release": live }));
        return Ok(());
    }
    announce_substitutes(&docker, &pipeline, report).await?;
    report.note("preparing the ground");
    let context = Context::open(project, pipeline, report.clone(), docker).await?;
    let ready = since.elapsed();
    let mut run = match &args.resume {
        Some(id) => {
            let release = Release::find(&context.records, id).await?;
            if release.source != source {
                return Err(
                    Failure::bad_input(format!("release {} was begun from another source tree", release.id))
                        .why(format!("expected {}, found {}", release.source.short(), source.short()))
                        .next("cargo xtask release, for a new release of this tree"),
                );
            }
            Run::resume(&context, plan, release).await?
        }
        None => {
            let release = release_of(&context.pipeline, source);
            Run::begin(&context, plan, Release { promotes, ..release }).await?
        }
    };
    report.note(&format!("release {}", run.release.id));
    if args.fast || args.despite_freeze {
        let reason = args.reason.unwrap_or_default();
        run.hasten(Haste::new(args.fast, args.despite_freeze, reason)).await?;
    }
    run.until = until;
    if let Some(stage) = args.from.or(args.only) {
        run.again_from(stage).await?;
    }
    carry(&mut run, &how, ready).await
}

/// As far as it goes, and what is to be said of that.
pub async fn carry(run: &mut Run<'_>, how: &How, ready: Duration) -> Result<()> {
    let ended = run.go(how).await;
    summary::add(run, &ended);
    finish(run, ended?, ready);
    Ok(())
}

fn promoted(text: &str) -> Result<ImageRef> {
    ImageRef::parse(text).map_err(|error| {
        Failure::bad_input(error.to_string()).next("cargo xtask show ID names the image of an earlier release")
    })
}

/// Production, front end and bake are one: what was begun there is finished or undone.
fn last_stage(to: Option<StageName>, only: Option<StageName>) -> Result<Option<StageName>> {
    match to.or(only) {
        Some(stage) if stage >= StageName::Production => {
            let what = format!("a release cannot end with `{stage}`: production, front end and bake are one");
            Err(Failure::bad_input(what)
                .why("expected one of: source, build, test, staging, approval")
                .next("leave it out, and the release goes live"))
        }
        last => Ok(last),
    }
}

fn expect_yes_allowed(pipeline: &pipeline::model::Pipeline) -> Result<()> {
    let approval = pipeline.production.approval.as_ref();
    match approval.filter(|approval| !approval.approvers.is_empty()) {
        Some(approval) => Err(Failure::bad_input("`--yes` is refused where approvers are listed")
            .why(format!("approvers: {}", plan::names(&approval.approvers)))
            .next("cargo xtask release, then one of them: cargo xtask approve ID")),
        None => Ok(()),
    }
}

/// Said at the start, not found out at the end: what stands in for an image that cannot be had.
async fn announce_substitutes(
    docker: &docker::Docker,
    pipeline: &pipeline::model::Pipeline,
    report: &Report,
) -> Result<()> {
    for (name, service) in &pipeline.test.services {
        let image = crate::local::environment::resolve(docker, pipeline, name, service, report).await?;
        if let Some(substitute) = image.substitute {
            report.note(&format!(
                "{} cannot be pulled here: {substitute} stands in for it",
                service.image
            ));
        }
    }
    Ok(())
}

/// Where to look, and where the time went.
fn finish(run: &Run<'_>, reached: Reached, ready: Duration) {
    let context = run.context;
    if let Reached::Asked(stage) = reached {
        let id = run.release.id;
        let text =
            format!("release {id} is done with {stage}, as asked; go on with: cargo xtask release --resume {id}");
        let data = serde_json::json!({ "release": run.release, "stage": stage });
        return context.report.data("stopped", &text, data);
    }
    let mut text = format!("\nrelease {} is live\n", run.release.id);
    let mut urls = serde_json::Map::new();
    if let Some(ground) = &context.ground {
        let environments = plan::environments(&context.pipeline).into_iter().rev();
        let named = environments
            .filter_map(|environment| Some((environment.name.to_string(), ground.environment_url(&environment.name)?)));
        text.push('\n');
        for (name, url) in [("site".to_owned(), ground.site_url())].into_iter().chain(named) {
            text.push_str(&format!("  {name:<11} {url}\n"));
            urls.insert(name, url.into());
        }
    }
    let mut parts = vec![format!("ground {}", seconds(ready))];
    parts.extend(
        run.times
            .iter()
            .map(|(stage, took)| format!("{stage} {}", seconds(*took))),
    );
    let total: Duration = ready + run.times.iter().map(|(_, took)| *took).sum::<Duration>();
    text.push_str(&format!("\n{} in all: {}\n", seconds(total), parts.join(", ")));
    let data = serde_json::json!({ "release": run.release, "urls": urls, "seconds": total.as_secs_f64() });
    context.report.data("live", &text, data);
}
