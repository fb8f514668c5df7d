//! Hears what an environment's hosts say the app prints. Hosts are asked in a document of its own beside the desired one,
//! so that neither a lease nor a new generation is needed, and a release may be under way meanwhile.
//!
//! One ask is in force at a time, and the newest wins: whoever was heard before is told by whom it was replaced.

use crate::cli::Which;
use crate::clock;
use crate::failure::{Exit, Failure, OrFail, Result};
use crate::ids;
use crate::plain::plain;
use crate::report::Report;
use crate::user;
use channel::{Channel, Poll, PublishError};
use contract::{
    AppName, AskId, Asked, CONTRACT_VERSION, Desired, EnvironmentName, HostName, KeySet, LogsAsked, ReleaseId, Said,
    SigningKey,
};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// As long as an ask may last; renewed well before that.
const LASTS: SignedDuration = SignedDuration::from_millis(Asked::LONGEST_MS);
const RENEW_EVERY: Duration = Duration::from_secs(20);
/// What runs may change its role while it is heard.
const ROLES_EVERY: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(400);
/// For hosts that look for what is asked now and then only.
const PATIENCE: Duration = Duration::from_secs(45);
/// A host that has reported nothing for this long is not waited for.
const STALE: Duration = Duration::from_secs(20);
/// Before it is found out whether parts are gone.
const GAP_AFTER: Duration = Duration::from_secs(5);
/// Of one host, in one go.
const MOST_PARTS: usize = 20;
const ATTEMPTS: u32 = 5;

#[derive(Debug, Clone)]
pub struct Wanted {
    pub hosts: Vec<HostName>,
    pub only: Option<Which>,
    pub lines: u32,
    pub follow: bool,
}

/// Which releases an environment runs, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles {
    stable: Option<ReleaseId>,
    candidate: Option<ReleaseId>,
}

#[derive(Debug)]
pub struct Hearing<'a> {
    channel: Channel,
    key: SigningKey,
    trusted: KeySet,
    app: AppName,
    environment: EnvironmentName,
    wanted: Wanted,
    report: &'a Report,
    id: AskId,
    roles: Roles,
    looked_at: Option<Instant>,
    /// What was asked last, and when.
    asked: Option<(Vec<ReleaseId>, Instant)>,
    ears: BTreeMap<HostName, Ear>,
}

/// What was heard of one host.
#[derive(Debug)]
struct Ear {
    next: u32,
    heard_at: Instant,
    is_over: bool,
}

#[derive(Debug)]
struct Line {
    host: HostName,
    release: ReleaseId,
    at: Timestamp,
    text: String,
}

impl Roles {
    /// While a rollout is under way its release is on trial, and what traffic returns to is stable.
    pub fn of(desired: &Desired) -> Self {
        let release = desired.release.as_ref().map(|version| version.release);
        let fallback = desired.warm_fallback().map(|version| version.release);
        match (desired.lease_ttl_ms, fallback) {
            (Some(_), Some(fallback)) => Self {
                stable: Some(fallback),
                candidate: release,
            },
            _ => Self {
                stable: release,
                candidate: None,
            },
        }
    }

    fn name(self, release: ReleaseId) -> &'static str {
        if self.stable == Some(release) {
            "stable"
        } else if self.candidate == Some(release) {
            "candidate"
        } else {
            "other"
        }
    }

    /// `None` where nothing fits.
    fn wanted(self, only: Option<Which>) -> Option<Vec<ReleaseId>> {
        match only {
            None => Some(Vec::new()),
            Some(Which::Stable) => self.stable.map(|release| vec![release]),
            Some(Which::Candidate) => self.candidate.map(|release| vec![release]),
        }
    }
}

impl<'a> Hearing<'a> {
    pub fn new(
        channel: Channel,
        (key, trusted): (SigningKey, KeySet),
        (app, environment): (&AppName, &EnvironmentName),
        wanted: Wanted,
        report: &'a Report,
    ) -> Self {
        let heard_at = Instant::now();
        let ear = |host: &HostName| {
            let (next, is_over) = (0, false);
            (
                host.clone(),
                Ear {
                    next,
                    heard_at,
                    is_over,
                },
            )
        };
        Self {
            ears: wanted.hosts.iter().map(ear).collect(),
            channel,
            key,
            trusted,
            app: app.clone(),
            environment: environment.clone(),
            wanted,
            report,
            id: ids::new_ask(),
            roles: Roles::default(),
            looked_at: None,
            asked: None,
        }
    }

    /// Until all is heard, or for as long as somebody reads it.
    pub async fn hear(&mut self) -> Result<()> {
        self.look_for_roles().await?;
        self.expect_somebody().await?;
        let since = Instant::now();
        loop {
            self.look_for_roles().await?;
            self.ask_if_due().await?;
            let lines = self.round().await;
            self.show(lines);
            if self.report.reader_is_gone() {
                return Ok(());
            }
            if !self.wanted.follow {
                let silent: Vec<HostName> = self.silent();
                if silent.is_empty() {
                    return Ok(());
                }
                if since.elapsed() > PATIENCE {
                    return Err(self.unheard(&silent).await);
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn look_for_roles(&mut self) -> Result<()> {
        if self.looked_at.is_some_and(|at| at.elapsed() < ROLES_EVERY) {
            return Ok(());
        }
        let name = &self.environment;
        let failed = || format!("the channel of `{name}` cannot be read");
        let read = self.channel.read_desired().await.or_fail(failed)?;
        self.roles = match read {
            // Labels only, from a document that hosts judge for themselves.
            Some((envelope, _)) => Roles::of(&serde_json::from_str(&envelope.document).or_fail(failed)?),
            None => Roles::default(),
        };
        self.looked_at = Some(Instant::now());
        self.expect_asked().await
    }

    /// Whoever was replaced is told within seconds.
    async fn expect_asked(&self) -> Result<()> {
        if self.asked.is_none() {
            return Ok(());
        }
        // What cannot be read now is found out at the next renewal.
        let Ok(Poll::Changed(envelope, _)) = self.channel.poll_asked(None).await else {
            return Ok(());
        };
        match envelope.open::<Asked>(&self.trusted) {
            Ok(other) if other.id != self.id && other.until > clock::now() => Err(self.replaced(&other)),
            _ => Ok(()),
        }
    }

    /// Refuses what would wait for nobody, and names hosts that will not answer.
    async fn expect_somebody(&mut self) -> Result<()> {
        let name = &self.environment;
        let follow = self.wanted.follow;
        if !follow && self.roles == Roles::default() {
            return Err(Failure::bad_input(format!("`{name}` runs nothing")).next("cargo xtask status"));
        }
        if self.roles.wanted(self.wanted.only).is_none() {
            let what = format!("`{name}` has no such version now; it is heard once it is there");
            if !follow {
                return Err(Failure::bad_input(format!("`{name}` has no such version now")).next("cargo xtask status"));
            }
            self.report.note(&what);
        }
        let fleet = self.channel.read_observed().await;
        let fleet = fleet.or_fail(|| format!("the hosts of `{name}` cannot be read"))?;
        let now = clock::now();
        let is_alive = |host: &HostName| {
            let age = fleet.get(host).map(|observed| now.duration_since(observed.at));
            age.is_some_and(|age| Duration::try_from(age).unwrap_or_default() < STALE)
        };
        for (host, ear) in &mut self.ears {
            if !is_alive(host) {
                self.report
                    .note(&format!("{host} has said nothing for a while and is not waited for"));
                ear.is_over = true;
            }
        }
        if self.silent().is_empty() && !follow {
            return Err(Failure::failed(format!("no host of `{name}` answers")).next("cargo xtask status"));
        }
        Ok(())
    }

    async fn ask_if_due(&mut self) -> Result<()> {
        let Some(releases) = self.roles.wanted(self.wanted.only) else {
            return Ok(());
        };
        let is_due = self
            .asked
            .as_ref()
            .is_none_or(|(before, at)| *before != releases || (at.elapsed() >= RENEW_EVERY && self.wanted.follow));
        if is_due {
            self.ask(&releases).await?;
            self.asked = Some((releases, Instant::now()));
        }
        Ok(())
    }

    async fn ask(&self, releases: &[ReleaseId]) -> Result<()> {
        let failed = || format!("the hosts of `{}` cannot be asked", self.environment);
        for _ in 0..ATTEMPTS {
            let (before, revision) = match self.channel.poll_asked(None).await.or_fail(failed)? {
                // Of what nobody trusted signed nothing counts: it is replaced.
                Poll::Changed(envelope, revision) => (envelope.open::<Asked>(&self.trusted).ok(), Some(revision)),
                Poll::Absent | Poll::Unchanged => (None, None),
                Poll::Unreadable(why) => {
                    return Err(Failure::failed(failed()).why(why).next("delete that document"));
                }
            };
            let now = clock::now();
            let other = before
                .as_ref()
                .filter(|before| before.id != self.id && before.until > now);
            if let (Some(other), Some(_)) = (other, &self.asked) {
                return Err(self.replaced(other));
            }
            let after = before.and_then(|before| before.issued_at.checked_add(SignedDuration::from_millis(1)).ok());
            let asked = self.asked(after.map_or(now, |after| after.max(now)), releases);
            let envelope = self.key.seal(&asked).or_fail(failed)?;
            match self.channel.ask(&envelope, revision.as_ref()).await {
                Ok(_) => return Ok(()),
                Err(PublishError::Conflict(_)) => {}
                Err(PublishError::Failed(error)) => return Err(error).or_fail(failed),
            }
        }
        Err(Failure::new(Exit::Locked, failed()).why(format!("others asked {ATTEMPTS} times in a row in this moment")))
    }

    fn asked(&self, issued_at: Timestamp, releases: &[ReleaseId]) -> Asked {
        Asked {
            contract: CONTRACT_VERSION,
            app: self.app.clone(),
            environment: self.environment.clone(),
            id: self.id,
            issued_at,
            until: issued_at.checked_add(LASTS).unwrap_or(Timestamp::MAX),
            by: user::identity().to_string().chars().take(Asked::MOST_CHARS).collect(),
            logs: LogsAsked {
                hosts: self.wanted.hosts.clone(),
                releases: releases.to_vec(),
                lines: self.wanted.lines,
                follow: self.wanted.follow,
            },
        }
    }

    fn replaced(&self, other: &Asked) -> Failure {
        Failure::new(
            Exit::Locked,
            format!(
                "hosts of `{}` now answer {} instead",
                self.environment,
                plain(&other.by)
            ),
        )
        .why("one is answered at a time, and the newest ask wins")
        .next("run the command again, which takes it back")
    }

    /// What was said since the round before, by all hosts, in the order it was printed.
    async fn round(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        for (host, ear) in &mut self.ears {
            for _ in 0..MOST_PARTS {
                let said = match self.channel.read_said(host, self.id, ear.next).await {
                    Ok(Some(said)) => said,
                    Ok(None) => break,
                    Err(error) => {
                        self.report.note(&format!("{host}: a part is left out: {error:#}"));
                        ear.next += 1;
                        continue;
                    }
                };
                ear.heard(&said);
                let Said { dropped, trouble, .. } = said;
                if dropped > 0 {
                    self.report
                        .note(&format!("{host}: {dropped} lines were printed too fast to be said"));
                }
                if let Some(trouble) = trouble {
                    self.report.note(&format!("{host}: {}", plain(&trouble)));
                }
                lines.extend(said.lines.into_iter().map(|line| Line {
                    host: host.clone(),
                    release: line.release,
                    at: line.at,
                    text: plain(&line.text).into_owned(),
                }));
            }
            if ear.heard_at.elapsed() > GAP_AFTER && !ear.is_over {
                ear.heard_at = Instant::now();
                let parts = self.channel.parts(host, self.id).await.unwrap_or_default();
                if let Some(first) = parts.first().filter(|first| **first > ear.next) {
                    let gone = first - ear.next;
                    self.report
                        .note(&format!("{host}: {gone} parts were gone before they were read here"));
                    ear.next = *first;
                }
            }
        }
        lines.sort_by_key(|line| line.at);
        lines
    }

    fn show(&self, lines: Vec<Line>) {
        let width = self
            .wanted
            .hosts
            .iter()
            .map(|host| host.as_str().len())
            .max()
            .unwrap_or_default();
        for Line {
            host,
            release,
            at,
            text,
        } in lines
        {
            let version = self.roles.name(release);
            let shown = format!("{:<width$} {version:<9} | {text}", host.as_str());
            let data = serde_json::json!({
                "host": host, "version": version, "release": release, "time": at, "line": text,
            });
            self.report.data("line", &shown, data);
        }
    }

    fn silent(&self) -> Vec<HostName> {
        let silent = self.ears.iter().filter(|(_, ear)| !ear.is_over);
        silent.map(|(host, _)| host.clone()).collect()
    }

    async fn unheard(&self, silent: &[HostName]) -> Failure {
        let names: Vec<&str> = silent.iter().map(HostName::as_str).collect();
        let what = format!("{} did not say all within {} s", names.join(", "), PATIENCE.as_secs());
        let fleet = self.channel.read_observed().await.unwrap_or_default();
        let refused = silent
            .iter()
            .filter_map(|host| Some((host, fleet.get(host)?.refused_ask.as_ref()?)));
        let failure = refused.fold(Failure::failed(what), |failure, (host, refused)| {
            failure.why(format!("{host} refused what was asked: {}", refused.reason))
        });
        failure.next("cargo xtask status")
    }
}

impl Ear {
    fn heard(&mut self, said: &Said) {
        self.next += 1;
        self.heard_at = Instant::now();
        self.is_over = said.is_last;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(stable: Option<u64>, candidate: Option<u64>) -> Roles {
        let release = |number| ReleaseId::from_parts(number, 0);
        Roles {
            stable: stable.map(release),
            candidate: candidate.map(release),
        }
    }

    #[test]
    fn a_version_is_wanted_by_the_role_it_has_now() {
        let under_way = roles(Some(1), Some(2));
        let (one, two, three) = (1, 2, 3);
        let release = |number| ReleaseId::from_parts(number, 0);
        assert_eq!(under_way.wanted(None), Some(vec![]), "all of them");
        assert_eq!(under_way.wanted(Some(Which::Stable)), Some(vec![release(one)]));
        assert_eq!(under_way.wanted(Some(Which::Candidate)), Some(vec![release(two)]));
        assert_eq!(roles(Some(2), None).wanted(Some(Which::Candidate)), None);
        let named = [one, two, three].map(|number| under_way.name(release(number)));
        assert_eq!(named, ["stable", "candidate", "other"]);
    }
}
