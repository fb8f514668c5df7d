//! `logs`: what the programs of a release's stages printed, and what the app prints on its hosts.

use super::{releases, status};
use crate::cli::LogsArgs;
use crate::engine::{Event, Journal, Records, Release};
use crate::failure::{Failure, OrFail, Result};
use crate::hearing::{Hearing, Wanted};
use crate::keys;
use crate::plain::plain;
use crate::plan::{self, StageName};
use crate::project::Project;
use crate::report::Report;
use crate::secrets::Vault;
use contract::HostName;
use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

const LOOK_AGAIN: Duration = Duration::from_millis(300);

pub async fn logs(profile: &str, args: LogsArgs, report: &Report) -> Result<()> {
    match (args.app, args.follow) {
        (true, _) => app(profile, &args, report).await,
        (false, true) => follow(profile, &args.id, args.stage, report).await,
        (false, false) => kept(profile, &args.id, args.stage, report).await,
    }
}

async fn app(profile: &str, args: &LogsArgs, report: &Report) -> Result<()> {
    let project = Project::find()?;
    let pipeline = project.pipeline(profile)?;
    let environment = plan::find_environment(&pipeline, &args.id)?;
    let hosts = match &args.host {
        None => environment.hosts.clone(),
        Some(named) => vec![find_host(&environment.hosts, named, &args.id)?],
    };
    if pipeline.ground.is_some() {
        // Whatever of it the app prints is masked: that those which are gone are named here would help nobody.
        let _ = Vault::new(environment.name.clone(), project.secrets(&environment.name)).lost();
    }
    let channel = status::channel(&project, &pipeline, environment)?.ok_or_else(|| {
        Failure::bad_input(format!("`{}` runs nothing: there is no ground yet", environment.name))
            .next("cargo xtask release")
    })?;
    let signer = keys::load(&project)?;
    signer.introduce(&channel).await?;
    let wanted = Wanted {
        hosts,
        only: args.version,
        lines: args.lines,
        follow: args.follow,
    };
    let trusted = keys::trusted(&project)?;
    let mut hearing = Hearing::new(
        channel,
        (signer.key().clone(), trusted),
        (&pipeline.app, &environment.name),
        wanted,
        report,
    );
    hearing.hear().await
}

fn find_host(hosts: &[HostName], named: &str, environment: &str) -> Result<HostName> {
    let found = hosts.iter().find(|host| host.as_str() == named).cloned();
    found.ok_or_else(|| {
        let known: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
        let named: String = named.chars().take(40).collect();
        Failure::bad_input(format!("`{environment}` has no host `{named}`")).why(format!("known: {}", known.join(", ")))
    })
}

async fn kept(profile: &str, id: &str, stage: Option<StageName>, report: &Report) -> Result<()> {
    let project = Project::find()?;
    let records = Records::open(&project, &project.pipeline(profile)?)?;
    let release = Release::find(&records, id).await?;
    let files = files(&project.release(release.id).join("logs"), stage);
    if files.is_empty() {
        let stage = stage.map_or("no stage".to_owned(), |stage| format!("no program of stage `{stage}`"));
        return Err(
            Failure::bad_input(format!("release {} kept no logs here: {stage} printed any", release.id))
                .why("what a stage prints is kept on the machine where it ran")
                .next(format!("cargo xtask show {}", release.id)),
        );
    }
    let mut text = String::new();
    for path in &files {
        let bytes = std::fs::read(path).or_fail(|| format!("`{}` cannot be read", path.display()))?;
        text.push_str(&format!(
            "== {}\n{}\n",
            name(path),
            String::from_utf8_lossy(&bytes).trim_end()
        ));
    }
    let data = serde_json::json!({ "release": release.id, "text": text });
    report.data("logs", &text, data);
    Ok(())
}

/// Files as they grow, until the release has come to an end or to somebody's turn.
async fn follow(profile: &str, id: &str, stage: Option<StageName>, report: &Report) -> Result<()> {
    let project = Project::find()?;
    let records = Records::open(&project, &project.pipeline(profile)?)?;
    let release = Release::find(&records, id).await?;
    let folder = project.release(release.id).join("logs");
    let mut shown: BTreeMap<PathBuf, u64> = BTreeMap::new();
    loop {
        // Looked at first: what is printed before the end is shown.
        let entries = Journal::read(&records, release.id).await?;
        for path in files(&folder, stage) {
            let from = shown.entry(path.clone()).or_default();
            for line in grown(&path, from) {
                let (name, line) = (name(&path), plain(&line).into_owned());
                let data = serde_json::json!({ "release": release.id, "log": name, "line": line });
                report.data("line", &format!("{name} | {line}"), data);
            }
        }
        let last = entries
            .iter()
            .rev()
            .find(|entry| !matches!(entry.event, Event::Step { .. }));
        let is_over = last.is_some_and(|entry| {
            matches!(
                entry.event,
                Event::Finished
                    | Event::Parked { .. }
                    | Event::Rejected { .. }
                    | Event::StageFailed { .. }
                    | Event::RolledBack { .. }
            )
        });
        if is_over || report.reader_is_gone() {
            report.note(&format!("release {}: {}", release.id, releases::state(&entries)));
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn files(folder: &Path, stage: Option<StageName>) -> Vec<PathBuf> {
    let mut files: Vec<_> = match std::fs::read_dir(folder) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(_) => Vec::new(),
    };
    files.retain(|path| stage.is_none_or(|stage| name(path).starts_with(stage.as_str())));
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Whole lines behind this place in the file. One that was begun anew is shorter, and read from its beginning.
fn grown(path: &Path, from: &mut u64) -> Vec<String> {
    let mut read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(path)?;
        if file.metadata()?.len() < *from {
            *from = 0;
        }
        file.seek(SeekFrom::Start(*from))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let mut bytes = read().unwrap_or_default();
    bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1));
    *from += bytes.len() as u64;
    String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_file_that_grows_each_whole_line_is_shown_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.log");
        let mut from = 0;
        for (text, expected) in [
            ("", vec![]),
            ("one\ntw", vec!["one"]),
            ("one\ntwo\nthree\n", vec!["two", "three"]),
            ("one\ntwo\nthree\n", vec![]),
            ("anew\n", vec!["anew"]),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(grown(&path, &mut from), expected, "{text:?}");
        }
        assert_eq!(grown(&folder.path().join("none"), &mut from), [""; 0]);
    }
}
