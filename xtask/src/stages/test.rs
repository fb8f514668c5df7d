//! Integration tests against the very image that would be released, beside the services it needs, on a network of its own.
//!
//! Whatever happens, the containers and the network go again; what they printed stays when something failed.

use super::Outcome;
use crate::command;
use crate::context::Context;
use crate::engine::Release;
use crate::failure::{Failure, OrFail, Result};
use crate::gate::{self, Gate};
use crate::ids;
use crate::local::environment::resolve;
use crate::local::storage::{self, AppStorage};
use crate::report::seconds;
use contract::{ENV_COMMIT, ENV_RELEASE, ImageRef, SecretName};
use docker::{ContainerSpec, Labels, PublishedPort, Restart};
use serde::{Deserialize, Serialize};
use services::{Secret, StartService};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::process::Command;

const TEST_LABEL: &str = "xtask.test-stage";
const PULL_WITHIN: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    pub passed: u32,
    pub failed: u32,
    pub substitutes: Vec<String>,
    pub services_ms: u64,
    pub tests_ms: u64,
}

impl Outcome for Tested {
    fn summary(&self) -> String {
        let substitutes = match self.substitutes.as_slice() {
            [] => String::new(),
            substitutes => format!(", with {}", substitutes.join(", ")),
        };
        format!(
            "{} passed in {}{substitutes}",
            self.passed,
            seconds(Duration::from_millis(self.tests_ms))
        )
    }
}

pub async fn test(context: &Context, release: &Release, image: &ImageRef) -> Result<Tested> {
    clear_leftovers(context).await?;
    let bench = Bench::new(context, release);
    let result = bench.run(image).await;
    if result.is_err() {
        bench.keep_logs().await;
    }
    bench.tear_down().await;
    result.map_err(|failure| failure.next(format!("cargo xtask logs {} test", release.id)))
}

/// What an earlier run of this project, cut off, left behind.
pub async fn clear_leftovers(context: &Context) -> Result<()> {
    let label = (TEST_LABEL, scope(context));
    remove_labelled(context, (label.0, &label.1))
        .await
        .or_fail(|| "leftovers of an earlier test cannot be removed".to_owned())
}

/// Which tests are this project's own, on an engine that others use too.
fn scope(context: &Context) -> String {
    let ground = context.ground.as_ref().map(|ground| ground.state.id.clone());
    ground.unwrap_or_else(|| contract::Digest::of(context.project.root.as_os_str().as_encoded_bytes()).short())
}

async fn remove_labelled(context: &Context, label: (&str, &str)) -> anyhow::Result<()> {
    for container in context.docker.list(&[label]).await? {
        context.docker.remove(&container.id).await?;
    }
    for network in context.docker.networks(&[label]).await? {
        context.docker.remove_network(&network).await?;
    }
    Ok(())
}

struct Bench<'a> {
    context: &'a Context,
    release: &'a Release,
    name: String,
    labels: Labels,
    logs: PathBuf,
}

impl<'a> Bench<'a> {
    fn new(context: &'a Context, release: &'a Release) -> Self {
        let name = format!("{}-test-{}", context.pipeline.app, ids::new_ground());
        let labels = [(TEST_LABEL.to_owned(), scope(context))].into();
        let logs = context.project.release(release.id).join("logs");
        Self {
            context,
            release,
            name,
            labels,
            logs,
        }
    }

    async fn run(&self, image: &ImageRef) -> Result<Tested> {
        let test = &self.context.pipeline.test;
        let since = Instant::now();
        let docker = &self.context.docker;
        docker
            .ensure_network(&self.name, &self.labels)
            .await
            .or_fail(|| "the test network cannot be made".to_owned())?;
        let mut secrets: BTreeMap<SecretName, Secret> = test
            .env
            .secret
            .iter()
            .map(|name| (name.clone(), Secret::random()))
            .collect();
        let substitutes = self.start_services(&mut secrets).await?;
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
        let base_url = self.start_app(&app).await?;
        let since = Instant::now();
        let (passed, failed) = self.run_tests(&base_url).await?;
        Ok(Tested {
            passed,
            failed,
            substitutes,
            services_ms,
            tests_ms: since.elapsed().as_millis() as u64,
        })
    }

    async fn start_services(&self, secrets: &mut BTreeMap<SecretName, Secret>) -> Result<Vec<String>> {
        let mut substitutes = Vec::new();
        for (name, service) in &self.context.pipeline.test.services {
            let report = &self.context.report;
            let image = resolve(&self.context.docker, &self.context.pipeline, name, service, report).await?;
            if let Some(substitute) = &image.substitute {
                substitutes.push(format!("{substitute} for {}", service.image));
            }
            report.progress(format!("waiting for {name} to be healthy"));
            let password = secrets
                .entry(service.password.clone())
                .or_insert_with(Secret::random)
                .clone();
            let start = StartService {
                name: name.clone(),
                container_name: format!("{}-{name}", self.name),
                network: self.name.clone(),
                image,
                spec: service.clone(),
                password,
                volume: None,
                labels: self.labels.clone(),
                restart: Restart::No,
            };
            services::start(&self.context.docker, start)
                .await
                .or_fail(|| format!("`{name}` never became healthy"))?;
        }
        Ok(substitutes)
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
        values.insert(ENV_RELEASE.to_owned(), self.release.id.to_string());
        values.insert(ENV_COMMIT.to_owned(), self.release.source.commit.clone());
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
        self.context.report.progress("migrating the test database");
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

    /// The image itself, by digest; returns where it answers.
    async fn start_app(&self, app: &ContainerSpec) -> Result<String> {
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
        Ok(format!("http://127.0.0.1:{host_port}"))
    }

    async fn run_tests(&self, base_url: &str) -> Result<(u32, u32)> {
        let test = &self.context.pipeline.test;
        let [program, args @ ..] = test.command.as_slice() else {
            return Ok((0, 0));
        };
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(&self.context.project.root)
            .env("BASE_URL", base_url);
        let mut output = String::new();
        let finished = command::run(command, test.timeout, |line| {
            self.context.report.progress(line.to_owned());
            output.push_str(line);
            output.push('\n');
        })
        .await?;
        self.write_log("test.log", &output);
        let (passed, failed) = count(&output);
        if finished.success {
            return Ok((passed, failed));
        }
        let failure = Failure::failed(format!(
            "`{}` failed: {failed} of {} tests",
            test.command.join(" "),
            passed + failed
        ));
        Err(finished
            .tail
            .iter()
            .fold(failure, |failure, line| failure.why(format!("| {line}"))))
    }

    async fn keep_logs(&self) {
        let scope = scope(self.context);
        let containers = self
            .context
            .docker
            .list(&[(TEST_LABEL, &scope)])
            .await
            .unwrap_or_default();
        for container in containers {
            if let Ok(lines) = self.context.docker.logs_tail(&container.id, 2_000).await {
                let name = container
                    .name
                    .strip_prefix(&format!("{}-", self.name))
                    .unwrap_or(&container.name);
                self.write_log(&format!("test-{name}.log"), &lines.join("\n"));
            }
        }
    }

    fn write_log(&self, name: &str, text: &str) {
        if let Err(error) = crate::files::write_atomic(&self.logs.join(name), text.as_bytes()) {
            tracing::warn!("log {name} cannot be kept: {error}");
        }
    }

    async fn tear_down(&self) {
        let scope = scope(self.context);
        let mut gone = remove_labelled(self.context, (TEST_LABEL, &scope)).await;
        if let (Some(ground), Ok(Some(storage))) = (&self.context.ground, self.storage()) {
            gone = gone.and(storage.empty(ground).await);
        }
        if let Err(error) = gone {
            self.context
                .report
                .note(&format!("something of the test stage is left behind: {error:#}"));
        }
    }

    fn storage(&self) -> Result<Option<AppStorage>> {
        let Some(wanted) = &self.context.pipeline.storage else {
            return Ok(None);
        };
        Ok(Some(AppStorage::of(&self.context.project, wanted, &storage::test()?)))
    }
}

/// Passed and failed, from the lines cargo's test harness prints; a harness that prints none counts none.
fn count(output: &str) -> (u32, u32) {
    let number = |line: &str, word: &str| -> Option<u32> {
        let words: Vec<&str> = line.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
        let at = words.iter().position(|found| *found == word)?;
        words.get(at.checked_sub(1)?)?.parse().ok()
    };
    output
        .lines()
        .filter(|line| line.starts_with("test result:"))
        .fold((0, 0), |(passed, failed), line| {
            (
                passed + number(line, "passed").unwrap_or(0),
                failed + number(line, "failed").unwrap_or(0),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_over_all_test_binaries() {
        let output = "running 2 tests\ntest result: ok. 25 passed; 0 failed; 0 ignored; finished in 1.2s\n\
                      test result: FAILED. 3 passed; 2 failed; 0 ignored\n";
        assert_eq!(count(output), (28, 2));
        assert_eq!(count("all good"), (0, 0));
    }
}
