//! Programs of the project that the tool runs on this machine.

use super::Check;
use super::build::words;
use crate::form::{Field, Leaf, List};
use crate::model::{Hook, Notify, Occasion, Program, Retry, Stage, When};
use crate::problem::{At, Problem};
use crate::scalar::Prose;
use crate::text::Tries;
use std::collections::BTreeMap;
use std::time::Duration;

/// Benchmarks that the tool has itself.
const OWN_BENCHES: [&str; 2] = ["image", "engine"];

impl Check<'_> {
    /// The outer `None` is a problem, the inner one an app without demo data.
    pub fn seed(&mut self) -> Option<Option<Program>> {
        let text = match &self.settings.seed {
            Field::Given(text) => text,
            Field::Absent => return Some(None),
            Field::Bad => return None,
        };
        let command = self.command("seed.command", &text.command, text.at)?;
        let timeout = text.timeout.or(Duration::from_secs(600));
        Some(Some(Program { command, timeout }))
    }

    pub fn bench(&mut self) -> Option<BTreeMap<String, Program>> {
        let texts = self.settings.bench.given().map_or(&[][..], |benches| &benches.entries);
        let read: Vec<_> = texts
            .iter()
            .map(|(name, text)| {
                if OWN_BENCHES.contains(&name.value.as_str()) {
                    let message = format!("`{}` is a benchmark of the tool itself", name.value);
                    self.problems
                        .push(Problem::new(name.at, message, "expected another name"));
                }
                let path = format!("bench.{}.command", name.value);
                let command = self.command(&path, &text.command, text.at)?;
                let timeout = text.timeout.or(Duration::from_secs(900));
                Some((name.value.clone(), Program { command, timeout }))
            })
            .collect();
        read.into_iter().collect()
    }

    pub fn hooks(&mut self) -> Option<Vec<Hook>> {
        let texts = self.settings.hooks.given().map_or(&[][..], |hooks| &hooks.items);
        let read: Vec<_> = texts
            .iter()
            .map(|text| {
                let command = self.command("hooks.command", &text.command, text.at);
                let around = match (&text.before, &text.after) {
                    (Field::Given(stage), Field::Absent) => Some((When::Before, stage.value)),
                    (Field::Absent, Field::Given(stage)) => Some((When::After, stage.value)),
                    (Field::Bad, _) | (_, Field::Bad) => None,
                    (Field::Absent, Field::Absent) | (Field::Given(_), Field::Given(_)) => {
                        let message = "a hook is run before a stage or after one";
                        let expected = "expected `before` or `after`, and one of them";
                        self.problems.push(Problem::new(text.at, message, expected));
                        None
                    }
                };
                let ((when, stage), command) = around.zip(command)?;
                let variables = text.env.given().map_or(&[][..], |env| &env.entries);
                let env = variables
                    .iter()
                    .map(|(name, value)| (name.value.clone(), value.value.clone()));
                Some(Hook {
                    when,
                    stage,
                    command,
                    timeout: text.timeout.or(Duration::from_secs(300)),
                    env: env.collect(),
                })
            })
            .collect();
        read.into_iter().collect()
    }

    pub fn retry(&self) -> BTreeMap<Stage, Retry> {
        let Some(text) = self.settings.retry.given() else {
            return BTreeMap::new();
        };
        let stages = [
            (Stage::Build, &text.build),
            (Stage::Test, &text.test),
            (Stage::Staging, &text.staging),
        ];
        let asked = stages
            .into_iter()
            .filter_map(|(stage, tries)| Some((stage, tries.given()?)));
        let retry = |tries: &Tries| Retry {
            times: tries.times.or(1),
            pause: tries.pause.or(Duration::from_secs(5)),
        };
        asked.map(|(stage, tries)| (stage, retry(tries))).collect()
    }

    pub fn notify(&mut self) -> Option<Vec<Notify>> {
        let texts = self.settings.notify.given().map_or(&[][..], |notify| &notify.items);
        let read: Vec<_> = texts
            .iter()
            .map(|text| {
                let webhook = self.require("notify.webhook", &text.webhook, text.at, "the name of a variable")?;
                let all = [
                    Occasion::Approval,
                    Occasion::Failed,
                    Occasion::RolledBack,
                    Occasion::Done,
                ];
                let on = text
                    .on
                    .given()
                    .map(|on| on.items.iter().map(|occasion| occasion.value).collect());
                Some(Notify {
                    webhook: webhook.value.clone(),
                    on: on.unwrap_or_else(|| all.to_vec()),
                })
            })
            .collect();
        read.into_iter().collect()
    }

    fn command(&mut self, path: &str, field: &Field<List<Leaf<Prose>>>, at: At) -> Option<Vec<String>> {
        self.require(path, field, at, "a program and its arguments")?;
        Some(words(field))
    }
}
