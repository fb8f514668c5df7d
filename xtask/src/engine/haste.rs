//! What is done otherwise than pipeline.yaml says, because somebody gave a reason.

use super::{Entry, Event, Run};
use crate::clock;
use crate::failure::{Exit, Failure, Result};
use crate::user;
use pipeline::Identity;
use pipeline::model::{Canary, Environment, Step};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `--fast` leaves a tenth of each bake, and no less than this unless it was less.
const SHORTEST_BAKE: Duration = Duration::from_secs(10);

/// Health gate, judge and approval stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Haste {
    /// Bakes are shortened.
    pub fast: bool,
    /// Production is changed although it is frozen.
    pub despite_freeze: bool,
    pub reason: String,
    pub by: Identity,
}

impl Haste {
    pub fn new(fast: bool, despite_freeze: bool, reason: String) -> Self {
        let by = user::identity();
        Self {
            fast,
            despite_freeze,
            reason,
            by,
        }
    }

    /// What was asked for last.
    pub fn of(entries: &[Entry]) -> Option<&Self> {
        entries.iter().rev().find_map(|entry| match &entry.event {
            Event::Hastened(haste) => Some(haste),
            _ => None,
        })
    }

    /// The environment, with the bakes that remain.
    pub fn shorten(haste: Option<&Self>, environment: &Environment) -> Environment {
        let mut environment = environment.clone();
        if haste.is_some_and(|haste| haste.fast) {
            let Canary { steps, .. } = &mut environment.canary;
            for Step { bake, .. } in steps {
                *bake = shortened(*bake);
            }
            environment.bake = shortened(environment.bake);
        }
        environment
    }
}

fn shortened(bake: Duration) -> Duration {
    bake.min((bake / 10).max(SHORTEST_BAKE))
}

impl Run<'_> {
    pub async fn hasten(&mut self, haste: Haste) -> Result<()> {
        self.journal.append(Event::Hastened(haste)).await
    }

    /// Production is left alone while it is frozen; the release goes on from here afterwards.
    pub(super) fn expect_thawed(&self, production: &Environment) -> Result<()> {
        let now = clock::now();
        let frozen = production
            .freeze
            .iter()
            .find_map(|freeze| Some((freeze, freeze.until(now)?)));
        let Some((freeze, until)) = frozen else {
            return Ok(());
        };
        if Haste::of(self.journal.entries()).is_some_and(|haste| haste.despite_freeze) {
            let text = format!("`{}` is frozen ({freeze}); changed all the same", production.name);
            self.context.report.note(&text);
            return Ok(());
        }
        let id = self.release.id;
        Err(
            Failure::new(Exit::Parked, format!("`{}` is frozen until {until}", production.name))
                .why(format!("pipeline.yaml: {freeze}"))
                .world("production is as before")
                .next(format!(
                    "cargo xtask release --resume {id} then, or now with --despite-freeze --reason …"
                )),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_leaves_a_tenth_of_a_bake_but_never_makes_one_longer() {
        let seconds = Duration::from_secs;
        for (bake, left) in [(600, 60), (300, 30), (60, 10), (10, 10), (3, 3), (0, 0)] {
            assert_eq!(shortened(seconds(bake)), seconds(left), "{bake}");
        }
    }
}
