//! What an approver is shown, and what an approval is bound to.

use super::Outcome;
use super::environment::Shifted;
use super::load::Loaded;
use super::test::Tested;
use crate::build::Built;
use crate::context::Context;
use crate::engine::{Haste, History, Release};
use crate::failure::Result;
use crate::plan::config_digest;
use crate::report::bytes;
use contract::{Digest, ImageRef, ReleaseId};
use pipeline::Identity;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Everything a yes is said to. The approval names its digest: other evidence needs another approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub release: ReleaseId,
    pub image: ImageRef,
    pub image_size: u64,
    pub tests_passed: u32,
    pub substitutes: Vec<String>,
    pub staging: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Loaded>,
    pub migrations: Vec<String>,
    /// Of the configuration it would run with.
    pub config: Digest,
    /// What production runs now, or ran before it ran this.
    pub replaces: Option<ReleaseId>,
    pub commits: Vec<String>,
    pub dirty: bool,
    /// What is done otherwise than pipeline.yaml says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub haste: Option<Haste>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approved {
    pub by: Identity,
    /// `terminal`, `--yes` or `approve`.
    pub via: String,
    pub evidence: Digest,
}

impl Outcome for Approved {
    fn summary(&self) -> String {
        format!("approved by {} ({})", self.by, self.via)
    }
}

/// What the stages before found.
#[derive(Debug)]
pub struct Found {
    pub built: Built,
    pub tested: Tested,
    pub staged: Shifted,
}

pub async fn evidence(context: &Context, release: &Release, found: &Found, haste: Option<&Haste>) -> Result<Evidence> {
    let Found { built, tested, staged } = found;
    let history = History::load(&context.records, &context.pipeline.production.name).await?;
    let running = history.before(release.id);
    let commits = match running {
        Some(running) => context
            .providers
            .commits(context, &running.source.commit, &release.source.commit)
            .await?
            .unwrap_or_default(),
        None => Vec::new(),
    };
    Ok(Evidence {
        release: release.id,
        image: built.image.clone(),
        image_size: built.size,
        tests_passed: tested.passed,
        substitutes: release.substitutes.clone(),
        staging: staged.summary(),
        load: staged.load.clone(),
        migrations: staged
            .migration
            .as_ref()
            .map(|migration| migration.output.clone())
            .unwrap_or_default(),
        config: config_digest(&context.pipeline),
        replaces: running.map(|running| running.version.release),
        commits,
        dirty: release.source.dirty.is_some(),
        haste: haste.cloned(),
    })
}

impl Evidence {
    pub fn digest(&self) -> Digest {
        // Plain data always serialises; an empty text would fit no approval.
        Digest::of(serde_json::to_string(self).unwrap_or_default().as_bytes())
    }
}

impl Evidence {
    /// What is said here and not there, and the other way round.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let (before, now) = (self.to_string(), now.to_string());
        let only_in = |these: &str, others: &str, word: &str| -> Vec<String> {
            let others: Vec<&str> = others.lines().collect();
            let differing = these.lines().filter(|line| !others.contains(line));
            differing.map(|line| format!("{word}: {line}")).collect()
        };
        let mut differences = only_in(&before, &now, "was");
        differences.extend(only_in(&now, &before, "is"));
        differences
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "release   {}", self.release)?;
        writeln!(f, "image     {} ({})", self.image.digest, bytes(self.image_size))?;
        writeln!(f, "tests     {} passed", self.tests_passed)?;
        for substitute in &self.substitutes {
            writeln!(f, "          with a substitute: {substitute}")?;
        }
        writeln!(f, "staging   {}", self.staging)?;
        let load = self.load.as_ref().map(Loaded::lines).unwrap_or_default();
        for (number, line) in load.iter().enumerate() {
            writeln!(f, "{:<9} {line}", if number == 0 { "load" } else { "" })?;
        }
        for line in &self.migrations {
            writeln!(f, "migration {line}")?;
        }
        writeln!(f, "config    {}", self.config.short())?;
        match self.replaces {
            Some(release) => writeln!(f, "replaces  {release}")?,
            None => writeln!(f, "replaces  nothing: production runs no release yet")?,
        }
        if let Some(Haste {
            fast,
            despite_freeze,
            reason,
            ..
        }) = &self.haste
        {
            if *fast {
                writeln!(f, "in haste  bakes shortened to a tenth: {reason}")?;
            }
            if *despite_freeze {
                writeln!(f, "in haste  although production is frozen: {reason}")?;
            }
        }
        if self.dirty {
            writeln!(f, "source    has changes that are in no commit")?;
        }
        for (number, commit) in self.commits.iter().enumerate() {
            writeln!(f, "{:<9} {commit}", if number == 0 { "commits" } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_from_before_there_was_a_load_check_keeps_its_digest() {
        let digest = Digest::of(b"image");
        let before = format!(
            r#"{{"release":"{}","image":"registry.example/shop@{digest}","image_size":1,"tests_passed":7,"substitutes":[],"staging":"1 host, 100%","migrations":[],"config":"{digest}","replaces":null,"commits":[],"dirty":false}}"#,
            ReleaseId::from_parts(1, 0)
        );
        let read: Evidence = serde_json::from_str(&before).unwrap();
        assert_eq!(read.digest(), Digest::of(before.as_bytes()));
    }
}
