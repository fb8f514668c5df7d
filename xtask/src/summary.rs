//! A release in Markdown, for the page that CI shows of its run: `GITHUB_STEP_SUMMARY` names the file it is added to.

use crate::engine::{Entry, Event, Reached, Release, Run};
use crate::failure::{Exit, Failure, Result};
use crate::plan::StageName;
use crate::redact;
use crate::report::seconds;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The page of the CI job that this process is part of.
pub fn page() -> Option<PathBuf> {
    let path = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty());
    path.map(PathBuf::from)
}

/// Adds how a run ended to that page, where there is one.
pub fn add(run: &Run<'_>, ended: &Result<Reached>) {
    let Some(page) = &run.context.summary else {
        return;
    };
    let text = summary(&run.release, run.journal.entries(), ended);
    if let Err(error) = append(page, &redact::mask(&text)) {
        let text = format!("the summary `{}` cannot be written: {error}", page.display());
        run.context.report.note(&text);
    }
}

fn append(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(text.as_bytes())
}

/// What it is, how it ended, and a row a stage.
fn summary(release: &Release, entries: &[Entry], ended: &Result<Reached>) -> String {
    let mut text = format!("## {} {}: {}\n\n", release.app, release.source.short(), headline(ended));
    let _ = writeln!(text, "Release `{}`, profile `{}`", release.id, release.profile);
    if let Some(image) = &release.image {
        let _ = writeln!(text, "<br>Image `{image}`");
    }
    text.push_str("\n| Stage | | Took |\n|---|---|---|\n");
    for stage in StageName::ALL {
        if let Some((found, took)) = row(entries, stage, ended.as_ref().err()) {
            let _ = writeln!(text, "| {stage} | {} | {took} |", cell(&found));
        }
    }
    if let Err(failure) = ended {
        let _ = write!(text, "\n```text\n{failure}\n```\n");
    }
    text.push('\n');
    text
}

fn headline(ended: &Result<Reached>) -> String {
    match ended {
        Ok(Reached::Live) => "live".to_owned(),
        Ok(Reached::Asked(stage)) => format!("done with {stage}, as asked"),
        Err(failure) => match failure.exit {
            Exit::Parked => "waits".to_owned(),
            Exit::Refused => "refused".to_owned(),
            Exit::Cancelled => "cancelled".to_owned(),
            Exit::Locked => "locked".to_owned(),
            Exit::Astray => "failed, and the world is not as before".to_owned(),
            Exit::Failed | Exit::BadInput => "failed".to_owned(),
        },
    }
}

/// What a stage came to in the end, and how long it took.
fn row(entries: &[Entry], wanted: StageName, failure: Option<&Failure>) -> Option<(String, String)> {
    entries.iter().rev().find_map(|entry| match &entry.event {
        Event::StageFinished {
            stage,
            took_ms,
            summary,
            ..
        } if *stage == wanted => Some((format!("✓ {summary}"), seconds(Duration::from_millis(*took_ms)))),
        Event::StageFailed { stage, what, .. } if *stage == wanted => Some((format!("✗ {what}"), String::new())),
        Event::StageStarted { stage } if *stage == wanted => {
            let waits = failure.filter(|failure| failure.exit == Exit::Parked);
            let found = waits.map_or("begun".to_owned(), |failure| format!("… {}", failure.what));
            Some((found, String::new()))
        }
        _ => None,
    })
}

/// One line, and no column of its own.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}
