//! User-defined networks, on which containers reach each other by name.

use crate::engine::is_gone;
use crate::{Docker, Labels};
use anyhow::{Context, Result};
use bollard::models;
use bollard::query_parameters::ListNetworksOptionsBuilder;
use std::collections::HashMap;
use std::net::IpAddr;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    pub id: String,
    /// This machine's own address on the network, if the engine made one.
    pub gateway: Option<IpAddr>,
}

impl Docker {
    /// The network of this name, created if it is not there.
    pub async fn ensure_network(&self, name: &str, labels: &Labels) -> Result<Network> {
        if let Some(network) = self.networks_named(name).await?.into_iter().next() {
            return Ok(network);
        }
        let request = models::NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            labels: Some(labels.clone().into_iter().collect()),
            ..Default::default()
        };
        match self.api().create_network(request).await {
            Ok(created) => self.keep_one(name, &created.id).await,
            Err(error) => match self.networks_named(name).await?.into_iter().next() {
                // Somebody else was faster.
                Some(network) => Ok(network),
                None => Err(error).with_context(|| format!("creating network `{name}`")),
            },
        }
    }

    /// Fine if it is gone; an error while containers are attached.
    pub async fn remove_network(&self, name: &str) -> Result<()> {
        match self.api().remove_network(name).await {
            Err(error) if !is_gone(&error) => Err(error).with_context(|| format!("removing network `{name}`")),
            _ => Ok(()),
        }
    }

    /// The engine allows two networks of one name. Of two made at once the first stays, for both who made them.
    async fn keep_one(&self, name: &str, created: &str) -> Result<Network> {
        let mut networks = self.networks_named(name).await?.into_iter();
        let first = networks
            .next()
            .with_context(|| format!("network `{name}` was removed while it was created"))?;
        if first.id != created {
            self.remove_network(created).await?;
        }
        Ok(first)
    }

    /// All networks of exactly this name, oldest first.
    async fn networks_named(&self, name: &str) -> Result<Vec<Network>> {
        let filters: HashMap<&str, Vec<&str>> = HashMap::from([("name", vec![name])]);
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        let found = self.api().list_networks(Some(options)).await;
        let mut found = found.with_context(|| format!("looking for network `{name}`"))?;
        // The filter also matches parts of names.
        found.retain(|network| network.name.as_deref() == Some(name));
        found.sort_by(|a, b| (&a.created, &a.id).cmp(&(&b.created, &b.id)));
        Ok(found.into_iter().map(from_api).collect())
    }
}

fn from_api(network: models::Network) -> Network {
    let ranges = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let gateway = ranges
        .iter()
        .filter_map(|range| range.gateway.as_ref()?.parse().ok())
        .next();
    Network {
        id: network.id.unwrap_or_default(),
        gateway,
    }
}
