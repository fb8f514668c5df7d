//! Programs of the project that the tool runs on this machine.

use super::Check;
use super::build::words;
use crate::form::{Field, Leaf, List};
use crate::model::Program;
use crate::problem::{At, Problem};
use crate::scalar::Prose;
use std::collections::BTreeMap;
use std::time::Duration;

/// Benchmarks that the tool has itself.
const OWN_BENCHES: [&str; 1] = ["image"];

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

    fn command(&mut self, path: &str, field: &Field<List<Leaf<Prose>>>, at: At) -> Option<Vec<String>> {
        self.require(path, field, at, "a program and its arguments")?;
        Some(words(field))
    }
}
