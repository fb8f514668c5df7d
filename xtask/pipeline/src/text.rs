//! What the text says, typed and with positions: nothing is filled in and nothing is compared yet.
//!
//! The comments on these fields are the descriptions in the JSON Schema, which editors show.

mod build;
mod environment;
mod program;
mod run;
mod site;

pub use build::{Build, Place, Registry, S3, Source};
pub use environment::{Approval, Canary, Environment, Environments, Load, Step};
pub use program::{Bench, Hook, Notify, Retry, Seed, Tries};
pub use run::{Drain, Env, Health, Migrate, Service, ServiceHealth, Test};
pub use site::{Frontend, Ground, Storage};

use crate::form::{Field, Fields, Form, Key, Leaf, List, Map, form, mapping_schema};
use crate::node::Node;
use crate::problem::{At, Problems};
use crate::scalar::{BenchName, ProfileName, Version, Whole};
use contract::{AppName, Cpus, Replicas};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::borrow::Cow;

/// The whole file: who it is for, its settings, and what each profile says differently.
#[derive(Debug, Clone)]
pub struct Pipeline {
    pub at: At,
    pub version: Field<Leaf<Version>>,
    pub app: Field<Leaf<AppName>>,
    pub settings: Settings,
    pub profiles: Field<Map<ProfileName, Settings>>,
}

form! {
    /// How the app is built, tested, run and released.
    Settings {
        /// Which commits may be released.
        source: Source,
        /// How a commit becomes an image.
        build: Build,
        /// Where images are kept. Left out on the local ground: the registry embedded there.
        registry: Registry,
        /// Where hosts learn what to run. Left out: the directory `.release/channel`.
        channel: Place,
        /// Where releases, their journals, leases and histories are kept, so that every machine that reaches it can carry a
        /// release on. Left out: the directory `.release`.
        store: Place,
        /// Configuration, wherever the app runs. `test` and each environment may say more.
        env: Env,
        /// When the app counts as ready, wherever it runs.
        health: Health,
        /// What prepares the database, before the app starts anywhere.
        migrate: Migrate,
        /// How the app is stopped.
        drain: Drain,
        /// How many containers of the app a host runs, 1 to 8. Default: 1.
        replicas: Leaf<Replicas>,
        /// Memory limit of each of the app's containers on a host, in MiB. Left out: none.
        memory_mb: Leaf<Whole<16, 1_048_576>>,
        /// Limit on the processor time of each of them, in CPUs, such as `0.5` or `2`. Left out: none.
        cpus: Leaf<Cpus>,
        /// The image, tested beside the services it needs.
        test: Test,
        /// Where the app runs: staging and production.
        environments: Environments,
        /// The static site that is released with the app. Left out: none.
        frontend: Frontend,
        /// A bucket for the app's own files. On the local ground the app is told of it by `S3_ENDPOINT` and its like; elsewhere
        /// `env` says where it is. Left out: none.
        storage: Storage,
        /// What `cargo xtask seed` runs. Left out: there is no demo data.
        seed: Seed,
        /// Benchmarks of the app: `cargo xtask bench NAME` runs one of them beside the image and the services of `test`.
        bench: Map<BenchName, Bench>,
        /// Commands around stages, in this order. Left out: none.
        hooks: List<Hook>,
        /// Stages that are tried again when they fail. Left out: none.
        retry: Retry,
        /// Who is told how releases go. Left out: nobody.
        notify: List<Notify>,
        /// The embedded registry, bucket, edge and hosts on this machine. Profile `local` has it.
        ground: Ground,
    }
}

impl Pipeline {
    const OWN_KEYS: [(&'static str, &'static str); 3] = [
        ("version", "Version of this file's format: 1."),
        ("app", "The app's name: in labels, host names and object keys."),
        (
            "profiles",
            "What differs from place to place. Mappings are merged, all else is replaced; `local` is the default.",
        ),
    ];
}

impl Form for Pipeline {
    fn read(node: &Node, key: Key<'_>, problems: &mut Problems) -> Option<Self> {
        let own = Self::OWN_KEYS.map(|(name, _)| name);
        let keys = [own.as_slice(), Settings::KEYS].concat();
        let mut fields = Fields::open(node, key, &keys, problems)?;
        Some(Self {
            at: key.at,
            version: fields.take("version"),
            app: fields.take("app"),
            settings: Settings::take(&mut fields),
            profiles: fields.take("profiles"),
        })
    }
}

impl JsonSchema for Pipeline {
    fn schema_name() -> Cow<'static, str> {
        "pipeline.yaml".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let [version, app, profiles] = Self::OWN_KEYS;
        let own = [
            (version.0, version.1, generator.subschema_for::<Leaf<Version>>()),
            (app.0, app.1, generator.subschema_for::<Leaf<AppName>>()),
            (
                profiles.0,
                profiles.1,
                generator.subschema_for::<Map<ProfileName, Settings>>(),
            ),
        ];
        let mut schema = mapping_schema("From a commit to live traffic.", own);
        let settings = Settings::json_schema(generator);
        let settings = settings
            .get("properties")
            .and_then(|keys| keys.as_object())
            .cloned()
            .unwrap_or_default();
        if let Some(keys) = schema.get_mut("properties").and_then(|keys| keys.as_object_mut()) {
            keys.extend(settings);
        }
        schema.insert("required".to_owned(), serde_json::json!(["version", "app"]));
        schema
    }
}
