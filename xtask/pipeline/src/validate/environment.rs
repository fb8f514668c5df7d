//! Where the app runs, and how a new version gets there.

use super::Check;
use crate::form::{Field, Leaf, List};
use crate::freeze::Freeze;
use crate::model::{Approval, Canary, Environment, Load, Method, Smoke, Step};
use crate::problem::{At, Problem};
use crate::text;
use contract::judge::Thresholds;
use contract::{EnvironmentName, HostName, Replicas, Weight};
use std::collections::BTreeMap;
use std::time::Duration;

const DEFAULT_STEP_BAKE: Duration = Duration::from_secs(120);
const DEFAULT_SMOKE_DEADLINE: Duration = Duration::from_secs(15);
const DEFAULT_LOAD_DURATION: Duration = Duration::from_secs(10);
const DEFAULT_PRODUCTION_BAKE: Duration = Duration::from_secs(300);

impl Check<'_> {
    /// `users` says whether people use it: then they are asked before, and few of them meet a new version first.
    pub fn environment(&mut self, text: &Field<text::Environment>, under: At, users: bool) -> Option<Environment> {
        let settings = self.settings;
        let name = if users { "production" } else { "staging" };
        let bake = if users { DEFAULT_PRODUCTION_BAKE } else { Duration::ZERO };
        let text = text.or_empty(under);
        let hosts = self.hosts(&text, name);
        let health = self.health(&settings.health.overlaid(&text.health), text.at);
        let canary = self.canary(&text.canary, text.at, name, users);
        let smoke = self.smoke(&text, name);
        let load = self.load(&text.load, name, users);
        let env = self.env(&settings.env.overlaid(&text.env));
        let migrate = self.migrate(&settings.migrate.overlaid(&text.migrate));
        let drain = self.drain(&settings.drain.overlaid(&text.drain), text.at);
        Some(Environment {
            name: EnvironmentName::parse(name).ok()?,
            hosts: hosts?,
            env,
            migrate,
            health,
            drain,
            replicas: settings.replicas.overlaid(&text.replicas).or(Replicas::ONE),
            memory_mb: settings.memory_mb.overlaid(&text.memory_mb).value().map(u64::from),
            cpus: settings.cpus.overlaid(&text.cpus).value(),
            smoke: smoke?,
            load: load?,
            approval: approval(&text.approval, users),
            canary: canary?,
            bake: text.bake.or(bake),
            lease_ttl: text.lease_ttl.or(Duration::from_secs(30)),
            freeze: freezes(&text.freeze),
        })
    }

    fn hosts(&mut self, text: &text::Environment, name: &str) -> Option<Vec<HostName>> {
        if !self.on_ground {
            let path = format!("environments.{name}.target");
            let expected = "`hosts`, because only the local ground has hosts of its own";
            self.require(&path, &text.target, text.at, expected);
        }
        match &text.target {
            Field::Given(target) => {
                let hosts = target.hosts.given()?;
                Some(hosts.items.iter().map(|host| host.value.clone()).collect())
            }
            Field::Absent => {
                let count = if name == "production" { 2 } else { 1 };
                (1..=count)
                    .map(|number| HostName::parse(&format!("{name}-{number}")).ok())
                    .collect()
            }
            Field::Bad => None,
        }
    }

    /// A host follows one environment's orders.
    pub fn hosts_are_unique(&mut self, environments: &text::Environments) {
        let mut seen: BTreeMap<&HostName, At> = BTreeMap::new();
        let environments = [&environments.staging, &environments.production];
        let targets = environments.into_iter().filter_map(|text| text.given()?.target.given());
        let hosts = targets.filter_map(|target| target.hosts.given());
        for host in hosts.flat_map(|hosts| &hosts.items) {
            if let Some(first) = seen.get(&host.value) {
                let expected = format!("the first one is in line {}, column {}", first.line, first.column);
                let message = format!("host `{}` is named twice", host.value);
                self.problems.push(Problem::new(host.at, message, expected));
            } else {
                seen.insert(&host.value, host.at);
            }
        }
    }

    fn smoke(&mut self, text: &text::Environment, name: &str) -> Option<Vec<Smoke>> {
        let list = text.smoke.given().map_or(&[][..], |list| &list.items);
        let mut smoke = Vec::new();
        let key = format!("environments.{name}.smoke.path");
        for item in list {
            let path = self.require(&key, &item.path, item.at, "what to ask for");
            if let (Field::Given(equals), Field::Absent) = (&item.equals, &item.pointer) {
                let problem = Problem::new(
                    equals.at,
                    "`equals` without `pointer`",
                    "expected where in the answer it stands",
                );
                self.problems.push(problem);
            }
            let status = u16::try_from(item.status.or(200)).unwrap_or(u16::MAX);
            smoke.push(path.map(|path| Smoke {
                method: item.method.or(Method::Get),
                path: path.value.clone(),
                status,
                pointer: item.pointer.value(),
                equals: item.equals.value(),
                within: item.within.value(),
                deadline: item.deadline.or(DEFAULT_SMOKE_DEADLINE),
            }));
        }
        smoke.into_iter().collect()
    }

    fn load(&mut self, text: &Field<text::Load>, name: &str, users: bool) -> Option<Option<Load>> {
        let Some(text) = text.given() else {
            return Some(None);
        };
        if users {
            let message = format!("`load` in {name}, where it would be load on users");
            let expected = "expected it in `environments.staging`";
            self.problems.push(Problem::new(text.at, message, expected));
        }
        let key = format!("environments.{name}.load.paths");
        let paths = self.require(&key, &text.paths, text.at, "what to ask for")?;
        Some(Some(Load {
            rps: text.rps.or(20),
            duration: text.duration.or(DEFAULT_LOAD_DURATION),
            method: text.method.or(Method::Get),
            paths: paths.items.iter().map(|path| path.value.clone()).collect(),
            p99: text.p99.value(),
            max_error_rate: text.max_error_rate.value().or(Weight::per_mille(10))?,
            slower_by: text.slower_by.value(),
        }))
    }

    fn canary(&mut self, text: &Field<text::Canary>, under: At, name: &str, users: bool) -> Option<Canary> {
        let text = text.or_empty(under);
        let judge = text.judge.or_empty(text.at);
        let judge = Thresholds {
            max_error_per_mille: judge.max_error_rate.value().map_or(10, Weight::as_per_mille),
            min_requests: u64::from(judge.min_requests.or(20)),
        };
        let steps = match &text.steps {
            Field::Given(steps) => self.steps(&steps.items, &format!("environments.{name}.canary.steps")),
            Field::Absent | Field::Bad => Some(default_steps(users)),
        };
        Some(Canary {
            steps: steps?,
            judge,
            shield: text.shield.or(true),
        })
    }

    fn steps(&mut self, texts: &[text::Step], path: &str) -> Option<Vec<Step>> {
        let mut steps = Vec::new();
        for text in texts {
            let weight = self
                .require(&format!("{path}.weight"), &text.weight, text.at, "a share of traffic")
                .map(|leaf| leaf.value);
            if weight.is_some_and(|weight| weight != Weight::ALL) {
                self.require(
                    &format!("{path}.bake"),
                    &text.bake,
                    text.at,
                    "how long this share is watched",
                );
            }
            steps.push(weight.map(|weight| Step {
                weight,
                bake: text.bake.or(Duration::ZERO),
            }));
        }
        self.weights_rise(texts);
        steps.into_iter().collect()
    }

    fn weights_rise(&mut self, steps: &[text::Step]) {
        let mut last = Weight::NONE;
        for Leaf { value, at } in steps.iter().filter_map(|step| step.weight.given()) {
            if *value <= last {
                let expected = format!("expected more than {last}, found `{value}`");
                self.problems
                    .push(Problem::new(*at, "the canary's weights do not rise", expected));
            }
            last = *value;
        }
        if let Some(Leaf { value, at }) = steps.last().and_then(|step| step.weight.given())
            && *value != Weight::ALL
        {
            let problem = Problem::new(
                *at,
                "the canary's last weight is not 100%",
                format!("expected `100%`, found `{value}`"),
            );
            self.problems.push(problem);
        }
    }
}

fn freezes(list: &Field<List<Leaf<Freeze>>>) -> Vec<Freeze> {
    list.given().map_or_else(Vec::new, |list| {
        list.items.iter().map(|item| item.value.clone()).collect()
    })
}

fn approval(text: &Field<text::Approval>, users: bool) -> Option<Approval> {
    // Who writes about approval wants one, unless he says otherwise.
    let required = text.given().map_or(users, |text| text.required.or(true));
    let text = text.given();
    let approvers = text
        .and_then(|text| text.approvers.given())
        .map_or(&[][..], |list| &list.items);
    required.then(|| Approval {
        timeout: text
            .and_then(|text| text.timeout.value())
            .unwrap_or(Duration::from_secs(24 * 3600)),
        approvers: approvers.iter().map(|name| name.value.clone()).collect(),
    })
}

fn default_steps(users: bool) -> Vec<Step> {
    let per_mille: &[u16] = if users { &[50, 250, 500] } else { &[] };
    let weights = per_mille.iter().filter_map(|weight| Weight::per_mille(*weight));
    let mut steps: Vec<Step> = weights
        .map(|weight| Step {
            weight,
            bake: DEFAULT_STEP_BAKE,
        })
        .collect();
    steps.push(Step {
        weight: Weight::ALL,
        bake: Duration::ZERO,
    });
    steps
}
