//! Settings in force → model: defaults filled in, and parts compared with each other.
//!
//! Every function looks at all of its part before it gives up on it, so that one run reports everything.

mod build;
mod environment;
mod program;
mod run;
mod services;
mod site;

use crate::form::Field;
use crate::model;
use crate::problem::{At, Problem, Problems};
use crate::text::{Pipeline, Settings};
use contract::AppName;
use std::time::Duration;

/// The model, unless a problem was reported, now or while reading.
pub fn pipeline(
    text: &Pipeline,
    settings: &Settings,
    profile: &str,
    problems: &mut Problems,
) -> Option<model::Pipeline> {
    let app = text.app.value();
    let mut check = Check {
        settings,
        app: app.clone(),
        on_ground: settings.ground.given().is_some(),
        problems,
    };
    check.require("version", &text.version, text.at, "`version: 1`");
    check.require("app", &text.app, text.at, "the app's name");

    let source = check.source();
    let build = check.build();
    let registry = check.registry();
    let channel = check.channel();
    let store = check.store();
    let test = check.test();
    let environments = settings.environments.or_empty(settings.at);
    let staging = check.environment(&environments.staging, environments.at, false);
    let production = check.environment(&environments.production, environments.at, true);
    check.hosts_are_unique(&environments);
    check.service_passwords_are_secrets(&environments);
    let frontend = check.frontend();
    let storage = check.storage();
    let seed = check.seed();
    let bench = check.bench();
    let hooks = check.hooks();
    let retry = check.retry();
    let notify = check.notify();
    let ground = check.ground();

    if !problems.is_empty() {
        return None;
    }
    Some(model::Pipeline {
        profile: profile.to_owned(),
        app: app?,
        source,
        build,
        registry,
        channel: channel?,
        store: store?,
        test: test?,
        staging: staging?,
        production: production?,
        frontend: frontend.unwrap_or_default(),
        storage: storage.unwrap_or_default(),
        seed: seed?,
        bench: bench?,
        hooks: hooks?,
        retry,
        notify: notify?,
        ground,
    })
}

/// What the checks of all parts share.
struct Check<'a> {
    settings: &'a Settings,
    app: Option<AppName>,
    /// Registry, bucket and hosts are embedded, so none of them needs to be named.
    on_ground: bool,
    problems: &'a mut Problems,
}

impl Check<'_> {
    /// The field, if it is there. What is there but bad was reported before.
    fn require<'f, T>(&mut self, path: &str, field: &'f Field<T>, at: At, expected: &str) -> Option<&'f T> {
        if let Field::Absent = field {
            let problem = Problem::new(at, format!("missing key `{path}`"), format!("expected {expected}"));
            self.problems.push(problem);
        }
        field.given()
    }

    /// The app's name, where other names default to it.
    fn app_name(&self) -> String {
        self.app.as_ref().map_or_else(String::new, AppName::to_string)
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
