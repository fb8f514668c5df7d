//! In words, what went wrong and what runs now.

use super::Rollout;
use crate::failure::Failure;
use crate::rollout::next::{Reason, named};
use contract::Evidence;

impl Rollout<'_> {
    pub(super) fn explain(&self, reason: &Reason) -> Failure {
        let name = &self.start.environment.name;
        match reason {
            Reason::Host { host, failure } => {
                Failure::failed(format!("{} on {host}", failure.summary)).why(evidence_lines(&failure.evidence))
            }
            Reason::Refused { host, reason } => Failure::failed(format!("{host} refused the desired state: {reason}")),
            Reason::Lapsed { host } => Failure::failed(format!(
                "the rollout's lease ran out on {host}, which has returned to the stable version"
            )),
            Reason::Silent { host, for_s } => {
                let silence = for_s.map_or("never spoke".to_owned(), |s| format!("has said nothing for {s} s"));
                Failure::failed(format!("{host} of `{name}` {silence}")).next("cargo xtask local status")
            }
            Reason::Late { hosts, waited } => {
                Failure::failed(format!("{} did not follow within {} s", named(hosts), waited.as_secs()))
            }
            Reason::Judged(result) => Failure::failed(format!("the candidate failed at {} of `{name}`", result.weight))
                .why(result.judgement.to_string()),
        }
    }

    pub(super) fn describe_stable(&self) -> String {
        match &self.versions.stable {
            Some(version) => format!("serves release {}", version.release),
            None => "runs nothing, as before".to_owned(),
        }
    }
}

pub fn evidence_lines(evidence: &Evidence) -> String {
    let mut lines = Vec::new();
    if let Some(code) = evidence.exit_code {
        lines.push(format!("exit code: {code}"));
    }
    if evidence.out_of_memory {
        lines.push("killed for using more memory than it may".to_owned());
    }
    if let Some(probe) = &evidence.last_probe {
        lines.push(format!("last probe: {probe}"));
    }
    if !evidence.listening.is_empty() {
        lines.push(format!("listens on: {}", evidence.listening.join(", ")));
    }
    lines.extend(evidence.log_tail.iter().map(|line| format!("| {line}")));
    lines.join("\n")
}
