//! Starting a service, and waiting until it is healthy.

use crate::image::{Family, ServiceImage};
use crate::secret::Secret;
use crate::substitute;
use anyhow::{Context, Result, bail};
use docker::{ContainerSpec, Docker, HealthCheck, Labels, Owner, Restart};
use pipeline::model::Service;
use std::collections::BTreeMap;
use std::time::Duration;

/// Where MySQL and MariaDB keep their data, in the official images and in the substitute.
const DATA_DIR: &str = "/var/lib/mysql";
const SECRETS_DIR: &str = "/run/xtask";
const DATABASE_LABEL: &str = "xtask.database";
/// Engines before 25.0 know only one interval for a container's whole life, and readiness waits for its first tick.
const LONGEST_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub struct StartService {
    /// Its host name on the network.
    pub name: String,
    pub container_name: String,
    pub network: String,
    pub image: ServiceImage,
    pub spec: Service,
    pub password: Secret,
    /// Keeps the data when the container goes. A volume that has data must be given the password it was made with, unless
    /// the image is the substitute, which sets the password at every start.
    pub volume: Option<String>,
    pub labels: Labels,
    pub restart: Restart,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningService {
    /// The container's id.
    pub container: String,
    pub ready_in: Duration,
}

/// Starts the service's container and waits until it is healthy, at most its health deadline.
///
/// The official images first run a server without a network to initialise their data, then start over. A health check in the
/// pipeline must therefore ask over TCP (`mysqladmin ping -h 127.0.0.1`), or it passes too early.
///
/// The caller removes the container, in either case: after a failure it is left as it is, under its name and labels, so that
/// it can be looked at. The error then is a [`docker::Unhealthy`] (by `downcast_ref`) with last probe, exit code and log.
pub async fn start(docker: &Docker, service: StartService) -> Result<RunningService> {
    let (name, reference) = (service.name.clone(), service.image.reference.clone());
    if let Some(volume) = &service.volume {
        claim_volume(docker, volume, &service).await?;
    }
    let launch = Launch::of(&service)?;
    let container = docker.create(&launch.container).await?;
    for file in &launch.files {
        docker
            .put_file_as(&container, &file.path, file.text.expose().as_bytes(), 0o400, file.owner)
            .await?;
    }
    docker.start(&container).await?;
    let healthy = docker.wait_healthy(&container, service.spec.health.deadline).await;
    let ready_in = healthy.with_context(|| {
        format!(
            "service `{name}` (`{reference}`, container `{}`) did not become healthy",
            service.container_name
        )
    })?;
    Ok(RunningService { container, ready_in })
}

/// Arguments every server gets, before those of the pipeline.
pub(crate) fn charset() -> impl Iterator<Item = String> {
    [
        "--character-set-server=utf8mb4",
        "--collation-server=utf8mb4_unicode_ci",
    ]
    .map(str::to_owned)
    .into_iter()
}

/// By name, not by offset: `@@time_zone` then says where, and the zone tables are proven to be there. The official images
/// override it while they initialise, when there are no tables yet.
const TIME_ZONE: &str = "--default-time-zone=Asia/Seoul";

/// A container to create, and what is put into it before it starts.
struct Launch {
    container: ContainerSpec,
    files: Vec<SecretFile>,
}

struct SecretFile {
    path: String,
    text: Secret,
    owner: Owner,
}

impl SecretFile {
    fn new(name: &str, text: Secret) -> Self {
        Self {
            path: format!("{SECRETS_DIR}/{name}"),
            text,
            owner: substitute::OWNER,
        }
    }
}

impl Launch {
    fn of(service: &StartService) -> Result<Self> {
        let spec = &service.spec;
        let server = charset().chain([TIME_ZONE.to_owned(), format!("--port={}", spec.port)]);
        let mut launch = Self {
            container: container(service),
            files: Vec::new(),
        };
        let mut command: Vec<String> = server.collect();
        if service.image.substitute.is_some() {
            launch.substitute(service);
            command.push(format!("--init-file={}", launch.files[0].path));
        } else if spec.health.command.is_empty() {
            bail!("service `{}`: expected a health check, found none", service.name);
        } else {
            launch.official(service);
        }
        command.extend(spec.command.iter().cloned());
        launch.container.command = Some(command);
        Ok(launch)
    }

    /// The server reads an init file at every start, so it has to be fine with what is there already.
    fn substitute(&mut self, service: &StartService) {
        let spec = &service.spec;
        let (database, user) = (quoted_name(&spec.database), quoted_text(&spec.username));
        let password = quoted_text(service.password.expose());
        let statements = format!(
            "CREATE DATABASE IF NOT EXISTS {database};\n\
             CREATE USER IF NOT EXISTS {user}@'%' IDENTIFIED BY {password};\n\
             ALTER USER {user}@'%' IDENTIFIED BY {password};\n\
             GRANT ALL PRIVILEGES ON {}.* TO {user}@'%';\n",
            // In a grant, `_` and `%` stand for any characters.
            database.replace('_', "\\_").replace('%', "\\%")
        );
        self.files.push(SecretFile::new("init.sql", Secret::new(statements)));
        self.container.hardened = true;
        // Not the service's own command: that one is written for another image.
        let probe = [
            "/usr/bin/mariadb",
            "--no-defaults",
            "--user",
            substitute::USER,
            "--socket",
            substitute::SOCKET,
        ];
        let probe = probe
            .into_iter()
            .chain(["--connect-timeout=2", "--execute", "select 1"]);
        if let Some(health) = &mut self.container.health {
            health.command = probe.map(str::to_owned).collect();
        }
    }

    /// The official images create database and user at their first start, from these variables and files.
    fn official(&mut self, service: &StartService) {
        let spec = &service.spec;
        // Nobody needs root: its password is forgotten as soon as the server has it.
        let files = [
            ("MYSQL_PASSWORD", service.password.clone()),
            ("MYSQL_ROOT_PASSWORD", Secret::random()),
        ];
        let mut env = BTreeMap::from([
            ("MYSQL_DATABASE".to_owned(), spec.database.clone()),
            ("MYSQL_USER".to_owned(), spec.username.clone()),
            ("MYSQL_ROOT_HOST".to_owned(), "localhost".to_owned()),
        ]);
        for (variable, secret) in files {
            let file = SecretFile::new(&variable.to_lowercase(), secret);
            env.insert(format!("{variable}_FILE"), file.path.clone());
            self.files.push(file);
        }
        self.container.env = env;
    }
}

fn container(service: &StartService) -> ContainerSpec {
    let health = &service.spec.health;
    ContainerSpec {
        name: service.container_name.clone(),
        image: service.image.id.clone(),
        labels: service.labels.clone(),
        network: Some(service.network.clone()),
        aliases: vec![service.name.clone()],
        volumes: service
            .volume
            .iter()
            .map(|volume| (volume.clone(), DATA_DIR.to_owned()))
            .collect(),
        restart: service.restart,
        health: Some(HealthCheck {
            command: health.command.clone(),
            interval: health.interval.min(LONGEST_INTERVAL),
            timeout: health.timeout,
            retries: 3,
            start_period: health.deadline,
        }),
        log_rotation: true,
        ..Default::default()
    }
}

/// The volume, created if need be and marked with the kind of server whose data it holds: MySQL cannot read MariaDB's, nor
/// the other way round, and says so in words that help nobody.
async fn claim_volume(docker: &Docker, volume: &str, service: &StartService) -> Result<()> {
    let official = Family::of(&service.spec.image).unwrap_or(Family::MySql);
    let family = if service.image.substitute.is_some() {
        Family::MariaDb
    } else {
        official
    };
    let mut labels = service.labels.clone();
    labels.insert(DATABASE_LABEL.to_owned(), family.name().to_owned());
    docker.ensure_volume(volume, &labels).await?;
    let found = docker
        .api()
        .inspect_volume(volume)
        .await
        .with_context(|| format!("inspecting volume `{volume}`"))?;
    match found.labels.get(DATABASE_LABEL) {
        Some(holds) if holds != family.name() => bail!(
            "volume `{volume}` holds the data of {holds}, which `{}` ({}) cannot read\n\
             hint: use the image it was made with, or remove the data with `docker volume rm {volume}`",
            service.image.reference,
            family.name()
        ),
        _ => Ok(()),
    }
}

fn quoted_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn quoted_text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
