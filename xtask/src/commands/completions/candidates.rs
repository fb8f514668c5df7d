//! Values that only pipeline.yaml or the store of releases know.

use super::words::{Wanted, Words};
use crate::commands::{bench, fuzz, test};
use crate::engine::{Entry, Event, Journal, Past, Records, Release, Settled};
use crate::failure::Result;
use crate::plan;
use crate::project::Project;
use contract::{HostName, ReleaseId};
use futures_util::{StreamExt as _, stream};
use pipeline::model::{Environment, Pipeline};

/// Nobody looks through more.
const SHOWN: usize = 50;
/// The newest, of which it is read how far they got.
const LOOKED_INTO: usize = 100;
const PARALLEL_READS: usize = 16;

type Candidates = Vec<(String, String)>;

/// None where anything is wrong: whoever types will be told when the command is run.
pub async fn candidates(words: &Words) -> Candidates {
    match &words.wanted {
        Wanted::OneOf(known) => known.clone(),
        Wanted::Value { command, argument } => values(command, argument, words).await.unwrap_or_default(),
        Wanted::Nothing => Vec::new(),
    }
}

async fn values(command: &str, argument: &str, words: &Words) -> Result<Candidates> {
    let project = Project::find()?;
    let profile = words.given.get("profile").map_or("local", String::as_str);
    let begins = |name: &str| name.to_lowercase().starts_with(&words.typed.to_lowercase());
    let named = |names: Vec<String>| {
        let fitting = names.into_iter().filter(|name| begins(name));
        Ok(fitting.map(|name| (name, String::new())).collect())
    };
    match (command, argument) {
        (_, "profile") => return named(project.profiles()),
        ("fuzz", "targets") => return named(fuzz::TARGETS.map(str::to_owned).to_vec()),
        ("test", "tiers") => return named(test::tiers().map(str::to_owned).collect()),
        _ => {}
    }
    let pipeline = project.pipeline(profile)?;
    match (command, argument) {
        (_, "environment") => {
            return Ok(environments(&pipeline, begins));
        }
        (_, "host") => {
            let name = ["environment", "id"]
                .iter()
                .find_map(|argument| words.given.get(*argument));
            let environment = plan::find_environment(&pipeline, name.map_or("", String::as_str))?;
            return named(environment.hosts.iter().map(HostName::to_string).collect());
        }
        ("logs", "id") if words.given.contains_key("app") => return Ok(environments(&pipeline, begins)),
        ("bench", "names") => return named(bench::names(&pipeline).into_iter().map(str::to_owned).collect()),
        _ => {}
    }
    let records = Records::open(&project, &pipeline)?;
    match (command, argument) {
        ("rollback", "to") => {
            let name = words.given.get("environment").map_or("", String::as_str);
            let environment = plan::find_environment(&pipeline, name)?;
            let past = Past::load(&records, &environment.name).await?;
            let earlier = past.history.settled.iter().rev().skip(1);
            let fitting = earlier.filter(|settled| begins(&settled.version.release.to_string()));
            Ok(fitting.take(SHOWN).map(|settled| described(&past, settled)).collect())
        }
        ("approve" | "reject", "id") => released(&records, begins, Some(waits)).await,
        ("release", "resume") => released(&records, begins, Some(is_open)).await,
        ("show", "id") => released(&records, begins, None).await,
        // With `--app`, which may come later, it is an environment.
        ("logs", "id") => {
            let mut found = released(&records, &begins, None).await?;
            found.extend(environments(&pipeline, begins));
            Ok(found)
        }
        _ => Ok(Vec::new()),
    }
}

fn environments(pipeline: &Pipeline, begins: impl Fn(&str) -> bool) -> Candidates {
    let known = plan::environments(pipeline).into_iter();
    known.filter(|known| begins(known.name.as_str())).map(hosts).collect()
}

fn hosts(environment: &Environment) -> (String, String) {
    let hosts: Vec<&str> = environment.hosts.iter().map(HostName::as_str).collect();
    (environment.name.to_string(), hosts.join(", "))
}

fn described(past: &Past, settled: &Settled) -> (String, String) {
    let release = settled.version.release;
    let withdrawn = if settled.withdrawn { ", rolled back" } else { "" };
    let unproven = past.gap(release).map_or("", |_| ", not proven on this schema");
    let what = format!("{} of {:.0}{withdrawn}{unproven}", settled.source.short(), settled.at);
    (release.to_string(), what)
}

/// Releases, newest first.
async fn released(
    records: &Records,
    begins: impl Fn(&str) -> bool,
    fits: Option<fn(&[Entry]) -> bool>,
) -> Result<Candidates> {
    let mut ids = records.releases().await?;
    ids.reverse();
    if fits.is_some() {
        ids.truncate(LOOKED_INTO);
    }
    ids.retain(|id| begins(&id.to_string()));
    let looked_into = stream::iter(ids).map(|id| async move {
        match fits {
            Some(fits) => Journal::read(records, id)
                .await
                .is_ok_and(|entries| fits(&entries))
                .then_some(id),
            None => Some(id),
        }
    });
    let fitting = looked_into.buffered(PARALLEL_READS).filter_map(std::future::ready);
    let described = fitting
        .take(SHOWN)
        .map(|id| describe(records, id))
        .buffered(PARALLEL_READS);
    Ok(described.collect().await)
}

async fn describe(records: &Records, id: ReleaseId) -> (String, String) {
    let what = match Release::load(records, id).await {
        Ok(release) => format!(
            "{} of {:.0} by {}",
            release.source.short(),
            release.created_at,
            release.created_by
        ),
        Err(_) => String::new(),
    };
    (id.to_string(), what)
}

fn waits(entries: &[Entry]) -> bool {
    let mut newest_first = entries.iter().rev();
    let last = newest_first.find(|entry| !matches!(entry.event, Event::Step { .. }));
    last.is_some_and(|entry| matches!(entry.event, Event::Parked { .. }))
}

fn is_open(entries: &[Entry]) -> bool {
    let is_end = |entry: &Entry| matches!(entry.event, Event::Finished | Event::Rejected { .. });
    !entries.iter().any(is_end)
}
