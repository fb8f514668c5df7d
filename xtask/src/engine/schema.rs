//! What an environment's schema went through, and which releases were seen running on which: facts that `rollback` goes by.
//!
//! A schema is known by the newest migration in it. That of an environment is what `migrate` said last; the releases that ran
//! to the end of a rollout since are proven on it, and nothing else is.

use super::records::{Records, schema_key};
use crate::clock;
use crate::failure::Result;
use crate::stages::migration::{Migrated, SchemaVersion};
use contract::{Counts, EnvironmentName, ReleaseId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Changes, and proofs, of which the oldest go.
const KEPT: usize = 200;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// Oldest first.
    pub changes: Vec<Change>,
    pub compatible: Vec<Compatible>,
    /// Releases whose migration was begun since one was last seen to end well: what they applied is not known.
    pub begun: Vec<ReleaseId>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// What it left.
    pub schema: SchemaVersion,
    /// What was applied; nothing where the schema was found like this when it was first looked at.
    pub migrations: Vec<String>,
    pub by: ReleaseId,
    pub at: Timestamp,
}

/// A release was seen running on a schema.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compatible {
    pub release: ReleaseId,
    pub schema: SchemaVersion,
    pub proven_by: Proof,
    /// What it answered meanwhile: none shows that it was ready, and no more.
    pub counts: Counts,
    pub at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// It went live on it.
    Live,
    /// It was still ready at the end of the rollout of the release that replaced it.
    Beside(ReleaseId),
    /// It was returned to.
    Returned,
}

/// What stands between a release and the schema there is.
#[derive(Debug, Clone, PartialEq)]
pub struct Gap {
    /// Applied since the newest schema that the release is proven on.
    pub changes: Vec<Change>,
    pub begun: Option<ReleaseId>,
    /// The newest schema it is proven on.
    pub proven: Option<Compatible>,
}

impl Schema {
    pub async fn load(records: &Records, environment: &EnvironmentName) -> Result<Self> {
        let found = records.read(&schema_key(environment)).await?;
        Ok(found.map(|(schema, _)| schema).unwrap_or_default())
    }

    /// Under the environment's lease, as all that follow.
    pub async fn change(
        records: &Records,
        environment: &EnvironmentName,
        change: impl FnOnce(&mut Self),
    ) -> Result<()> {
        records.change(environment, &schema_key(environment), change).await
    }

    /// Before a migration may have changed anything.
    pub fn begin(&mut self, release: ReleaseId) {
        self.begun.truncate(KEPT);
        self.begun.push(release);
    }

    /// After it has ended well.
    pub fn migrated(&mut self, release: ReleaseId, migrated: &Migrated) {
        let begun = std::mem::take(&mut self.begun);
        // The last one is this.
        let cut_off = begun.split_last().and_then(|(_, earlier)| earlier.first().copied());
        let Some(schema) = migrated.schema() else { return };
        let before = self.current();
        let applied = migrated.applied();
        let (migrations, by) = match before {
            _ if !applied.is_empty() => (applied, release),
            Some(before) if before == schema => return,
            Some(before) => (
                vec![format!("from {before} to {schema}, not seen being applied")],
                cut_off.unwrap_or(release),
            ),
            None => match cut_off {
                Some(cut_off) => (vec![format!("up to {schema}, not seen being applied")], cut_off),
                None => (Vec::new(), release),
            },
        };
        self.changes.push(Change {
            schema,
            migrations,
            by,
            at: clock::now(),
        });
        self.changes.drain(..self.changes.len().saturating_sub(KEPT));
    }

    /// The first proof counts; without a known schema there is nothing to prove.
    pub fn proven(&mut self, release: ReleaseId, proven_by: Proof, counts: Counts) {
        let Some(schema) = self.current() else { return };
        if self.proofs(release).any(|proof| proof.schema == schema) {
            return;
        }
        self.compatible.push(Compatible {
            release,
            schema,
            proven_by,
            counts,
            at: clock::now(),
        });
        self.compatible.drain(..self.compatible.len().saturating_sub(KEPT));
    }

    /// As far as it is known.
    pub fn current(&self) -> Option<SchemaVersion> {
        self.changes.last().map(|change| change.schema)
    }

    /// `None` where nothing is known to have changed since the release was seen running.
    pub fn gap(&self, release: ReleaseId) -> Option<Gap> {
        let proofs: Vec<&Compatible> = self.proofs(release).collect();
        let is_proven = |change: &Change| proofs.iter().any(|proof| proof.schema == change.schema);
        let since = self.changes.iter().rposition(is_proven).map_or(0, |at| at + 1);
        let after = self.changes[since..].iter();
        let changes: Vec<Change> = after.filter(|change| !change.migrations.is_empty()).cloned().collect();
        (!changes.is_empty() || !self.begun.is_empty()).then(|| Gap {
            changes,
            begun: self.begun.first().copied(),
            proven: proofs.last().map(|proof| (*proof).clone()),
        })
    }

    /// The newest schema that a release is proven on.
    pub fn proof(&self, release: ReleaseId) -> Option<&Compatible> {
        self.proofs(release).last()
    }

    fn proofs(&self, release: ReleaseId) -> impl Iterator<Item = &Compatible> {
        self.compatible.iter().filter(move |proof| proof.release == release)
    }
}

impl Gap {
    /// A line a fact, for whoever wants that release back.
    pub fn lines(&self, release: ReleaseId) -> Vec<String> {
        let mut lines = Vec::new();
        for change in &self.changes {
            let by = format!("by release {} at {:.0}", change.by, change.at);
            lines.extend(
                change
                    .migrations
                    .iter()
                    .map(|migration| format!("migration {migration} ({by})")),
            );
        }
        if let Some(begun) = self.begun {
            lines.push(format!(
                "the migration of release {begun} was begun and not seen to end well: what it applied is not known"
            ));
        }
        lines.push(match &self.proven {
            Some(proof) => format!("release {release} is proven on schema {}: {proof}", proof.schema),
            None => format!("release {release} is proven on no schema"),
        });
        lines
    }
}

impl fmt::Display for Compatible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { requests, errors } = self.counts;
        match self.proven_by {
            Proof::Live => write!(f, "went live on it")?,
            Proof::Beside(release) => write!(f, "was ready beside release {release} to the end of its rollout")?,
            Proof::Returned => write!(f, "was returned to on it")?,
        }
        write!(f, ", {errors} errors in {requests} requests")
    }
}
