//! Approval: asked for, given, refused, and when it no longer counts.

use super::{Entry, Event, Journal, Release, Run};
use crate::failure::{Exit, Failure, Result};
use crate::project::Project;
use crate::stages::approval::{Approved, Evidence};
use crate::user;
use contract::Digest;
use jiff::Timestamp;
use pipeline::model::Approval;
use std::io::{IsTerminal as _, Write as _};

/// How an approval is to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// On a terminal by asking, else by parking.
    Ask,
    /// By `--yes`.
    Yes,
}

impl Run<'_> {
    pub(super) fn decide(&mut self, asked: &Approval, evidence: &Evidence, how: &How) -> Result<Approved> {
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
        self.journal.append(Event::Parked { evidence: digest })?;
        let approved = match how {
            How::Yes => Approved {
                by: user::name(),
                via: "--yes".to_owned(),
                evidence: digest,
            },
            How::Ask if self.can_ask() => self.ask(asked, evidence)?,
            How::Ask => return Err(self.parked(evidence)),
        };
        let Approved { by, via, evidence } = approved.clone();
        self.journal.append(Event::Approved { by, via, evidence })?;
        Ok(approved)
    }

    fn can_ask(&self) -> bool {
        !self.context.report.json() && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    fn ask(&mut self, asked: &Approval, evidence: &Evidence) -> Result<Approved> {
        expect_approver(asked)?;
        let question = format!("\n{evidence}\nPut this into production? [y/N] ");
        let answer = self.context.report.pause(|| {
            eprint!("{question}");
            let _ = std::io::stderr().flush();
            let mut answer = String::new();
            std::io::stdin().read_line(&mut answer).map(|_| answer)
        });
        let answer = answer.map_err(|error| Failure::failed(format!("the answer cannot be read: {error}")))?;
        if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            return Ok(Approved {
                by: user::name(),
                via: "terminal".to_owned(),
                evidence: evidence.digest(),
            });
        }
        let reason = "answered no on the terminal".to_owned();
        self.journal.append(Event::Rejected {
            by: user::name(),
            reason,
        })?;
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

fn given(entries: &[Entry]) -> Option<Approved> {
    entries.iter().rev().find_map(|entry| match &entry.event {
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
pub fn approve(project: &Project, asked: &Approval, release: &Release) -> Result<()> {
    let mut journal = undecided(project, release)?;
    let (evidence, at) = parked(journal.entries()).ok_or_else(|| {
        Failure::bad_input(format!("release {} does not wait for approval", release.id))
            .next(format!("cargo xtask show {}", release.id))
    })?;
    expect_approver(asked)?;
    let age = std::time::Duration::try_from(Timestamp::now().duration_since(at)).unwrap_or_default();
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
    if let Some(newer) = newer_candidate(project, release)? {
        return Err(
            Failure::new(Exit::Refused, format!("release {} is superseded", release.id))
                .why(format!("release {newer} reached approval after it"))
                .next(format!("cargo xtask approve {newer}")),
        );
    }
    journal.append(Event::Approved {
        by: user::name(),
        via: "approve".to_owned(),
        evidence,
    })
}

pub fn reject(project: &Project, release: &Release, reason: &str) -> Result<()> {
    let mut journal = undecided(project, release)?;
    journal.append(Event::Rejected {
        by: user::name(),
        reason: reason.to_owned(),
    })
}

fn undecided(project: &Project, release: &Release) -> Result<Journal> {
    let journal = Journal::open(&project.release(release.id).join("journal"))?;
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

fn newer_candidate(project: &Project, release: &Release) -> Result<Option<contract::ReleaseId>> {
    for newer in Release::list(project)?
        .into_iter()
        .rev()
        .take_while(|other| other.id > release.id)
    {
        let entries = Journal::read(&project.release(newer.id).join("journal"))?.unwrap_or_default();
        if parked(&entries).is_some() {
            return Ok(Some(newer.id));
        }
    }
    Ok(None)
}
