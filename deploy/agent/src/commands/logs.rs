//! `logs`: what the app prints, from the engine, or the last words that were kept of a container that is gone.

use super::arguments::Wanted;
use super::seen::{self, Part};
use crate::reach::Reach;
use anyhow::{Context as _, Result, bail};
use bollard::query_parameters::LogsOptionsBuilder;
use contract::{Desired, HostConfig, ReleaseId};
use docker::Docker;
use futures_util::StreamExt as _;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

pub async fn print(config: &HostConfig, reach: &dyn Reach, wanted: &Wanted) -> Result<()> {
    let memory = seen::memory(config);
    let document = memory
        .as_ref()
        .ok()
        .and_then(|memory| memory.desired().or_else(|| memory.in_force.clone()));
    let docker = seen::engine(reach).await;
    let found = match &docker {
        Ok(docker) => seen::versions(docker, config).await?,
        Err(_) => Vec::new(),
    };
    let mut known: Vec<ReleaseId> = found.iter().map(|(found, _)| found.identity.release).collect();
    let kept = kept_words(&config.agent_state.join("logs"));
    known.extend(kept.iter().map(|(release, _)| *release));
    known.extend(
        document
            .iter()
            .flat_map(|document| document.release.as_ref())
            .map(|version| version.release),
    );
    let release = choose(wanted.version.as_deref(), &known, document.as_ref())?;

    // Of two containers of one release, the one that runs says more.
    let mut own: Vec<_> = found
        .iter()
        .filter(|(found, _)| found.identity.release == release)
        .collect();
    own.sort_by_key(|(found, proven)| (found.state.status == docker::Status::Running, *proven));
    if let (Ok(docker), Some((found, _))) = (&docker, own.last()) {
        eprintln!("{} of release {release}", found.state.name);
        return stream(docker, &found.state.id, wanted).await;
    }
    if let Some((_, path)) = kept.iter().rev().find(|(kept, _)| *kept == release) {
        eprintln!(
            "release {release} has no container any more; its last words, kept in `{}`:",
            path.display()
        );
        return repeat(path, wanted.lines);
    }
    docker.context("and no last words of this release are kept")?;
    bail!("release {release} has no container here, and no last words of it are kept\nhint: `agent status` says why")
}

/// A release id, the beginning or end of one, `stable` or `candidate`; left out, it is what this host was told last.
fn choose(wanted: Option<&str>, known: &[ReleaseId], document: Option<&Desired>) -> Result<ReleaseId> {
    let newest = document
        .and_then(|document| document.release.as_ref())
        .map(|version| version.release);
    let part = match wanted {
        None => return newest.or(known.last().copied()).context("nothing has run here yet"),
        Some("stable") => Part::Stable,
        Some("candidate") => Part::Candidate,
        Some(text) => return by_id(text, known),
    };
    let named = document
        .into_iter()
        .flat_map(|document| document.release.iter().chain(document.warm_fallback()));
    let named = named
        .map(|version| version.release)
        .find(|release| Part::of(*release, document) == part);
    named.with_context(|| {
        let newest = newest.map_or("nothing".to_owned(), |release| format!("release {release} alone"));
        format!("there is no {} here: this host is told to run {newest}", part.name())
    })
}

fn by_id(text: &str, known: &[ReleaseId]) -> Result<ReleaseId> {
    let wanted = text.to_uppercase();
    let mut fits: Vec<ReleaseId> = known.to_vec();
    fits.retain(|release| {
        let id = release.to_string();
        id.starts_with(&wanted) || id.ends_with(&wanted)
    });
    fits.sort();
    fits.dedup();
    match fits.as_slice() {
        [one] => Ok(*one),
        [] => bail!("nothing is known here of release `{text}`\nhint: `agent status` lists what runs"),
        several => bail!("`{text}` fits {} releases: say more of the id", several.len()),
    }
}

async fn stream(docker: &Docker, id: &str, wanted: &Wanted) -> Result<()> {
    let options = LogsOptionsBuilder::default()
        .stdout(true)
        .stderr(true)
        .follow(wanted.follow)
        .tail(&wanted.lines.to_string())
        .build();
    let mut printed = std::pin::pin!(docker.api().logs(id, Some(options)));
    while let Some(part) = printed.next().await {
        let part = part.with_context(|| format!("reading the log of container `{id}`"))?;
        if !say(&part.into_bytes())? {
            break;
        }
    }
    Ok(())
}

fn repeat(path: &Path, lines: usize) -> Result<()> {
    let text = std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let all: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    say(&all[all.len().saturating_sub(lines)..].concat()).map(drop)
}

/// Returns whether somebody still reads.
fn say(bytes: &[u8]) -> Result<bool> {
    let mut out = std::io::stdout();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("cannot write"),
    }
}

/// What was kept of containers that are gone, the oldest first: `APP-ENVIRONMENT-HOST-RELEASE-PORT.log`.
fn kept_words(folder: &Path) -> Vec<(ReleaseId, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut kept: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_str()?.strip_suffix(".log")?.to_owned();
            let release = ReleaseId::parse(&name.rsplit('-').nth(1)?.to_uppercase()).ok()?;
            Some((entry.metadata().ok()?.modified().ok()?, release, entry.path()))
        })
        .collect();
    kept.sort();
    kept.into_iter().map(|(_, release, path)| (release, path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::tests::{document, version};
    use contract::{Fallback, Keep};

    fn canary() -> Desired {
        Desired {
            release: Some(version(2)),
            fallback: Some(Fallback {
                version: version(1),
                keep: Keep::Warm,
            }),
            ..document(5)
        }
    }

    fn chosen(wanted: Option<&str>, document: &Desired) -> Result<ReleaseId, String> {
        let known = [1, 2, 3].map(|n| version(n).release);
        choose(wanted, &known, Some(document)).map_err(|error| error.to_string())
    }

    #[test]
    fn stable_and_candidate_are_those_of_the_document() {
        let (one, two) = (version(1).release, version(2).release);
        assert_eq!(chosen(Some("stable"), &canary()), Ok(one));
        assert_eq!(chosen(Some("candidate"), &canary()), Ok(two));
        assert_eq!(chosen(None, &canary()), Ok(two));
        assert_eq!(chosen(Some("stable"), &document(5)), Ok(one));
        let none = chosen(Some("candidate"), &document(5)).unwrap_err();
        assert_eq!(
            none,
            format!("there is no candidate here: this host is told to run release {one} alone")
        );
    }

    #[test]
    fn a_release_is_known_by_enough_of_its_id() {
        let id = version(3).release.to_string();
        assert_eq!(chosen(Some(&id.to_lowercase()), &canary()), Ok(version(3).release));
        assert!(chosen(Some("0"), &canary()).unwrap_err().contains("fits 3 releases"));
        assert!(
            chosen(Some("zz"), &canary())
                .unwrap_err()
                .contains("nothing is known here")
        );
    }

    #[test]
    fn last_words_are_found_by_their_release_the_newest_last() {
        let dir = tempfile::tempdir().unwrap();
        let id = version(1).release.to_string().to_lowercase();
        for name in [format!("shop-staging-host-1-{id}-20001.log"), "notes.log".to_owned()] {
            std::fs::write(dir.path().join(name), "bye\n").unwrap();
        }
        let kept = kept_words(dir.path());
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].0, version(1).release);
    }
}
