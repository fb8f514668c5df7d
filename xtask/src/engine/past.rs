//! What an environment has behind it, and which of it can come back.

use super::{Gap, History, Records, Schema, Settled};
use crate::failure::{Failure, Result};
use contract::{EnvironmentName, ReleaseId};

/// Of a history, in a message.
const NAMED: usize = 5;

#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    pub environment: EnvironmentName,
    pub history: History,
    pub schema: Schema,
}

impl Past {
    pub async fn load(records: &Records, environment: &EnvironmentName) -> Result<Self> {
        Ok(Self {
            environment: environment.clone(),
            history: History::load(records, environment).await?,
            schema: Schema::load(records, environment).await?,
        })
    }

    /// The release to return to, and a line for each newer one that cannot serve now. What is `unproven` may be chosen too
    /// where somebody said so.
    pub fn target(&self, to: Option<&str>, unproven: bool) -> Result<(&Settled, Vec<String>)> {
        let environment = &self.environment;
        let Some(current) = self.history.latest() else {
            let what = format!("`{environment}` has run no release yet");
            return Err(Failure::bad_input(what).next("cargo xtask release"));
        };
        if let Some(text) = to {
            let named = self.named(text)?;
            if !unproven {
                self.expect_proven(named.version.release)?;
            }
            return Ok((named, Vec::new()));
        }
        let mut passed_over = Vec::new();
        for settled in self.history.earlier() {
            let release = settled.version.release;
            match self.gap(release) {
                Some(gap) if !unproven => passed_over.extend(gap.lines(release)),
                _ => return Ok((settled, passed_over)),
            }
        }
        let previous = self.history.earlier().next().map(|settled| settled.version.release);
        Err(match previous {
            Some(previous) => self.unproven(previous, &passed_over),
            None => {
                let current = current.version.release;
                Failure::bad_input(format!("`{environment}` has run no good release before {current}"))
                    .next("cargo xtask releases")
            }
        })
    }

    pub fn expect_proven(&self, release: ReleaseId) -> Result<()> {
        match self.gap(release) {
            Some(gap) => Err(self.unproven(release, &gap.lines(release))),
            None => Ok(()),
        }
    }

    /// What runs now has nothing to prove.
    pub fn gap(&self, release: ReleaseId) -> Option<Gap> {
        let is_current = self.is_current(release);
        self.schema.gap(release).filter(|_| !is_current)
    }

    pub fn is_current(&self, release: ReleaseId) -> bool {
        let current = self.history.latest();
        current.is_some_and(|current| current.version.release == release)
    }

    fn unproven(&self, release: ReleaseId, why: &[String]) -> Failure {
        let environment = &self.environment;
        let what = format!("release {release} is not proven on the schema that `{environment}` has now");
        let failure = why.iter().fold(Failure::bad_input(what), Failure::why);
        let all_the_same = format!("cargo xtask rollback {environment} --to {release} --unproven --reason …");
        let proven = |settled: &&Settled| self.gap(settled.version.release).is_none();
        let nearest = self.history.earlier().find(proven);
        let (failure, next) = match (nearest, self.schema.begun.first()) {
            (Some(nearest), _) => {
                let nearest = nearest.version.release;
                let proof = self.schema.proof(nearest);
                let proof = proof.map_or(String::new(), |proof| format!(" on schema {}: {proof}", proof.schema));
                let failure = failure.why(format!("release {nearest} is proven{proof}"));
                (failure, format!("cargo xtask rollback {environment} --to {nearest}"))
            }
            (None, Some(begun)) => (
                failure,
                format!("cargo xtask release --resume {begun}, which finds out"),
            ),
            (None, None) => (
                failure.why("no release before is proven on it"),
                "cargo xtask release, of a commit that works on this schema".to_owned(),
            ),
        };
        failure
            .world("nothing was touched")
            .next(format!("{next}    (or, whatever it breaks: {all_the_same})"))
    }

    fn named(&self, text: &str) -> Result<&Settled> {
        let wanted = text.to_ascii_uppercase();
        let fits = |settled: &&Settled| !wanted.is_empty() && settled.version.release.to_string().starts_with(&wanted);
        let found: Vec<&Settled> = self.history.settled.iter().filter(fits).collect();
        match found.as_slice() {
            [one] => Ok(one),
            _ => {
                let newest = self.history.settled.iter().rev().take(NAMED);
                let known: Vec<String> = newest.map(|settled| settled.version.release.to_string()).collect();
                let text: String = text.chars().take(40).collect();
                Err(
                    Failure::bad_input(format!("`{}` has run no one release `{text}`", self.environment))
                        .why(format!("it has run {}", known.join(", "))),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests;
