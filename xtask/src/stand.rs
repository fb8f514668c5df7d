//! A stand: the very image that would be released, beside the services it needs, on a network of its own. Tests and
//! benchmarks run against one.
//!
//! Whatever happens, the containers and the network go again; what they printed can be kept first.

use crate::context::Context;
use crate::failure::{Failure, OrFail, Result};
use crate::files;
use crate::gate::{self, Gate};
use crate::ids;
use crate::local::environment::resolve;
use crate::local::storage::{self, AppStorage};
use crate::redact;
use contract::{ENV_COMMIT, ENV_RELEASE, ImageRef, SecretName};
use docker::{ContainerSpec, Labels, PublishedPort, Restart};
use pipeline::model::Service;
use services::{Secret, StartService};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

pub const PULL_WITHIN: Duration = Duration::from_secs(300);

/// What a stand is for. Those of one purpose never run at once in one project; those of two may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Test,
    Bench,
}

impl Purpose {
    pub fn word(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Bench => "bench",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Test => "xtask.test-stage",
            Self::Bench => "xtask.bench",
        }
    }
}

/// What the app is told that it is.
#[derive(Debug, Clone)]
pub struct Identity {
    pub release: String,
    pub commit: String,
}

#[derive(Debug)]
pub struct Stand<'a> {
    context: &'a Context,
    purpose: Purpose,
    identity: Identity,
    name: String,
    labels: Labels,
}

/// A stand whose app is ready.
#[derive(Debug)]
pub struct Up {
    /// On this machine's loopback.
    pub base_url: String,
    /// The app's container.
    pub app: String,
    pub services: Vec<UpService>,
    pub services_ms: u64,
}

#[derive(Debug)]
pub struct UpService {
    pub container: String,
    pub spec: Service,
    pub password: Secret,
    /// What stands in for its image.
    pub substitute: Option<String>,
}

impl UpService {
    /// Where it answers at this address of its container.
    pub fn url(&self, address: IpAddr) -> String {
        let Service {
            port,
            database,
            username,
            ..
        } = &self.spec;
        // Only MySQL and its kin are services, and passwords are made up of letters and digits.
        format!(
            "mysql://{username}:{}@{address}:{port}/{database}",
            self.password.expose()
        )
    }
}

impl Up {
    pub fn substitutes(&self) -> Vec<String> {
        let stands_in = |service: &UpService| {
            let substitute = service.substitute.as_ref()?;
            Some(format!("{substitute} for {}", service.spec.image))
        };
        self.services.iter().filter_map(stands_in).collect()
    }
}

/// Which stands are this project's own, on an engine that others use too.
fn scope(context: &Context) -> String {
    let ground = context.ground.as_ref().map(|ground| ground.state.id.clone());
    ground.unwrap_or_else(|| contract::Digest::of(context.project.root.as_os_str().as_encoded_bytes()).short())
}

async fn remove_all(context: &Context, purpose: Purpose) -> anyhow::Result<()> {
    let scope = scope(context);
    let label = (purpose.label(), scope.as_str());
    for container in context.docker.list(&[label]).await? {
        context.docker.remove(&container.id).await?;
    }
    for network in context.docker.networks(&[label]).await? {
        context.docker.remove_network(&network).await?;
    }
    Ok(())
}

impl<'a> Stand<'a> {
    /// Clears away what an earlier one for the same, cut off, left behind.
    pub async fn new(context: &'a Context, purpose: Purpose, identity: Identity) -> Result<Self> {
        remove_all(context, purpose)
            .await
            .or_fail(|| format!("leftovers of an earlier {} cannot be removed", purpose.word()))?;
        Ok(Self {
            context,
            purpose,
            identity,
            name: format!("{}-{}-{}", context.pipeline.app, purpose.word(), ids::new_ground()),
            labels: [(purpose.label().to_owned(), scope(context))].into(),
        })
    }

    /// Services healthy, database migrated, app ready.
    pub async fn up(&self, image: &ImageRef) -> Result<Up> {
        let test = &self.context.pipeline.test;
        let since = Instant::now();
        let docker = &self.context.docker;
        docker
            .ensure_network(&self.name, &self.labels)
            .await
            .or_fail(|| format!("the {} network cannot be made", self.purpose.word()))?;
        let mut secrets: BTreeMap<SecretName, Secret> = test
            .env
            .secret
            .iter()
            .map(|secret| (secret.name.clone(), Secret::random()))
            .collect();
        let services = self.start_services(&mut secrets).await?;
        secrets.values().for_each(|secret| redact::learn(secret.expose()));
        let app = self.app(image, secrets).await?;
        let services_ms = since.elapsed().as_millis() as u64;
        self.context.report.progress("pulling the image by its digest");
        let login = crate::build::login(self.context).await?;
        docker
            .pull(image, login.as_ref(), PULL_WITHIN)
            .await
            .or_fail(|| format!("the image `{image}` cannot be pulled back from the registry"))?;
        if let Some(migrate) = &test.migrate {
            self.migrate(&app, &migrate.command, migrate.timeout).await?;
        }
        let (app, base_url) = self.start_app(&app).await?;
        Ok(Up {
            base_url,
            app,
            services,
            services_ms,
        })
    }

    async fn start_services(&self, secrets: &mut BTreeMap<SecretName, Secret>) -> Result<Vec<UpService>> {
        let mut up = Vec::new();
        for (name, service) in &self.context.pipeline.test.services {
            let report = &self.context.report;
            let image = resolve(&self.context.docker, &self.context.pipeline, name, service, report).await?;
            report.progress(format!("waiting for {name} to be healthy"));
            let password = secrets
                .entry(service.password.clone())
                .or_insert_with(Secret::random)
                .clone();
            let start = StartService {
                name: name.clone(),
                container_name: format!("{}-{name}", self.name),
                network: self.name.clone(),
                image: image.clone(),
                spec: service.clone(),
                password: password.clone(),
                volume: None,
                labels: self.labels.clone(),
                restart: Restart::No,
            };
            let running = services::start(&self.context.docker, start)
                .await
                .or_fail(|| format!("`{name}` never became healthy"))?;
            up.push(UpService {
                container: running.container,
                spec: service.clone(),
                password,
                substitute: image.substitute,
            });
        }
        Ok(up)
    }

    /// The app's container, whatever it is to run; its name is still to come.
    async fn app(&self, image: &ImageRef, mut secrets: BTreeMap<SecretName, Secret>) -> Result<ContainerSpec> {
        let env = &self.context.pipeline.test.env;
        let mut values = BTreeMap::new();
        let mut hosts = BTreeMap::new();
        if let (Some(ground), Some(storage)) = (&self.context.ground, self.storage()?) {
            values = storage.variables(&ground.state);
            secrets.extend(storage.keys()?);
            hosts = storage::hosts(&self.context.docker, &self.context.pipeline, &ground.state).await?;
        }
        values.extend(env.clear.clone());
        values.insert(ENV_RELEASE.to_owned(), self.identity.release.clone());
        values.insert(ENV_COMMIT.to_owned(), self.identity.commit.clone());
        values.extend(
            secrets
                .iter()
                .map(|(name, secret)| (name.to_string(), secret.expose().to_owned())),
        );
        Ok(ContainerSpec {
            image: image.to_string(),
            env: values,
            hosts,
            labels: self.labels.clone(),
            network: Some(self.name.clone()),
            read_only_root: true,
            hardened: true,
            ..ContainerSpec::default()
        })
    }

    async fn migrate(&self, app: &ContainerSpec, command: &[String], timeout: Duration) -> Result<()> {
        self.context.report.progress("migrating an empty database");
        let docker = &self.context.docker;
        let spec = ContainerSpec {
            name: format!("{}-migrate", self.name),
            command: Some(command.to_vec()),
            ..app.clone()
        };
        let failed = || "the migration cannot be started".to_owned();
        let id = docker.create(&spec).await.or_fail(failed)?;
        docker.start(&id).await.or_fail(failed)?;
        let code = docker.wait(&id, timeout).await.or_fail(failed)?;
        if code == Some(0) {
            return Ok(());
        }
        let how = code.map_or_else(|| "took too long".to_owned(), |code| format!("exited with {code}"));
        let failure = Failure::failed(format!("the migration {how} on an empty database"));
        let lines = docker.logs_tail(&id, 30).await.unwrap_or_default();
        Err(lines
            .iter()
            .fold(failure, |failure, line| failure.why(format!("| {line}"))))
    }

    /// The image itself, by digest; returns its container and where it answers.
    async fn start_app(&self, app: &ContainerSpec) -> Result<(String, String)> {
        let docker = &self.context.docker;
        let container_port = self.context.pipeline.build.port;
        let failed = || "the built image cannot be started".to_owned();
        let host_port = gate::free_port().or_fail(failed)?;
        let ports = vec![PublishedPort::on_loopback(host_port, container_port)];
        let id = docker
            .create(&ContainerSpec {
                name: format!("{}-app", self.name),
                ports,
                ..app.clone()
            })
            .await
            .or_fail(failed)?;
        docker.start(&id).await.or_fail(failed)?;
        let gate = Gate {
            docker,
            container: &id,
            host_port,
            container_port,
            health: &self.context.pipeline.test.health,
        };
        gate.wait(|text| self.context.report.progress(text)).await?;
        Ok((id, format!("http://127.0.0.1:{host_port}")))
    }

    /// What its containers printed, a file each.
    pub async fn keep_logs(&self, folder: &Path) {
        let scope = scope(self.context);
        let label = (self.purpose.label(), scope.as_str());
        for container in self.context.docker.list(&[label]).await.unwrap_or_default() {
            if let Ok(lines) = self.context.docker.logs_tail(&container.id, 2_000).await {
                let prefix = format!("{}-", self.name);
                let name = container.name.strip_prefix(&prefix).unwrap_or(&container.name);
                keep_log(
                    folder,
                    &format!("{}-{name}.log", self.purpose.word()),
                    &lines.join("\n"),
                );
            }
        }
    }

    pub async fn tear_down(self) {
        let mut gone = remove_all(self.context, self.purpose).await;
        // Benchmarks share the bucket of tests, which may be under way, and leave nothing in it.
        if self.purpose == Purpose::Test
            && let (Some(ground), Ok(Some(storage))) = (&self.context.ground, self.storage())
        {
            gone = gone.and(storage.empty(ground).await);
        }
        if let Err(error) = gone {
            let what = self.purpose.word();
            self.context
                .report
                .note(&format!("something of the {what} stand is left behind: {error:#}"));
        }
    }

    fn storage(&self) -> Result<Option<AppStorage>> {
        let Some(wanted) = &self.context.pipeline.storage else {
            return Ok(None);
        };
        Ok(Some(AppStorage::of(&self.context.project, wanted, &storage::test()?)))
    }
}

pub fn keep_log(folder: &Path, name: &str, text: &str) {
    if let Err(error) = files::write_atomic(&folder.join(name), redact::mask(text).as_bytes()) {
        tracing::warn!("log {name} cannot be kept: {error}");
    }
}

/// What a program prints, line by line while it runs, for whoever follows it; in the end `keep_log` replaces it as a whole.
#[derive(Debug)]
pub struct LiveLog(Option<File>);

impl LiveLog {
    pub fn begin(folder: &Path, name: &str) -> Self {
        let made = std::fs::create_dir_all(folder).and_then(|()| File::create(folder.join(name)));
        Self(made.ok())
    }

    /// One that cannot be written is not followed.
    pub fn line(&mut self, line: &str) {
        if let Some(file) = &mut self.0
            && writeln!(file, "{}", redact::mask(line)).is_err()
        {
            self.0 = None;
        }
    }
}
