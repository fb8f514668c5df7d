//! `releases` and `show`: what was done.

use crate::engine::{Entry, Event, Execution, Executions, Haste, Journal, Records, Release};
use crate::failure::Result;
use crate::plain::plain;
use crate::plan;
use crate::project::Project;
use crate::report::{Report, seconds};
use contract::EnvironmentName;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::Duration;

const SHOWN: usize = 30;

pub async fn releases(profile: &str, report: &Report) -> Result<()> {
    let project = Project::find()?;
    let records = Records::open(&project, &project.pipeline(profile)?)?;
    let mut rows = Vec::new();
    for release in Release::newest(&records, SHOWN).await? {
        let state = state(&Journal::read(&records, release.id).await?);
        rows.push((release, state));
    }
    let mut text = String::new();
    for (release, state) in &rows {
        text.push_str(&format!(
            "{}  {:<16} {}  {state}\n",
            release.id,
            release.source.short(),
            local(release.created_at)
        ));
    }
    if rows.is_empty() {
        text = "no releases yet: cargo xtask release".to_owned();
    }
    let data: Vec<_> = rows
        .iter()
        .map(|(release, state)| serde_json::json!({ "release": release, "state": state }))
        .collect();
    report.data("releases", &text, serde_json::json!({ "releases": data }));
    Ok(())
}

pub async fn show(profile: &str, id: &str, report: &Report) -> Result<()> {
    let project = Project::find()?;
    let pipeline = project.pipeline(profile)?;
    let records = Records::open(&project, &pipeline)?;
    let release = Release::find(&records, id).await?;
    let entries = Journal::read(&records, release.id).await?;
    let mut text = text(&release, &entries);
    let mut executions = Vec::new();
    for environment in plan::environments(&pipeline) {
        let known = Executions::load(&records, &environment.name).await?.executions;
        for execution in known.into_iter().filter(|known| known.release == release.id) {
            text.push_str(&executed(&environment.name, &execution));
            executions.push(serde_json::json!({ "environment": environment.name, "execution": execution }));
        }
    }
    report.data(
        "release",
        &text,
        serde_json::json!({ "release": release, "entries": entries, "executions": executions }),
    );
    Ok(())
}

fn executed(environment: &EnvironmentName, execution: &Execution) -> String {
    let ended = match &execution.ended {
        Some(ended) => ended.to_string(),
        None => "was begun or not; its end was not seen".to_owned(),
    };
    format!(
        "{}  exec        {environment}, {} by {}: `{}` {ended}\n",
        local(execution.at),
        execution.host,
        execution.by,
        plain(&execution.line())
    )
}

/// What it is, and what it did, line by line.
pub fn text(release: &Release, entries: &[Entry]) -> String {
    let mut text = format!("release   {}\nstate     {}\n", release.id, state(entries));
    text.push_str(&format!(
        "source    {} on {}\n",
        release.source.short(),
        release.source.branch.as_deref().unwrap_or("no branch")
    ));
    if let Some(image) = &release.image {
        text.push_str(&format!("image     {image}\n"));
    }
    if let Some(frontend) = &release.frontend {
        text.push_str(&format!("front end {frontend}\n"));
    }
    for substitute in &release.substitutes {
        text.push_str(&format!("substitute {substitute}\n"));
    }
    text.push_str(&format!(
        "made      {} by {}, profile {}\n\n",
        local(release.created_at),
        release.created_by,
        release.profile
    ));
    for entry in entries {
        if let Some(line) = line(entry) {
            text.push_str(&format!("{}  {line}\n", local(entry.at)));
        }
    }
    text
}

/// Where a release stands, in a word or two.
pub fn state(entries: &[Entry]) -> String {
    let rejected = entries.iter().rev().find_map(|entry| match &entry.event {
        Event::Rejected { by, .. } => Some(format!("rejected by {by}")),
        _ => None,
    });
    // For good: whatever was tried afterwards was refused.
    if let Some(rejected) = rejected {
        return rejected;
    }
    let last = entries
        .iter()
        .rev()
        .find(|entry| !matches!(entry.event, Event::Step { .. }));
    match last.map(|entry| &entry.event) {
        None | Some(Event::Begun { .. } | Event::Rejected { .. }) => "begun".to_owned(),
        Some(Event::Hastened(_)) => "begun, in haste".to_owned(),
        Some(Event::Finished) => "live".to_owned(),
        Some(Event::Parked { .. }) => "waits for approval".to_owned(),
        Some(Event::Approved { .. }) => "approved".to_owned(),
        Some(Event::RolledBack { because, .. }) => format!("rolled back: {because}"),
        Some(Event::StageFailed { stage, what, .. }) => format!("failed in {stage}: {what}"),
        Some(Event::StageStarted { stage }) => format!("cut off in {stage}"),
        Some(Event::StageFinished { stage, .. }) => format!("cut off after {stage}"),
        Some(Event::Step { stage, .. }) => format!("in {stage}"),
    }
}

fn line(entry: &Entry) -> Option<String> {
    Some(match &entry.event {
        Event::Begun { .. } => "begun".to_owned(),
        Event::StageStarted { .. } => return None,
        Event::Step { stage, text } => format!("{stage:<11} {text}"),
        Event::StageFinished {
            stage,
            took_ms,
            summary,
            ..
        } => format!("{stage:<11} {summary}  {}", seconds(Duration::from_millis(*took_ms))),
        Event::StageFailed { stage, what, why } => {
            let why: String = why.iter().map(|line| format!("\n    {line}")).collect();
            format!("{stage:<11} failed: {what}{why}")
        }
        Event::Parked { evidence, .. } => format!("waits for approval of evidence {}", evidence.short()),
        Event::Approved { by, via, evidence } => format!("approved by {by} ({via}) on evidence {}", evidence.short()),
        Event::Rejected { by, reason } => format!("rejected by {by}: {reason}"),
        Event::RolledBack {
            environment,
            to,
            because,
        } => {
            let to = to.map_or("nothing".to_owned(), |to| to.to_string());
            format!("{environment} returned to {to}: {because}")
        }
        Event::Hastened(Haste {
            fast,
            despite_freeze,
            reason,
            by,
        }) => {
            let what = match (fast, despite_freeze) {
                (true, true) => "with short bakes and despite the freeze",
                (true, false) => "with short bakes",
                (false, _) => "despite the freeze",
            };
            format!("asked for by {by} {what}: {reason}")
        }
        Event::Finished => "live".to_owned(),
    })
}

fn local(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system())
        .strftime("%Y-%m-%d %H:%M:%S %:z")
        .to_string()
}
