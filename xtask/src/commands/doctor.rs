//! `doctor`: what is in the way of a release, each with what to type; the same words `release` would use.

use crate::engine::{Event, Journal, Records, Release};
use crate::failure::{Exit, Failure, Result};
use crate::preflight::{self, Install};
use crate::project::Project;
use crate::report::Report;
use docker::Docker;

pub async fn doctor(profile: &str, install: bool, report: &Report) -> Result<()> {
    let mut found = Vec::new();
    let mut sound = Vec::new();
    match preflight::engine(if install { Install::Yes } else { Install::Never }).await {
        Ok(docker) => sound.push(format!("the Docker engine answers ({})", engine_version(&docker).await)),
        Err(failure) => found.push(failure),
    }
    let project = Project::find()?;
    match project.pipeline(profile) {
        Ok(pipeline) => {
            sound.push(format!("pipeline.yaml is sound with profile {profile}"));
            let (source, obstacles) = preflight::obstacles(&project, &pipeline).await;
            sound.extend(source.map(|source| format!("the source is commit {}", source.short())));
            found.extend(obstacles.into_iter().map(preflight::Obstacle::failure));
        }
        Err(failure) => found.push(failure),
    }
    found.extend(ground_failure(&project));
    // A store that cannot be reached is in the way, and said already.
    if let Ok(pipeline) = project.pipeline(profile)
        && let Ok(records) = Records::open(&project, &pipeline)
    {
        match last_failure(&records).await {
            Ok(failed) => found.extend(failed),
            Err(unreadable) => found.push(unreadable),
        }
    }
    let mut text: String = sound.iter().map(|line| format!("✓ {line}\n")).collect();
    for failure in &found {
        text.push_str(&format!(
            "✗ {}\n",
            failure.to_string().trim_start_matches("error: ").replace('\n', "\n  ")
        ));
    }
    let problems: Vec<_> = found
        .iter()
        .map(|failure| serde_json::json!({ "what": failure.what, "why": failure.why, "next": failure.next }))
        .collect();
    report.data(
        "doctor",
        &text,
        serde_json::json!({ "sound": sound, "problems": problems }),
    );
    match found.len() {
        0 => Ok(()),
        1 => Err(Failure::new(Exit::BadInput, "1 thing is in the way")),
        many => Err(Failure::new(Exit::BadInput, format!("{many} things are in the way"))),
    }
}

async fn engine_version(docker: &Docker) -> String {
    let version = docker.api().version().await.ok();
    version
        .and_then(|version| version.version)
        .unwrap_or_else(|| "unknown version".to_owned())
}

/// Why the ground did not come up: the database that never became healthy, a folder that cannot be written.
fn ground_failure(project: &Project) -> Option<Failure> {
    let last = crate::local::last_failure(project)?;
    let failure = Failure::failed(format!("the ground did not come up: {}", last.what));
    let failure = last.why.into_iter().fold(failure, Failure::why);
    Some(failure.next("mend what is said above, then cargo xtask local up"))
}

/// How the newest release ended, where it did not end well: the app that exited, that listens nowhere, whose tests fail.
async fn last_failure(records: &Records) -> Result<Option<Failure>> {
    let Some(release) = Release::newest(records, 1).await?.pop() else {
        return Ok(None);
    };
    let entries = Journal::read(records, release.id).await?;
    let failed = entries.iter().rev().find_map(|entry| match &entry.event {
        Event::StageFailed { stage, what, why } => Some((*stage, what, why)),
        _ => None,
    });
    Ok(failed.map(|(stage, what, why)| {
        let failure = Failure::failed(format!("the newest release, {}, failed in {stage}: {what}", release.id));
        why.iter()
            .fold(failure, |failure, line| failure.why(line.clone()))
            .next(format!("cargo xtask show {}", release.id))
    }))
}
