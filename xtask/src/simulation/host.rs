//! A host: the real agent and the real router's table, on simulated containers and a simulated machine.

use super::containers::Containers;
use super::meter::Meter;
use super::milliseconds;
use agent::{Reach, Stream};
use channel::Channel;
use contract::{
    CONTRACT_VERSION, ChannelPlace, ContainerConfig, HostConfig, PortRange, RouterConfig, SecretsPlace, Weight,
};
use docker::Docker;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use jiff::Timestamp;
use pipeline::model::{Environment, Pipeline};
use router::{Clock, Control};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use tokio::task::JoinSet;

const PIPE_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub struct Host {
    pub name: String,
    pub containers: Arc<Containers>,
    router: Arc<Control>,
    /// The agent, and the router's watch over its lease.
    _running: JoinSet<()>,
}

/// Where a host of one environment finds what it needs.
pub struct Place<'a> {
    pub pipeline: &'a Pipeline,
    pub environment: &'a Environment,
    pub store: Store,
    pub folder: PathBuf,
    pub trusted_keys: PathBuf,
    pub secrets: PathBuf,
    pub first_port: u16,
    pub poll: Duration,
    pub meter: Arc<Meter>,
}

impl Host {
    pub fn start(place: &Place<'_>, name: &contract::HostName) -> Self {
        let folder = place.folder.join(name.as_str());
        std::fs::create_dir_all(&folder).expect("a folder");
        let (app, environment) = (place.pipeline.app.clone(), place.environment.name.clone());
        let config = HostConfig {
            contract: CONTRACT_VERSION,
            app: app.clone(),
            environment: environment.clone(),
            host: name.clone(),
            listen: SocketAddr::from(([127, 0, 0, 1], 1)),
            admin_socket: "unused".into(),
            router_state: folder.join("router.json"),
            agent_state: folder.join("agent"),
            channel: ChannelPlace::Directory("unused".into()),
            poll_interval_ms: place.poll.as_millis() as u64,
            trusted_keys: place.trusted_keys.clone(),
            secrets: SecretsPlace::Directory(place.secrets.clone()),
            containers: ContainerConfig {
                network: None,
                hosts: Default::default(),
                ports: PortRange {
                    first: place.first_port,
                    count: 10,
                },
                labels: Default::default(),
            },
            router: RouterConfig::default(),
            images: Default::default(),
        };
        let clock = Clock::new("boot".to_owned(), milliseconds);
        let router = Arc::new(Control::start(&config.router_state, clock).expect("a router"));
        let containers = Arc::<Containers>::default();
        let reach = Arc::new(Simulated {
            channel: Channel::new(
                place.meter.store(place.store.clone(), name.as_str()),
                &app,
                &environment,
            ),
            containers: containers.clone(),
            router: router.clone(),
            folder: folder.join("agent"),
        });
        let mut running = JoinSet::new();
        running.spawn(async move { agent::run(config, reach).await.expect("an agent") });
        let watched = router.clone();
        running.spawn(async move { watched.watch_lease().await });
        Self {
            name: name.to_string(),
            containers,
            router,
            _running: running,
        }
    }

    /// What gets traffic here.
    pub async fn serves(&self) -> Vec<String> {
        serves(&self.router).await
    }

    pub fn router(&self) -> Arc<Control> {
        self.router.clone()
    }
}

pub async fn serves(router: &Control) -> Vec<String> {
    let versions = router.status().await.versions;
    let served = versions.iter().filter(|version| version.weight != Weight::NONE);
    served
        .map(|version| format!("{} {}", version.release, version.weight))
        .collect()
}

#[derive(Debug)]
struct Simulated {
    channel: Channel,
    containers: Arc<Containers>,
    router: Arc<Control>,
    folder: PathBuf,
}

impl Reach for Simulated {
    fn channel(&self, _: &HostConfig) -> anyhow::Result<Channel> {
        Ok(self.channel.clone())
    }

    fn engine(&self) -> BoxFuture<'_, anyhow::Result<Docker>> {
        ready(engine(&self.containers)).boxed()
    }

    fn router(&self) -> BoxFuture<'_, io::Result<Stream>> {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        tokio::spawn(router::serve_admin(self.router.clone(), ours));
        ready(Ok(Box::new(theirs) as Stream)).boxed()
    }

    fn container(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Stream>> {
        let connected = self.containers.connect_to(address.port());
        ready(connected.map(|stream| Box::new(stream) as Stream)).boxed()
    }

    fn now(&self) -> Timestamp {
        super::now().expect("a simulation")
    }

    fn folder(&self) -> &Path {
        &self.folder
    }
}

pub fn engine(containers: &Arc<Containers>) -> anyhow::Result<Docker> {
    let containers = containers.clone();
    Ok(Docker::over(move || {
        ready(Ok(Box::new(containers.connect()) as Stream)).boxed()
    })?)
}
