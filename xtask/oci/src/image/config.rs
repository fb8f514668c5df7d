//! The image config: what a container of this image runs, and as whom.

use super::{AssemblyError, Blob, HealthCheck, ImageSpec, Layer, MediaType};
use contract::Digest;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// The time every image says it was made at: when it really was would make each build another image.
const CREATED: &str = "1970-01-01T00:00:00Z";

pub(super) fn blob(spec: &ImageSpec, layers: &[Layer]) -> Result<Blob, AssemblyError> {
    let config = Config {
        architecture: "amd64",
        os: "linux",
        created: CREATED,
        config: Run::new(spec),
        rootfs: RootFs {
            r#type: "layers",
            diff_ids: layers.iter().map(|layer| layer.diff_id).collect(),
        },
        history: (1..=layers.len())
            .map(|number| History::new(number, layers.len()))
            .collect(),
    };
    let bytes = serde_json::to_vec(&config).map_err(|error| AssemblyError::document("config", &error))?;
    Ok(Blob::new(bytes, MediaType::ImageConfig))
}

#[derive(Serialize)]
struct Config<'a> {
    architecture: &'static str,
    os: &'static str,
    created: &'static str,
    config: Run<'a>,
    rootfs: RootFs,
    history: Vec<History>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Run<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    user: &'a str,
    /// Go's way to write a set: `{"8080/tcp": {}}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    exposed_ports: BTreeMap<String, Nothing>,
    env: Vec<String>,
    entrypoint: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    cmd: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    healthcheck: Option<Probe>,
    #[serde(skip_serializing_if = "str::is_empty")]
    working_dir: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Nothing {}

/// Durations are in nanoseconds.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Probe {
    test: Vec<String>,
    interval: u64,
    timeout: u64,
    start_period: u64,
    retries: u32,
}

#[derive(Serialize)]
struct RootFs {
    r#type: &'static str,
    diff_ids: Vec<Digest>,
}

#[derive(Serialize)]
struct History {
    created: &'static str,
    created_by: String,
}

impl<'a> Run<'a> {
    fn new(spec: &'a ImageSpec) -> Self {
        Self {
            user: &spec.user,
            exposed_ports: spec
                .exposed_ports
                .iter()
                .map(|port| (format!("{port}/tcp"), Nothing {}))
                .collect(),
            env: spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            entrypoint: &spec.entrypoint,
            cmd: &spec.cmd,
            healthcheck: spec.healthcheck.as_ref().map(Probe::new),
            working_dir: &spec.working_dir,
            labels: &spec.labels,
        }
    }
}

impl Probe {
    fn new(check: &HealthCheck) -> Self {
        // `CMD`: the words are a program and its arguments. There is no shell in the image to give a line to.
        let test = std::iter::once("CMD".to_owned())
            .chain(check.test.iter().cloned())
            .collect();
        let nanoseconds = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self {
            test,
            interval: nanoseconds(check.interval),
            timeout: nanoseconds(check.timeout),
            start_period: nanoseconds(check.start_period),
            retries: check.retries,
        }
    }
}

impl History {
    fn new(number: usize, of: usize) -> Self {
        Self {
            created: CREATED,
            created_by: format!("layer {number} of {of}"),
        }
    }
}
