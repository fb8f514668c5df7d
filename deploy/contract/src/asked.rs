//! What an operator wants to hear from hosts, and what they say: the app's own log lines, for a while.

use crate::{AppName, AskId, EnvironmentName, HostName, ReleaseId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One environment's ask, signed as a whole like a desired document. It changes nothing that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    pub contract: u32,
    pub app: AppName,
    pub environment: EnvironmentName,
    pub id: AskId,
    /// Rises with each renewal, and from one ask to the next: of two, the later one counts.
    pub issued_at: Timestamp,
    /// When hosts stop. They count from receipt, so that their wall clocks need not agree with this one.
    pub until: Timestamp,
    /// Who asks, for whoever is replaced.
    pub by: String,
    pub logs: LogsAsked,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogsAsked {
    /// Who should answer.
    pub hosts: Vec<HostName>,
    /// Whose lines; all where none is named.
    pub releases: Vec<ReleaseId>,
    /// So many of the last lines of each container to begin with.
    pub lines: u32,
    /// And what it prints from then on.
    pub follow: bool,
}

/// One part of a host's answer, in a document of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    pub contract: u32,
    pub app: AppName,
    pub environment: EnvironmentName,
    pub host: HostName,
    pub ask: AskId,
    /// From 0, without a gap.
    pub sequence: u32,
    pub at: Timestamp,
    pub lines: Vec<SaidLine>,
    /// Lines that were printed faster than they could be said, since the part before.
    pub dropped: u64,
    /// What cannot be read here, in words.
    pub trouble: Option<String>,
    /// Nothing more was asked for.
    pub is_last: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaidLine {
    pub release: ReleaseId,
    pub at: Timestamp,
    pub text: String,
}

impl Asked {
    /// The longest an ask may be in force without being renewed.
    pub const LONGEST_MS: i64 = 60_000;
    pub const MOST_LINES: u32 = 1_000;
    pub const MOST_HOSTS: usize = 1_000;
    pub const MOST_RELEASES: usize = 16;
    /// Of `by`.
    pub const MOST_CHARS: usize = 200;

    /// How long it is in force, if that and all else about it is within bounds.
    pub fn lasts(&self) -> Result<Duration, String> {
        let lasts_ms = self
            .until
            .as_millisecond()
            .saturating_sub(self.issued_at.as_millisecond());
        let LogsAsked {
            hosts, releases, lines, ..
        } = &self.logs;
        let longest = Self::LONGEST_MS;
        match u64::try_from(lasts_ms) {
            Ok(ms) if lasts_ms <= longest && ms > 0 => {}
            _ => {
                return Err(format!(
                    "expected it to last from 1 to {longest} ms, found {lasts_ms} ms"
                ));
            }
        }
        let bounds = [
            ("lines", *lines as usize, Self::MOST_LINES as usize),
            ("hosts", hosts.len(), Self::MOST_HOSTS),
            ("releases", releases.len(), Self::MOST_RELEASES),
            ("characters of a name", self.by.chars().count(), Self::MOST_CHARS),
        ];
        match bounds.into_iter().find(|(_, found, most)| found > most) {
            Some((what, found, most)) => Err(format!("expected at most {most} {what}, found {found}")),
            None => Ok(Duration::from_millis(lasts_ms.unsigned_abs())),
        }
    }
}
