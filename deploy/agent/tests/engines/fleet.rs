//! Machines, what they depend on, and who leads them.

use crate::bucket::Bucket;
use crate::controller::Controller;
use crate::host_json::{Setup, Surroundings};
use crate::load::Load;
use crate::machine::Machine;
use crate::network::Network;
use crate::programs;
use crate::registry::Registry;
use crate::versions::{host_name, release, version};
use crate::wait::{PATIENCE, soon};
use contract::{KeySet, SigningKey, Version};
use futures_util::future::join_all;
use std::net::SocketAddr;
use std::time::Duration;

/// What goes first has to be dropped first.
pub struct Fleet {
    pub machines: Vec<Machine>,
    pub controller: Controller,
    pub registry: Registry,
    pub bucket: Bucket,
    _network: Network,
}

impl Fleet {
    /// Alike, all of them members, with version 1 settled.
    pub async fn of(machines: usize) -> Self {
        Self::with(&vec![Setup::default(); machines], machines).await
    }

    /// Of which the first so many are members.
    pub async fn with(setups: &[Setup], members: usize) -> Self {
        programs::build();
        let network = Network::make();
        let bucket = Bucket::serve(network.own()).await;
        let registry = Registry::start_at(network.own(), &network.name).await;
        let key = SigningKey::from_seed([7; 32]);
        let around = Surroundings {
            endpoint: bucket.endpoint(),
            keys: KeySet {
                version: 1,
                keys: vec![key.public()],
            },
        };
        let machines = setups.iter().zip(1..);
        let machines = machines.map(|(setup, number)| Machine::start(&network, number, *setup, &around));
        let machines = join_all(machines).await;
        let hosts = (1..=members as u8).map(host_name).collect();
        let mut fleet = Self {
            machines,
            controller: Controller::new(&bucket.access(), key, hosts),
            registry,
            bucket,
            _network: network,
        };
        let first = fleet.version(1);
        fleet.controller.begin(first);
        fleet.controller.settle().await.unwrap();
        fleet
    }

    pub fn version(&self, n: u64) -> Version {
        version(&self.registry, n)
    }

    pub fn routers(&self) -> Vec<SocketAddr> {
        self.machines.iter().map(|machine| machine.listen).collect()
    }

    pub fn load(&self) -> Load {
        Load::on(&self.routers())
    }

    pub fn channel_port(&self) -> u16 {
        self.bucket.address.port()
    }

    pub fn registry_port(&self) -> u16 {
        let repository = self.registry.image(1).repository;
        let (address, _) = repository.split_once('/').unwrap();
        address.parse::<SocketAddr>().unwrap().port()
    }

    /// Every one of these has it alone; how long that took.
    pub async fn are_all_on(&self, n: u64) -> Duration {
        let what = format!("version {n} is alone on every machine");
        soon(PATIENCE, &what, async || {
            let alone = join_all(self.machines.iter().map(|machine| machine.is_alone(release(n)))).await;
            alone.into_iter().all(|is| is)
        })
        .await
    }
}
