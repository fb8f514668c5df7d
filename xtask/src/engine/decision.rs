//! Approval: asked for, given, refused, and when it no longer counts.

use super::{Entry, Event, Haste, Journal, Records, Release, Run};
use crate::clock;
use crate::failure::{Exit, Failure, Result};
use crate::plan;
use crate::stages::approval::{self, Approved, Evidence, Found};
use crate::user;
use contract::{Digest, ReleaseId};
use pipeline::Identity;
use pipeline::model::Approval;
use std::time::Duration;

/// How an approval is to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// On a terminal by asking, else by parking.
    Ask,
    /// By `--yes`.
    Yes,
}

impl Run<'_> {
    pub(super) async fn decide(&mut self, asked: &Approval, found: &Found, how: &How) -> Result<Approved> {
        if let Some((exit, what)) = rejected(self.journal.entries()) {
            return Err(Failure::new(exit, format!("release {} {what}", self.release.id)).next("cargo xtask release"));
        }
        let evidence = &self.evidence(found).await?;
        let digest = evidence.digest();
        if let Some(given) = given(self.journal.entries(), asked) {
            return match given.evidence == digest {
                true => Ok(given),
                false => Err(self.void(evidence)),
            };
        }
        let seen = Box::new(evidence.clone());
        self.journal.append(Event::Parked { evidence: digest, seen }).await?;
        let approved = match how {
            How::Yes => Approved {
                by: user::identity(),
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

    /// Under the lease, when nothing can come between any more: the yes is still one to what is about to happen.
    pub(super) async fn expect_approved(&self, asked: &Approval, found: &Found) -> Result<()> {
        let id = self.release.id;
        let Some(given) = given(self.journal.entries(), asked) else {
            return Err(
                Failure::new(Exit::Refused, format!("the approval of release {id} has expired"))
                    .why(format!("it counts for {}", plan::span(asked.timeout)))
                    .next(format!("cargo xtask release --resume {id}, to be asked again")),
            );
        };
        let evidence = self.evidence(found).await?;
        if given.evidence != evidence.digest() {
            return Err(self.void(&evidence));
        }
        expect_newest(&self.context.records, &self.release).await
    }

    async fn evidence(&self, found: &Found) -> Result<Evidence> {
        let haste = Haste::of(self.journal.entries());
        approval::evidence(self.context, &self.release, found, haste).await
    }

    fn void(&self, now: &Evidence) -> Failure {
        let failure = Failure::new(
            Exit::Refused,
            "the approval is void: what it was given for has changed since",
        );
        let seen = parked(self.journal.entries()).map(|(_, seen, _)| seen);
        let mut differences = seen.map(|seen| seen.differences(now)).unwrap_or_default();
        if differences.is_empty() {
            differences.push(format!("it was given for other evidence than {}", now.digest().short()));
        }
        let failure = differences.into_iter().fold(failure, Failure::why);
        failure.world("production is as before").next("cargo xtask release")
    }

    async fn ask(&mut self, asked: &Approval, evidence: &Evidence) -> Result<Approved> {
        let who = user::identity();
        expect_approver(asked, self.release.id, &who)?;
        let question = format!("\n{evidence}\nPut this into production?");
        if self.context.report.ask(&question).await? {
            return Ok(Approved {
                by: who,
                via: "terminal".to_owned(),
                evidence: evidence.digest(),
            });
        }
        let reason = "answered no on the terminal".to_owned();
        self.journal.append(Event::Rejected { by: who, reason }).await?;
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

/// The yes that counts now. One to less haste is none to more, and none lasts for ever.
pub(super) fn given(entries: &[Entry], asked: &Approval) -> Option<Approved> {
    let since = entries.iter().rev();
    let mut since = since.take_while(|entry| !matches!(entry.event, Event::Hastened(_)));
    let entry = since.find(|entry| matches!(entry.event, Event::Approved { .. }))?;
    match &entry.event {
        Event::Approved { by, via, evidence } if age(entry) <= asked.timeout => Some(Approved {
            by: by.clone(),
            via: via.clone(),
            evidence: *evidence,
        }),
        _ => None,
    }
}

/// What was asked for last: its digest, what it was, and when.
fn parked(entries: &[Entry]) -> Option<(Digest, &Evidence, &Entry)> {
    entries.iter().rev().find_map(|entry| match &entry.event {
        Event::Parked { evidence, seen } => Some((*evidence, &**seen, entry)),
        _ => None,
    })
}

fn age(entry: &Entry) -> Duration {
    Duration::try_from(clock::now().duration_since(entry.at)).unwrap_or_default()
}

/// Exactly those who are listed; a name is nobody else's who is only called the same.
fn expect_approver(asked: &Approval, release: ReleaseId, who: &Identity) -> Result<()> {
    let approvers = &asked.approvers;
    if approvers.is_empty() || approvers.iter().any(|approver| approver.is(who)) {
        return Ok(());
    }
    let what = format!("`{who}` may not approve release {release}");
    Err(Failure::new(Exit::Refused, what)
        .why(format!("approvers: {}", plan::names(approvers)))
        .world("production is as before")
        .next(format!("one of them: cargo xtask approve {release}")))
}

/// Says yes to a parked release, for what it was parked with. The release goes on from there.
pub async fn approve(records: &Records, asked: &Approval, release: &Release) -> Result<()> {
    let mut journal = undecided(records, release).await?;
    let (evidence, _, entry) = parked(journal.entries()).ok_or_else(|| {
        Failure::bad_input(format!("release {} does not wait for approval", release.id))
            .next(format!("cargo xtask show {}", release.id))
    })?;
    let by = user::identity();
    expect_approver(asked, release.id, &by)?;
    if age(entry) > asked.timeout {
        let waited = plan::span(Duration::from_secs(age(entry).as_secs()));
        let what = format!("the question whether release {} may go live has expired", release.id);
        return Err(Failure::new(Exit::Refused, what)
            .why(format!(
                "asked {waited} ago; it waits for {}",
                plan::span(asked.timeout)
            ))
            .world("production is as before")
            .next(format!(
                "cargo xtask release --resume {}, to be asked again",
                release.id
            )));
    }
    expect_newest(records, release).await?;
    let via = "approve".to_owned();
    journal.append(Event::Approved { by, via, evidence }).await
}

async fn expect_newest(records: &Records, release: &Release) -> Result<()> {
    let Some(newer) = newer_candidate(records, release).await? else {
        return Ok(());
    };
    let what = format!("release {} is superseded", release.id);
    Err(Failure::new(Exit::Refused, what)
        .why(format!("release {newer} reached approval after it"))
        .world("production is as before")
        .next(format!("cargo xtask approve {newer}")))
}

pub async fn reject(records: &Records, release: &Release, reason: &str) -> Result<()> {
    let mut journal = undecided(records, release).await?;
    let (by, reason) = (user::identity(), reason.to_owned());
    journal.append(Event::Rejected { by, reason }).await
}

async fn undecided(records: &Records, release: &Release) -> Result<Journal> {
    let journal = Journal::open(records, release.id).await?;
    match rejected(journal.entries()) {
        Some((exit, what)) => Err(Failure::new(exit, format!("release {} {what}", release.id))
            .next(format!("cargo xtask show {}", release.id))),
        None => Ok(journal),
    }
}

/// Why there is nothing to decide any more.
fn rejected(entries: &[Entry]) -> Option<(Exit, String)> {
    entries.iter().rev().find_map(|entry| match &entry.event {
        Event::Rejected { by, reason } => Some((Exit::Refused, format!("was rejected by {by}: {reason}"))),
        Event::Finished => Some((Exit::BadInput, "is finished".to_owned())),
        _ => None,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn may(approvers: &[&str], who: &str) -> Result<()> {
        let identity = |name: &str| Identity::parse(name).unwrap();
        let asked = Approval {
            timeout: Duration::from_secs(60),
            approvers: approvers.iter().map(|name| identity(name)).collect(),
        };
        expect_approver(&asked, ReleaseId::from_parts(1, 0), &identity(who))
    }

    #[test]
    fn one_on_github_who_is_called_like_an_approver_here_may_not_approve_nor_the_other_way_round() {
        let cases = [
            (vec![], "github:mina", true),
            (vec!["jun", "mina"], "mina", true),
            (vec!["mina"], "github:mina", false),
            (vec!["mina"], "aws:mina", false),
            (vec!["github:mina"], "mina", false),
            (vec!["github:mina"], "github:Mina", true),
            (vec!["aws:codepipeline/shop"], "aws:codepipeline/shop", true),
            (vec!["mina"], "minas", false),
        ];
        for (approvers, who, may_approve) in cases {
            assert_eq!(may(&approvers, who).is_ok(), may_approve, "{who} of {approvers:?}");
        }
    }

    #[test]
    fn a_refusal_says_who_they_are_who_may_and_what_to_type() {
        let failure = may(&["mina", "aws:mina"], "github:mina").unwrap_err();
        assert_eq!(failure.exit, Exit::Refused);
        let id = ReleaseId::from_parts(1, 0);
        let expected = format!(
            "error: `github:mina` may not approve release {id}\n  approvers: mina, aws:mina\nnow: production is as before\n\
             next: one of them: cargo xtask approve {id}"
        );
        assert_eq!(failure.to_string(), expected);
    }
}
