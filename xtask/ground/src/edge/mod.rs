//! The edge: what a CDN and a load balancer are to a site in the cloud.
//!
//! The site's listener sends `api_prefix*` to the hosts of one environment and answers everything else from the bucket,
//! through a cache in memory. Each environment has a balancer with a listener of its own. The admin listener takes
//! invalidations. Deliberately absent: TLS, compression (done when the site is published), rate limits.

mod admin;
mod balancer;
mod cache;
mod encoding;
mod forward;
mod freshness;
mod health;
mod invalidations;
mod origin;
mod path;
mod shared_body;
mod site;

use crate::listen;
use crate::serve::Servers;
use admin::Admin;
use anyhow::Result;
use balancer::Balancer;
use cache::Cache;
use contract::{EdgeConfig, EnvironmentName};
use origin::Origin;
use site::Site;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::net::TcpListener;

pub struct Edge {
    site: Option<Arc<Site>>,
    admin: Arc<Admin>,
    balancers: BTreeMap<EnvironmentName, Arc<Balancer>>,
}

/// Bound before anything is served.
pub struct Listeners {
    site: TcpListener,
    admin: TcpListener,
    balancers: BTreeMap<EnvironmentName, TcpListener>,
}

impl Listeners {
    pub async fn bind(config: &EdgeConfig) -> Result<Self> {
        let site = listen::bind("the site", config.site).await?;
        let admin = listen::bind("the edge's admin interface", config.admin).await?;
        let mut balancers = BTreeMap::new();
        for (environment, balancer) in &config.balancers {
            let purpose = format!("the balancer of `{environment}`");
            balancers.insert(environment.clone(), listen::bind(&purpose, balancer.listen).await?);
        }
        Ok(Self { site, admin, balancers })
    }
}

impl Edge {
    pub fn new(config: &EdgeConfig, bucket: aws_sdk_s3::Client) -> Self {
        let balancers: BTreeMap<_, _> = config
            .balancers
            .iter()
            .map(|(environment, balancer)| (environment.clone(), Arc::new(Balancer::new(environment, balancer))))
            .collect();
        let cache = Arc::new(Cache::default());
        let site = balancers.get(&config.api_environment).map(|api| {
            Arc::new(Site {
                entry: config.entry.clone(),
                api_prefix: config.api_prefix.clone(),
                api: api.clone(),
                origin: Origin::new(bucket, config.bucket.clone()),
                cache: cache.clone(),
            })
        });
        Self {
            site,
            admin: Arc::new(Admin::new(cache, config.entry.clone())),
            balancers,
        }
    }

    pub fn start(&self, listeners: Listeners, servers: &mut Servers) {
        if let Some(site) = &self.site {
            servers.start(listeners.site, site.clone());
        }
        servers.start(listeners.admin, self.admin.clone());
        for (environment, listener) in listeners.balancers {
            if let Some(balancer) = self.balancers.get(&environment) {
                servers.start(listener, balancer.clone());
                servers.start_background(balancer.clone().watch_health());
            }
        }
    }
}
