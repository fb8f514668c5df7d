//! How the app runs wherever it runs, and in tests.

use super::build::words;
use super::{Check, ms};
use crate::form::{Field, Leaf};
use crate::model::{EnvSpec, Migrate, Test};
use crate::problem::{At, Problem};
use crate::scalar::VariableName;
use crate::text;
use contract::{Drain, ENV_COMMIT, ENV_RELEASE, HealthGate, SecretRef};
use std::collections::BTreeMap;
use std::time::Duration;

impl Check<'_> {
    pub fn test(&mut self) -> Option<Test> {
        let text = self.settings.test.or_empty(self.settings.at);
        let services = self.services(&text);
        let env = self.env(&self.settings.env.overlaid(&text.env));
        let health = self.health(&self.settings.health.overlaid(&text.health), text.at);
        let migrate = self.migrate(&self.settings.migrate.overlaid(&text.migrate));
        self.require(
            "test.command",
            &text.command,
            text.at,
            "the command that runs the tests",
        );
        Some(Test {
            services: services?,
            env,
            health,
            migrate,
            command: words(&text.command),
            timeout: text.timeout.or(Duration::from_secs(600)),
            allow_substitute: text.allow_substitute.or(false),
        })
    }

    pub fn env(&mut self, text: &Field<text::Env>) -> EnvSpec {
        let Some(text) = text.given() else {
            return EnvSpec::default();
        };
        let clear = text.clear.given().map_or(&[][..], |clear| &clear.entries);
        let secret = text.secret.given().map_or(&[][..], |secret| &secret.items);
        for (name, _) in clear {
            self.is_not_reserved(&name.value, name.at);
        }
        for (index, name) in secret.iter().enumerate() {
            self.is_not_reserved(name.value.name.as_str(), name.at);
            self.is_given_once(name, &secret[..index], clear.iter().map(|(name, _)| name));
        }
        EnvSpec {
            clear: clear
                .iter()
                .map(|(name, leaf)| (name.value.clone(), leaf.value.clone()))
                .collect::<BTreeMap<_, _>>(),
            secret: secret.iter().map(|name| name.value.clone()).collect(),
        }
    }

    fn is_not_reserved(&mut self, name: &str, at: At) {
        if [ENV_RELEASE, ENV_COMMIT].contains(&name) {
            let message = format!("`{name}` is set by the host");
            self.problems.push(Problem::new(at, message, "expected another name"));
        }
    }

    fn is_given_once<'l>(
        &mut self,
        secret: &Leaf<SecretRef>,
        earlier: &[Leaf<SecretRef>],
        mut clear: impl Iterator<Item = &'l Leaf<VariableName>>,
    ) {
        let name = &secret.value.name;
        if let Some(first) = earlier.iter().find(|earlier| earlier.value.name == *name) {
            let expected = format!("the first one is in line {}", first.at.line);
            self.problems.push(Problem::new(
                secret.at,
                format!("secret `{name}` is listed twice"),
                expected,
            ));
        }
        if let Some(clear) = clear.find(|clear| clear.value == name.as_str()) {
            let expected = format!("expected it in one of both; it is clear in line {}", clear.at.line);
            self.problems.push(Problem::new(
                secret.at,
                format!("`{name}` is both clear and secret"),
                expected,
            ));
        }
    }

    pub fn health(&mut self, text: &Field<text::Health>, at: At) -> HealthGate {
        let text = text.or_empty(at);
        let gate = HealthGate {
            live_path: text.live_path.or("/healthz".to_owned()),
            ready_path: text.ready_path.or("/readyz".to_owned()),
            interval_ms: ms(text.interval.or(Duration::from_millis(500))),
            timeout_ms: ms(text.timeout.or(Duration::from_secs(2))),
            passes: text.passes.or(2),
            deadline_ms: ms(text.deadline.or(Duration::from_secs(60))),
        };
        let fastest = gate.interval_ms * u64::from(gate.passes - 1);
        if fastest > gate.deadline_ms {
            let at = text.deadline.given().map_or(text.at, |deadline| deadline.at);
            let message = "no version can become ready before this deadline";
            let expected = format!(
                "expected more than {fastest}ms: {} passes, one every {}ms",
                gate.passes, gate.interval_ms
            );
            self.problems.push(Problem::new(at, message, expected));
        }
        gate
    }

    pub fn migrate(&mut self, text: &Field<text::Migrate>) -> Option<Migrate> {
        let text = text.given()?;
        self.require("migrate.command", &text.command, text.at, "arguments to the image");
        Some(Migrate {
            command: words(&text.command),
            timeout: text.timeout.or(Duration::from_secs(600)),
        })
    }

    pub fn drain(&self, text: &Field<text::Drain>, at: At) -> Drain {
        let text = text.or_empty(at);
        let ten = Duration::from_secs(10);
        Drain {
            requests_ms: ms(text.requests.or(ten)),
            stop_ms: ms(text.stop.or(ten)),
        }
    }
}
