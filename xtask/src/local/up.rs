//! Brings the ground up: whatever of it is missing, and nothing that is there.

use super::binaries::{self, Binaries};
use super::environment::{self, GROUND_LABEL, SERVICE_LABEL};
use super::port::is_free;
use super::process::{self, Identity, tail};
use super::state::{self, GroundState};
use super::storage::{self, AppStorage};
use super::{Ground, SITE_BUCKET, last_failure};
use crate::failure::{Failure, OrFail, Result};
use crate::files;
use crate::keys;
use crate::plan::environments;
use crate::project::Project;
use crate::report::Report;
use contract::{
    BalancerConfig, BucketConfig, EdgeConfig, EnvironmentName, GroundConfig, HostName, ProcessRecord, RegistryConfig,
    SupervisorRecord,
};
use docker::Docker;
use pipeline::model::{Ground as Wanted, Pipeline, Place};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

const READY_WITHIN: Duration = Duration::from_secs(15);
const END_WITHIN: Duration = Duration::from_secs(40);

pub async fn up(
    docker: &Docker,
    project: &Project,
    pipeline: &Pipeline,
    wanted: &Wanted,
    report: &Report,
) -> Result<Ground> {
    let ground = bring_up(docker, project, pipeline, wanted, report).await;
    last_failure::remember(project, ground.as_ref().err());
    ground
}

async fn bring_up(
    docker: &Docker,
    project: &Project,
    pipeline: &Pipeline,
    wanted: &Wanted,
    report: &Report,
) -> Result<Ground> {
    keys::load_or_create(project)?;
    let binaries = binaries::build(project, report).await?;
    // Only now: a port that is free before a long build may not be free after it.
    let state = GroundState::load_or_choose(project, pipeline, wanted)?;
    let ground = Ground {
        project: project.clone(),
        state,
    };
    let hosts = storage::hosts(docker, pipeline, &ground.state).await?;
    let up = Up {
        docker,
        hosts: &hosts,
        project,
        pipeline,
        report,
        ground: &ground,
        binaries: &binaries,
    };
    up.ground_process().await?;
    for environment in environments(pipeline) {
        environment::ensure_services(docker, project, pipeline, &ground.state, environment, report).await?;
    }
    up.wake_containers().await?;
    for (environment, kept) in &ground.state.environments {
        for host in &kept.hosts {
            up.host_processes(environment, host).await?;
        }
    }
    Ok(ground)
}

struct Up<'a> {
    docker: &'a Docker,
    /// Names containers know, besides those on their network.
    hosts: &'a BTreeMap<String, IpAddr>,
    project: &'a Project,
    pipeline: &'a Pipeline,
    report: &'a Report,
    ground: &'a Ground,
    binaries: &'a Binaries,
}

impl Up<'_> {
    async fn ground_process(&self) -> Result<()> {
        let folder = state::folder(self.project);
        let state = &self.ground.state;
        let config = folder.join("ground.json");
        let changed = write_if_changed(&config, &self.ground_config()?)?;
        let record = folder.join("process.json");
        if self.still_good(&record, changed).await? {
            return Ok(());
        }
        let mut ports = vec![
            ("site", state.site),
            ("registry", state.registry),
            ("bucket", state.bucket),
        ];
        ports.push(("edge admin", state.admin));
        ports.extend(
            state
                .environments
                .iter()
                .map(|(name, environment)| (name.as_str(), environment.balancer)),
        );
        for (what, address) in ports {
            expect_free(what, address.port())?;
        }
        self.report.progress("starting registry, bucket and edge");
        let log = folder.join("ground.log");
        let identity = process::spawn(&self.binaries.path("ground"), &config, &log, &[])?;
        self.remember(&record, &identity)?;
        let since = Instant::now();
        let url = format!("http://{}/health", state.admin);
        while !answers(&url).await {
            if !identity.is_running() || since.elapsed() > READY_WITHIN {
                identity.end(Duration::from_secs(2)).await;
                return Err(Failure::failed("the ground process did not come up").why(tail(&log, 12)));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Containers that were stopped with the ground run again before their hosts' agents look for them.
    async fn wake_containers(&self) -> Result<()> {
        let label = (GROUND_LABEL, self.ground.state.id.as_str());
        let found = self
            .docker
            .list(&[label])
            .await
            .or_fail(|| "containers cannot be listed".to_owned())?;
        for container in found
            .iter()
            .filter(|found| !found.running && !found.labels.contains_key(SERVICE_LABEL))
        {
            // What cannot be started again is replaced by its host's agent.
            if let Err(error) = self.docker.start(&container.id).await {
                tracing::warn!("container {} cannot be started again: {error:#}", container.name);
            }
        }
        Ok(())
    }

    async fn host_processes(&self, environment: &EnvironmentName, host: (&HostName, &state::HostState)) -> Result<()> {
        let folder = state::host_folder(self.project, environment, host.0);
        let before = std::fs::read(folder.join("host.json")).ok();
        let config = environment::write_host(
            self.project,
            self.pipeline,
            &self.ground.state,
            self.hosts,
            environment,
            host,
        )?;
        let changed = before.is_some_and(|before| std::fs::read(&config).ok() != Some(before));
        let record = folder.join("process.json");
        if self.still_good(&record, changed).await? {
            return Ok(());
        }
        self.end_orphans(&folder).await;
        expect_free(host.0.as_str(), host.1.listen.port())?;
        self.report.progress(format!("starting host {}", host.0));
        let log = folder.join("supervisor.log");
        let identity = process::spawn(&self.binaries.path("supervisor"), &config, &log, &self.channel_keys()?)?;
        self.remember(&record, &identity)?;
        let since = Instant::now();
        while is_free(host.1.listen.port()) {
            if !identity.is_running() || since.elapsed() > READY_WITHIN {
                return Err(Failure::failed(format!("host {} did not come up", host.0)).why(tail(&log, 12)));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Router and agent of a supervisor that was killed go on without it, by design; a new one starts its own.
    async fn end_orphans(&self, folder: &Path) {
        for identity in supervised(folder) {
            identity.end(END_WITHIN).await;
        }
    }

    /// Whether the recorded process runs, from this build and with this configuration; one that does not fit is ended.
    async fn still_good(&self, record: &Path, changed: bool) -> Result<bool> {
        let Some(identity) = Identity::load(record).filter(Identity::is_running) else {
            return Ok(false);
        };
        if identity.program == self.binaries.version && !changed {
            return Ok(true);
        }
        self.report.progress("restarting what was built or configured anew");
        identity.end(END_WITHIN).await;
        Ok(false)
    }

    fn remember(&self, record: &Path, identity: &Identity) -> Result<()> {
        let identity = Identity {
            program: self.binaries.version.clone(),
            ..identity.clone()
        };
        files::write_json(record, &identity).or_fail(|| format!("`{}` cannot be written", record.display()))
    }

    /// Agents that follow the embedded bucket need its keys; those that follow another have the ones of this machine.
    fn channel_keys(&self) -> Result<Vec<(String, String)>> {
        if !matches!(self.pipeline.channel, Place::S3 { endpoint: None, .. }) {
            return Ok(Vec::new());
        }
        let (access_key, secret_key) = self
            .ground
            .bucket_keys()
            .or_fail(|| "the embedded bucket cannot be reached".to_owned())?;
        let pairs = [("AWS_ACCESS_KEY_ID", access_key), ("AWS_SECRET_ACCESS_KEY", secret_key)];
        Ok(pairs.map(|(name, value)| (name.to_owned(), value)).into())
    }

    fn ground_config(&self) -> Result<GroundConfig> {
        let state = &self.ground.state;
        let production = &self.pipeline.production.name;
        let balancers = state.environments.iter().map(|(name, environment)| {
            let hosts = environment.hosts.values().map(|host| host.listen).collect();
            let model = crate::plan::environment(self.pipeline, name);
            let health_path = model.map_or_else(|| "/".to_owned(), |model| model.health.ready_path.clone());
            (
                name.clone(),
                BalancerConfig {
                    listen: environment.balancer,
                    hosts,
                    health_path,
                },
            )
        });
        let mut buckets = vec![SITE_BUCKET.to_owned()];
        if let Place::S3 {
            bucket, endpoint: None, ..
        } = &self.pipeline.channel
        {
            buckets.push(bucket.clone());
        }
        let entry = self
            .pipeline
            .frontend
            .as_ref()
            .map_or("index.html", |frontend| &frontend.entry);
        let apps = AppStorage::all(self.project, self.pipeline)?;
        let gateways = self
            .hosts
            .values()
            .map(|gateway| (*gateway, state.bucket.port()).into());
        Ok(GroundConfig {
            registry: RegistryConfig {
                listen: vec![state.registry],
                dir: "registry".into(),
            },
            bucket: BucketConfig {
                listen: std::iter::once(state.bucket).chain(gateways).collect(),
                dir: "bucket".into(),
                buckets,
                keys: "keys".into(),
                guests: apps.iter().map(AppStorage::guest).collect::<Result<_>>()?,
            },
            edge: EdgeConfig {
                site: state.site,
                admin: state.admin,
                bucket: SITE_BUCKET.to_owned(),
                entry: entry.to_owned(),
                api_prefix: "/api/".to_owned(),
                api_environment: production.clone(),
                balancers: balancers.collect(),
            },
        })
    }
}

/// Router and agent as a supervisor recorded them, as far as they run.
pub fn supervised(folder: &Path) -> Vec<Identity> {
    ["agent", "router"]
        .into_iter()
        .filter_map(|name| supervised_by_name(folder, name))
        .collect()
}

pub fn supervised_by_name(folder: &Path, name: &str) -> Option<Identity> {
    let record: SupervisorRecord = files::read_json(&folder.join("supervisor.json")).ok().flatten()?;
    let found = if name == "agent" { record.agent } else { record.router };
    let ProcessRecord { pid, start_time } = found?;
    let identity = Identity {
        pid,
        start_time,
        program: String::new(),
    };
    Some(identity).filter(Identity::is_running)
}

fn write_if_changed<T: serde::Serialize>(path: &Path, value: &T) -> Result<bool> {
    let failed = || format!("`{}` cannot be written", path.display());
    let before = std::fs::read(path).ok();
    files::write_json(path, value).or_fail(failed)?;
    Ok(before.is_some_and(|before| std::fs::read(path).ok() != Some(before)))
}

pub fn expect_free(what: &str, port: u16) -> Result<()> {
    if is_free(port) {
        return Ok(());
    }
    let holder =
        machine::holder_of(port).map_or_else(|| "another user's process".to_owned(), |holder| holder.to_string());
    Err(Failure::bad_input(format!(
        "port {port} on 127.0.0.1, kept for {what}, is taken by {holder}"
    ))
    .why("expected: a free port, or the ground's own process on it")
    .next("end that process, or name another port under `profiles.local.ground` in pipeline.yaml"))
}

async fn answers(url: &str) -> bool {
    let client = crate::http::client(Duration::from_secs(1));
    client
        .get(url)
        .send()
        .await
        .is_ok_and(|response| response.status().is_success())
}
