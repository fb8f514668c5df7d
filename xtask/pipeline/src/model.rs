//! The validated pipeline: nothing in here can be wrong any more.

pub use crate::freeze::Freeze;
use crate::identity::Identity;
use contract::{
    AppName, Cpus, Drain, EnvironmentName, HealthGate, HostName, Replicas, SecretName, SecretRef, Weight,
    judge::Thresholds,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pipeline {
    /// The overlay in force: `local` unless asked otherwise.
    pub profile: String,
    pub app: AppName,
    pub source: Source,
    pub build: Build,
    pub registry: Registry,
    pub channel: Place,
    pub store: Place,
    pub test: Test,
    pub staging: Environment,
    pub production: Environment,
    pub frontend: Option<Frontend>,
    pub storage: Option<Storage>,
    /// What fills an environment with demo data.
    pub seed: Option<Program>,
    /// Benchmarks of the app by their names.
    pub bench: BTreeMap<String, Program>,
    /// In their order.
    pub hooks: Vec<Hook>,
    pub retry: BTreeMap<Stage, Retry>,
    pub notify: Vec<Notify>,
    /// The embedded ground; `None` where hosts, registry and bucket are real.
    pub ground: Option<Ground>,
}

impl Pipeline {
    /// Before each time that a stage is tried again.
    pub fn pauses(&self, stage: &str) -> impl Iterator<Item = Duration> + use<> {
        let retry = self.retry.iter().find(|(tried, _)| tried.as_str() == stage);
        retry.map(|(_, retry)| retry.pauses()).into_iter().flatten()
    }

    /// Before and after a stage, in their order.
    pub fn hooks_of(&self, stage: &str) -> impl Iterator<Item = &Hook> {
        self.hooks.iter().filter(move |hook| hook.stage.as_str() == stage)
    }

    /// What an environment is put under; hosts other than the ground's are not reached from here.
    pub fn load_of<'a>(&self, environment: &'a Environment) -> Option<&'a Load> {
        environment.load.as_ref().filter(|_| self.ground.is_some())
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Source {
    pub branch: String,
    pub require_branch: bool,
    pub require_clean: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Build {
    /// The cargo package, and its binary of the same name unless `binary` says otherwise.
    pub package: String,
    pub binary: String,
    pub builder: Builder,
    /// For the docker builder, relative to the project.
    pub dockerfile: PathBuf,
    pub args: BTreeMap<String, String>,
    /// The port the app listens on in its container.
    pub port: u16,
    /// The image's own health check: arguments to the binary.
    pub healthcheck: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Builder {
    /// Native for a cargo package, docker where only a Dockerfile is there.
    Auto,
    Native,
    Docker,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Registry {
    /// `host[:port]/path`; `None` is the embedded registry.
    pub repository: Option<String>,
    pub auth: RegistryAuth,
    pub ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegistryAuth {
    Anonymous,
    /// `~/.docker/config.json` and its credential helpers.
    DockerConfig,
    /// The environment variables `REGISTRY_USERNAME` and `REGISTRY_PASSWORD`.
    Env,
    /// A token of Amazon ECR, by the keys of the environment or of a role.
    Ecr,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Below `.release/` unless a path is given.
    Directory(Option<PathBuf>),
    S3 {
        bucket: String,
        prefix: String,
        region: String,
        endpoint: Option<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Test {
    pub services: BTreeMap<String, Service>,
    pub env: EnvSpec,
    pub health: HealthGate,
    /// Arguments to the image, run before it is started (such as a migration).
    pub migrate: Option<Migrate>,
    /// Run on this machine with `BASE_URL` set; exit code 0 means passed.
    pub command: Vec<String>,
    pub timeout: Duration,
    /// Whether a database that is not the named image may stand in for it.
    pub allow_substitute: bool,
}

/// A service the app needs: for the test stage and, on the ground, for each environment. Its name is its host name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Service {
    pub image: String,
    pub port: u16,
    pub database: String,
    pub username: String,
    /// The app's secret that carries this service's password; made up at random.
    pub password: SecretName,
    pub health: ServiceHealth,
    /// Server arguments.
    pub command: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceHealth {
    /// An exec array, run inside the container.
    pub command: Vec<String>,
    pub interval: Duration,
    pub timeout: Duration,
    /// Not healthy by then: failed.
    pub deadline: Duration,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct EnvSpec {
    pub clear: BTreeMap<String, String>,
    pub secret: Vec<SecretRef>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Migrate {
    /// Arguments to the image's entry point.
    pub command: Vec<String>,
    pub timeout: Duration,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Environment {
    pub name: EnvironmentName,
    pub hosts: Vec<HostName>,
    pub env: EnvSpec,
    pub migrate: Option<Migrate>,
    pub health: HealthGate,
    pub drain: Drain,
    pub replicas: Replicas,
    pub memory_mb: Option<u64>,
    pub cpus: Option<Cpus>,
    pub smoke: Vec<Smoke>,
    /// Never where users are.
    pub load: Option<Load>,
    pub approval: Option<Approval>,
    pub canary: Canary,
    /// How long the settled weight is watched before the fallback is stopped.
    pub bake: Duration,
    /// How long hosts follow a rollout without hearing from its controller.
    pub lease_ttl: Duration,
    /// When no release goes on to here.
    pub freeze: Vec<Freeze>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Smoke {
    pub method: Method,
    pub path: String,
    pub status: u16,
    /// A JSON pointer (RFC 6901) that the answer must hold …
    pub pointer: Option<String>,
    /// … and what must stand there.
    pub equals: Option<String>,
    /// The longest that an answer may take.
    pub within: Option<Duration>,
    /// For how long it is asked again until it answers so.
    pub deadline: Duration,
}

/// Requests put on a new version at a steady rate, and the same on the one it is to replace.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Load {
    /// How many a second, over all hosts and paths.
    pub rps: u32,
    pub duration: Duration,
    pub method: Method,
    /// Asked for one after the other.
    pub paths: Vec<String>,
    /// The longest that 99 of 100 may take.
    pub p99: Option<Duration>,
    pub max_error_rate: Weight,
    /// How much longer than that of the running release it may be.
    pub slower_by: Option<Duration>,
}

/// Without a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    Get,
    Head,
    Options,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Approval {
    pub timeout: Duration,
    /// Empty: anyone.
    pub approvers: Vec<Identity>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Canary {
    /// Rising; the last is 100 %.
    pub steps: Vec<Step>,
    pub judge: Thresholds,
    /// What fails on the new version and is safe to ask twice is asked of the old one.
    pub shield: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Step {
    pub weight: Weight,
    pub bake: Duration,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Frontend {
    pub dir: PathBuf,
    pub entry: String,
    /// `None` is the embedded bucket.
    pub bucket: Option<String>,
    pub distribution: Option<String>,
    pub keep_releases: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Storage {
    pub bucket: String,
}

/// Something to run on this machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Program {
    pub command: Vec<String>,
    pub timeout: Duration,
}

/// Something to run on this machine before or after a stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hook {
    pub when: When,
    pub stage: Stage,
    pub command: Vec<String>,
    pub timeout: Duration,
    pub env: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    Before,
    After,
}

/// A part of a release that something can be run around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Source,
    Build,
    Test,
    Staging,
    Approval,
    Production,
    Frontend,
    Bake,
}

impl Stage {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Build => "build",
            Self::Test => "test",
            Self::Staging => "staging",
            Self::Approval => "approval",
            Self::Production => "production",
            Self::Frontend => "frontend",
            Self::Bake => "bake",
        }
    }
}

/// A stage that failed is begun again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Retry {
    pub times: u32,
    pub pause: Duration,
}

impl Retry {
    const LONGEST_PAUSE: Duration = Duration::from_secs(600);

    /// Before each time.
    fn pauses(self) -> impl Iterator<Item = Duration> {
        (0..self.times).map(move |time| (self.pause * 2_u32.saturating_pow(time)).min(Self::LONGEST_PAUSE))
    }
}

/// Who is told of what.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Notify {
    /// The environment variable that holds the address, which is a secret.
    pub webhook: String,
    pub on: Vec<Occasion>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Occasion {
    Approval,
    Failed,
    RolledBack,
    Done,
}

/// Ports of the ground that must be exactly these; the others are chosen once and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Ground {
    pub site: Option<u16>,
    pub production: Option<u16>,
    pub staging: Option<u16>,
    pub registry: Option<u16>,
    pub bucket: Option<u16>,
}
