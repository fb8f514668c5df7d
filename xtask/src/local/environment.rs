//! One environment on the ground: its network, its services, and the folders of its hosts.

use super::state::{GroundState, HostState, host_folder};
use crate::failure::{Failure, OrFail, Result};
use crate::files;
use crate::keys;
use crate::project::Project;
use crate::report::Report;
use crate::secrets::Vault;
use contract::{
    CONTRACT_VERSION, ChannelPlace, ContainerConfig, EnvironmentName, HostConfig, HostName, ImageConfig, RouterConfig,
    SecretName, SecretsPlace,
};
use docker::{Docker, Labels, Restart, Status};
use pipeline::model::{self, Environment, Pipeline};
use services::{ServiceImage, StartService};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

pub const GROUND_LABEL: &str = "xtask.ground";
pub const SERVICE_LABEL: &str = "xtask.service";

/// Names of what an environment owns on the Docker engine.
pub fn network_name(pipeline: &Pipeline, state: &GroundState, environment: &EnvironmentName) -> String {
    format!("{}-{}-{environment}", pipeline.app, state.id)
}

pub fn labels(state: &GroundState, environment: &EnvironmentName) -> Labels {
    [
        (GROUND_LABEL.to_owned(), state.id.clone()),
        ("xtask.environment".to_owned(), environment.to_string()),
    ]
    .into()
}

/// Network and services, created or started again as needed; returns what had to be done to get a substitute.
pub async fn ensure_services(
    docker: &Docker,
    project: &Project,
    pipeline: &Pipeline,
    state: &GroundState,
    environment: &Environment,
    report: &Report,
) -> Result<()> {
    let name = &environment.name;
    let network = network_name(pipeline, state, name);
    let labels = labels(state, name);
    docker
        .ensure_network(&network, &labels)
        .await
        .or_fail(|| format!("the network of `{name}` cannot be made"))?;
    let vault = Vault::new(name.clone(), project.secrets(name));
    let secrets: Vec<SecretName> = environment
        .env
        .secret
        .iter()
        .map(|secret| secret.name.clone())
        .collect();
    vault.complete(&secrets)?;
    for (service_name, service) in &pipeline.test.services {
        report.progress(format!("{name}: {service_name}"));
        let container_name = format!("{network}-{service_name}");
        if wake_service(docker, &container_name, service).await? {
            continue;
        }
        let image = resolve(docker, pipeline, service_name, service, report).await?;
        let mut labels = labels.clone();
        labels.insert(SERVICE_LABEL.to_owned(), service_name.clone());
        let volume = format!("{container_name}-data");
        vault.complete(std::slice::from_ref(&service.password))?;
        let start = StartService {
            name: service_name.clone(),
            container_name: container_name.clone(),
            network: network.clone(),
            image,
            spec: service.clone(),
            password: vault.read(&service.password)?,
            volume: Some(volume),
            labels,
            restart: Restart::UnlessStopped,
        };
        if let Err(error) = services::start(docker, start).await {
            // Its volume stays; the container that never came up is of no use to anyone.
            let _ = docker.remove(&container_name).await;
            return Err(Failure::failed(format!("`{service_name}` of `{name}` did not start"))
                .why(format!("{error:#}"))
                .next(format!(
                    "mend `test.services.{service_name}` in pipeline.yaml, then run the command again"
                )));
        }
    }
    Ok(())
}

/// The image of a service, by whatever way it can be had.
pub async fn resolve(
    docker: &Docker,
    pipeline: &Pipeline,
    name: &str,
    service: &model::Service,
    report: &Report,
) -> Result<ServiceImage> {
    let mut progress = |text: &str| report.progress(text);
    services::resolve_image(docker, name, service, pipeline.test.allow_substitute, &mut progress)
        .await
        .or_fail(|| format!("there is no image for `{name}`"))
}

/// True if the service's container exists and is, or was made to be, healthy.
async fn wake_service(docker: &Docker, container: &str, service: &model::Service) -> Result<bool> {
    let failed = || format!("the container `{container}` cannot be started again");
    let Some(found) = docker.inspect(container).await.or_fail(failed)? else {
        return Ok(false);
    };
    if found.status != Status::Running {
        docker.start(container).await.or_fail(failed)?;
    }
    match docker.wait_healthy(container, service.health.deadline).await {
        Ok(_) => Ok(true),
        Err(unhealthy) => Err(Failure::failed(failed()).why(unhealthy.to_string())),
    }
}

/// Writes what the processes of one host read.
pub fn write_host(
    project: &Project,
    pipeline: &Pipeline,
    state: &GroundState,
    hosts: &BTreeMap<String, IpAddr>,
    environment: &EnvironmentName,
    (host, ports): (&HostName, &HostState),
) -> Result<PathBuf> {
    let folder = host_folder(project, environment, host);
    let config = HostConfig {
        contract: CONTRACT_VERSION,
        app: pipeline.app.clone(),
        environment: environment.clone(),
        host: host.clone(),
        listen: ports.listen,
        admin_socket: "router.sock".into(),
        router_state: "router-state.json".into(),
        agent_state: "agent".into(),
        channel: channel_place(project, pipeline, state),
        poll_interval_ms: 200,
        trusted_keys: keys::trusted_path(project),
        secrets: SecretsPlace::Directory(project.secrets(environment)),
        containers: ContainerConfig {
            network: Some(network_name(pipeline, state, environment)),
            hosts: hosts.clone(),
            ports: ports.containers,
            labels: labels(state, environment),
        },
        router: RouterConfig::default(),
        images: ImageConfig::default(),
    };
    let path = folder.join("host.json");
    files::write_json(&path, &config).or_fail(|| format!("`{}` cannot be written", path.display()))?;
    Ok(path)
}

/// Where hosts of the ground look for desired state: a bucket without an endpoint is the embedded one.
pub fn channel_place(project: &Project, pipeline: &Pipeline, state: &GroundState) -> ChannelPlace {
    let mut place = project.place(&pipeline.channel, "channel");
    if let ChannelPlace::S3 {
        endpoint: endpoint @ None,
        ..
    } = &mut place
    {
        *endpoint = Some(format!("http://{}", state.bucket));
    }
    place
}
