//! What the release tool tells the local ground: one process that holds a registry, a bucket store and an edge.

use crate::EnvironmentName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// `ground.json`. Relative paths are relative to the folder that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroundConfig {
    pub registry: RegistryConfig,
    pub bucket: BucketConfig,
    pub edge: EdgeConfig,
}

/// An OCI registry: anonymous, because only this machine reaches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryConfig {
    /// Loopback, and the ground's network gateway where containers must reach it.
    pub listen: Vec<SocketAddr>,
    pub dir: PathBuf,
}

/// An S3-compatible store, addressed path-style.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketConfig {
    pub listen: Vec<SocketAddr>,
    pub dir: PathBuf,
    /// Created if missing.
    pub buckets: Vec<String>,
    /// Two lines, readable by the owner only: access key, secret key.
    pub keys: PathBuf,
    /// Those who may use one bucket only.
    #[serde(default)]
    pub guests: Vec<BucketGuest>,
}

/// Whoever signs with this pair of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketGuest {
    pub bucket: String,
    /// Files that hold one key each, readable by the owner only.
    pub access_key: PathBuf,
    pub secret_key: PathBuf,
}

/// A small CDN in front, and a load balancer per environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgeConfig {
    /// The site: static from `bucket`, `api_prefix` from `api_environment`.
    pub site: SocketAddr,
    /// `POST /invalidations`, `GET /invalidations/ID`, `GET /health`.
    pub admin: SocketAddr,
    pub bucket: String,
    /// Served for `/`.
    pub entry: String,
    pub api_prefix: String,
    pub api_environment: EnvironmentName,
    pub balancers: BTreeMap<EnvironmentName, BalancerConfig>,
}

/// Spreads one environment's requests over those of its hosts that answer the health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalancerConfig {
    pub listen: SocketAddr,
    pub hosts: Vec<SocketAddr>,
    pub health_path: String,
}
