//! Where the app runs, and how a new version gets there.

use super::{Drain, Env, Health, Migrate};
use crate::form::{Form, Key, Leaf, List, form};
use crate::freeze::Freeze;
use crate::identity::Identity;
use crate::model::Method;
use crate::node::Node;
use crate::problem::{Problem, Problems};
use crate::scalar::{HOUR, JsonPointer, MINUTE, Prose, SECOND, Time, UrlPath, Whole};
use contract::{Cpus, HostName, Replicas, Weight};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

form! {
    /// Where the app runs.
    Environments {
        /// Where a release is tried out.
        staging: Environment,
        /// Where users are.
        production: Environment,
    }
}

form! {
    /// One place the app runs in.
    Environment {
        /// What runs it. Default on the local ground: `staging-1`; `production-1` and `production-2`.
        target: Target,
        /// Configuration, besides that for everywhere.
        env: Env,
        /// When the app counts as ready, where it differs from everywhere.
        health: Health,
        /// What prepares the database, where it differs from everywhere.
        migrate: Migrate,
        /// How the app is stopped, where it differs from everywhere.
        drain: Drain,
        /// Containers on each host, where it differs from everywhere.
        replicas: Leaf<Replicas>,
        /// Memory limit, where it differs from everywhere.
        memory_mb: Leaf<Whole<16, 1_048_576>>,
        /// CPU limit, where it differs from everywhere.
        cpus: Leaf<Cpus>,
        /// Requests that must be answered as said, before the release goes on.
        smoke: List<Smoke>,
        /// Requests put on a new version at a steady rate, before it gets traffic. Only in staging. Left out: none.
        load: Load,
        /// Whether and how long a person is waited for. Default: production waits, staging does not.
        approval: Approval,
        /// How traffic moves to a new version. Default: 5 %, 25 %, 50 %, `2m` each, 100 %; in staging all at once.
        canary: Canary,
        /// How long the new version is watched before the old one is stopped. Default: `5m`; in staging `0s`.
        bake: Leaf<Time<0, { 24 * HOUR }>>,
        /// How long hosts follow a rollout without hearing from its controller. Default: `30s`.
        lease_ttl: Leaf<Time<{ 5 * SECOND }, { 10 * MINUTE }>>,
        /// When no release goes on to here, such as `Fri 18:00 – Mon 09:00 Asia/Seoul`. Default: never.
        freeze: List<Leaf<Freeze>>,
    }
}

form! {
    /// What runs an environment: one of these.
    choice Target {
        /// Machines with an agent, by name.
        hosts: List<Leaf<HostName>>,
        /// Not supported yet: all machines of a group.
        fleet: Later,
        /// Not supported yet: an Amazon ECS service.
        ecs: Later,
    }
}

form! {
    /// A request and its answer.
    Smoke {
        /// How it is asked for, without a body. Default: GET.
        method: Leaf<Method>,
        /// The path asked for.
        path: Leaf<UrlPath>,
        /// The status expected. Default: 200.
        status: Leaf<Whole<100, 599>>,
        /// A JSON pointer that the answer must hold. Left out: the body does not matter.
        pointer: Leaf<JsonPointer>,
        /// What must stand at `pointer`, as text. Left out: anything but null.
        equals: Leaf<Prose>,
        /// The longest an answer may take. Left out: 5 s.
        within: Leaf<Time<1, MINUTE>>,
        /// For how long it is asked again until it answers so. Default: `15s`.
        deadline: Leaf<Time<0, { 10 * MINUTE }>>,
    }
}

form! {
    /// Requests at a steady rate. An answer of 400 or above counts as an error, and so does none within 5 s.
    Load {
        /// How many a second, over all hosts and paths. Default: 20.
        rps: Leaf<Whole<1, 1_000>>,
        /// For how long. Default: `10s`.
        duration: Leaf<Time<SECOND, { 5 * MINUTE }>>,
        /// How they are asked for, without a body. Default: GET.
        method: Leaf<Method>,
        /// The paths asked for, one after the other.
        paths: List<Leaf<UrlPath>>,
        /// The longest that 99 of 100 may take. Left out: it is shown, not judged.
        p99: Leaf<Time<1, { 5 * SECOND }>>,
        /// Errors that are still fine. Default: `1%`.
        max_error_rate: Leaf<Weight>,
        /// How much longer `p99` may be than that of the running release. Left out: both are shown, not judged.
        slower_by: Leaf<Time<1, { 5 * SECOND }>>,
    }
}

form! {
    /// A person's yes.
    Approval {
        /// Whether it is asked for. Default: true.
        required: Leaf<bool>,
        /// When the question expires. Default: `24h`.
        timeout: Leaf<Time<MINUTE, { 720 * HOUR }>>,
        /// Who may answer: `mina`, an account of the machine; `github:mina-kim`; `aws:…`. Default: anyone.
        approvers: List<Leaf<Identity>>,
    }
}

form! {
    /// How traffic moves to a new version.
    Canary {
        /// One after the other; the last is 100 %.
        steps: List<Step>,
        /// What the new version may cost.
        judge: Judge,
        /// Whether the old version answers what fails on the new one and is safe to ask twice. Default: true.
        shield: Leaf<bool>,
    }
}

form! {
    /// A share of traffic, and how long it is watched.
    Step {
        /// `5%`: at most one decimal.
        weight: Leaf<Weight>,
        /// Before the next step. Default at 100 %: `0s`.
        bake: Leaf<Time<0, { 24 * HOUR }>>,
    }
}

form! {
    /// When a new version is good enough to go on.
    Judge {
        /// Errors that are still fine. Default: `1%`.
        max_error_rate: Leaf<Weight>,
        /// Fewer requests prove nothing. Default: 20.
        min_requests: Leaf<Whole<1, 1_000_000>>,
    }
}

/// A key that is known and means something, but not to this version of the tool.
#[derive(Debug, Clone)]
pub enum Later {}

impl Form for Later {
    fn read(_: &Node, key: Key<'_>, problems: &mut Problems) -> Option<Self> {
        let message = format!("`{}` is not supported yet by this version", key.name);
        problems.push(Problem::new(key.at, message, "expected `hosts`, a list of host names"));
        None
    }
}

impl JsonSchema for Later {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Later".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "not": {} })
    }
}
