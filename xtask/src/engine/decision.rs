//! Approval: asked for, given, refused, and when it no longer counts.

use super::{Entry, Event, Journal, Records, Release, Run};
use crate::clock;
use crate::failure::{Exit, Failure, Result};
use crate::stages::approval::{Approved, Evidence};
use crate::user;
use contract::{Digest, ReleaseId};
use jiff::Timestamp;
use pipeline::model::Approval;

/// How an approval is to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// On a terminal by asking, else by parking.
    Ask,
    /// By `--yes`.
    Yes,
}

impl Run<'_> {
    pub(super) async fn decide(&mut self, asked: &Approval, evidence: &Evidence, how: &How) -> Result<Approved> {
        let digest = evidence.digest();
        if let Some(given) = given(self.journal.entries()) {
            if given.evidence == digest {
                return Ok(given);
            }
            return Err(
                Failure::new(Exit::Refused, "the approval is void: it was given for other evidence")
                    .why(format!("approved {}, now {}", given.evidence.short(), digest.short()))
                    .next("cargo xtask release"),
            );
        }
        self.journal.append(Event::Parked { evidence: digest }).await?;
        let approved = match how {
            How::Yes => Approved {
                by: user::name(),
                via: "--yes".to_owned(),
                evidence: digest,
            },
            How::Ask if self.context.report.can_ask() => self.ask(asked, evidence).await?,
            How::Ask => return Err(self.parked(evidence)),
        };
        let Approved { by, via, evidence } = approved.clone();
        self.journal.append(Event::Approved { by, via, evidence }).await?;
        Ok(approved)
    }

    async fn ask(&mut self, asked: &Approval, evidence: &Evidence) -> Result<Approved> {
        expect_approver(asked)?;
        let question = format!("\n{evidence}\nPut this into production?");
        if self.context.report.ask(&question).await? {
            return Ok(Approved {
                by: user::name(),
                via: "terminal".to_owned(),
                evidence: evidence.digest(),
            });
        }
        let reason = "answered no on the terminal".to_owned();
        let by = user::name();
        self.journal.append(Event::Rejected { by, reason }).await?;
        Err(
            Failure::new(Exit::Refused, format!("release {} was rejected", self.release.id))
                .world("staging runs it; production is as before"),
        )
    }

    fn parked(&self, evidence: &Evidence) -> Failure {
        let id = self.release.id;
        Failure::new(Exit::Parked, format!("release {id} waits for approval"))
            .why(evidence.to_string())
            .world("staging runs it; production is as before")
            .next(format!(
                "cargo xtask approve {id}    (or: cargo xtask reject {id} --reason …)"
            ))
    }
}

/// A yes to less haste is none to more.
fn given(entries: &[Entry]) -> Option<Approved> {
    let since = entries.iter().rev();
    let mut since = since.take_while(|entry| !matches!(entry.event, Event::Hastened(_)));
    since.find_map(|entry| match &entry.event {
        Event::Approved { by, via, evidence } => Some(Approved {
            by: by.clone(),
            via: via.clone(),
            evidence: *evidence,
        }),
        _ => None,
    })
}

/// The digest of what was asked for, and when.
fn parked(entries: &[Entry]) -> Option<(Digest, Timestamp)> {
    entries.iter().rev().find_map(|entry| match &entry.event {
        Event::Parked { evidence } => Some((*evidence, entry.at)),
        _ => None,
    })
}

fn expect_approver(asked: &Approval) -> Result<()> {
    let name = user::name();
    if asked.approvers.is_empty() || asked.approvers.contains(&name) {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, format!("`{name}` may not approve"))
        .why(format!("approvers: {}", asked.approvers.join(", ")))
        .world("production is as before"))
}

/// Says yes to a parked release, for what it was parked with. The release goes on from there.
pub async fn approve(records: &Records, asked: &Approval, release: &Release) -> Result<()> {
    let mut journal = undecided(records, release).await?;
    let (evidence, at) = parked(journal.entries()).ok_or_else(|| {
        Failure::bad_input(format!("release {} does not wait for approval", release.id))
            .next(format!("cargo xtask show {}", release.id))
    })?;
    expect_approver(asked)?;
    let age = std::time::Duration::try_from(clock::now().duration_since(at)).unwrap_or_default();
    if age > asked.timeout {
        return Err(
            Failure::new(Exit::Refused, format!("the approval of release {} expired", release.id))
                .why(format!(
                    "asked {} s ago; it may take {} s",
                    age.as_secs(),
                    asked.timeout.as_secs()
                ))
                .next("cargo xtask release"),
        );
    }
    if let Some(newer) = newer_candidate(records, release).await? {
        return Err(
            Failure::new(Exit::Refused, format!("release {} is superseded", release.id))
                .why(format!("release {newer} reached approval after it"))
                .next(format!("cargo xtask approve {newer}")),
        );
    }
    let (by, via) = (user::name(), "approve".to_owned());
    journal.append(Event::Approved { by, via, evidence }).await
}

pub async fn reject(records: &Records, release: &Release, reason: &str) -> Result<()> {
    let mut journal = undecided(records, release).await?;
    let (by, reason) = (user::name(), reason.to_owned());
    journal.append(Event::Rejected { by, reason }).await
}

async fn undecided(records: &Records, release: &Release) -> Result<Journal> {
    let journal = Journal::open(records, release.id).await?;
    let decided = journal.entries().iter().rev().find_map(|entry| match &entry.event {
        Event::Rejected { by, reason } => Some((Exit::Refused, format!("was rejected by {by}: {reason}"))),
        Event::Finished => Some((Exit::BadInput, "is finished".to_owned())),
        Event::Approved { .. } => None,
        _ => None,
    });
    match decided {
        Some((exit, what)) => Err(Failure::new(exit, format!("release {} {what}", release.id))
            .next(format!("cargo xtask show {}", release.id))),
        None => Ok(journal),
    }
}

async fn newer_candidate(records: &Records, release: &Release) -> Result<Option<ReleaseId>> {
    let mut ids = records.releases().await?;
    ids.retain(|id| *id > release.id);
    for newer in ids.into_iter().rev() {
        if parked(&Journal::read(records, newer).await?).is_some() {
            return Ok(Some(newer));
        }
    }
    Ok(None)
}
