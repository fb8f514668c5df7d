//! What an agent tells its router, over the router's admin socket.
//!
//! `PUT /table` with a [`Table`] answers 200 with the [`RouterStatus`] once it is in force and on disk, or 409 if its
//! generation is lower than the one in force. `GET /status` answers with a [`RouterStatus`]. The same generation may be put
//! again with other readiness or addresses: those are facts of this host and change without the controller.

use crate::{Counts, Generation, Latency, ReleaseId, Replicas, RolloutId, Weight};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::SocketAddr;

const MOST_BACKENDS: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    pub generation: Generation,
    /// The weights add up to 1000 unless there is no backend at all.
    pub backends: Vec<Backend>,
    pub lease: Option<TableLease>,
    /// Whether what fails on the candidate, and is safe to ask twice, is asked of the stable version.
    #[serde(default)]
    pub shield: bool,
}

/// A version, its share of the requests, and the containers that divide it among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    pub release: ReleaseId,
    pub role: Role,
    pub weight: Weight,
    pub replicas: Vec<Replica>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replica {
    pub address: SocketAddr,
    /// Takes traffic only while it says it can; with nobody ready, the stable version's are tried all the same.
    pub ready: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Where traffic returns when anything goes wrong.
    Stable,
    /// On trial.
    Candidate,
}

/// Without a newer table in time, all weight returns to the stable backend, for good for this rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableLease {
    pub rollout: RolloutId,
    /// What was left of the lease when the agent sent this table.
    pub ttl_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouterStatus {
    pub router_version: String,
    pub epoch: u64,
    pub generation: Generation,
    pub lapsed: Option<RolloutId>,
    #[serde(default)]
    pub hold: Option<Hold>,
    pub versions: Vec<VersionStatus>,
    /// Those of the table in force, and those before it that have not answered everything yet.
    pub replicas: Vec<ReplicaStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicaStatus {
    pub address: SocketAddr,
    /// New requests may be sent there.
    pub routed: bool,
    pub in_flight: u64,
}

/// `PUT /hold` with one of these keeps requests from every version, until its time is up or until `DELETE /hold`. A tester
/// is let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Hold {
    /// They wait, at most this long.
    Pause { max_ms: u64 },
    /// They are told to come back after so many seconds.
    Maintenance { retry_after_s: u32 },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionStatus {
    pub release: ReleaseId,
    /// The weight in force; none for a version that is only draining.
    pub weight: Weight,
    /// Requests begun and not yet wholly answered.
    pub in_flight: u64,
    pub counts: Counts,
    pub latency: Latency,
    /// Failures among `counts` that no user saw, because the stable version answered instead.
    #[serde(default)]
    pub shielded: u64,
}

impl Backend {
    pub fn is_ready(&self) -> bool {
        self.replicas.iter().any(|replica| replica.ready)
    }
}

impl Table {
    /// A table that could not have come from a sound agent: said in words, or `None`.
    pub fn flaw(&self) -> Option<String> {
        let total: u32 = self
            .backends
            .iter()
            .map(|backend| u32::from(backend.weight.as_per_mille()))
            .sum();
        let stable = self
            .backends
            .iter()
            .filter(|backend| backend.role == Role::Stable)
            .count();
        if self.backends.len() > MOST_BACKENDS {
            let found = self.backends.len();
            return Some(format!("{found} backends; at most {MOST_BACKENDS} are expected"));
        }
        let most = usize::from(Replicas::MOST.count());
        for Backend { release, replicas, .. } in &self.backends {
            if replicas.is_empty() || replicas.len() > most {
                let found = replicas.len();
                return Some(format!("{found} replicas of {release}; 1 to {most} are expected"));
            }
        }
        let mut addresses = BTreeSet::new();
        let mut replicas = self.backends.iter().flat_map(|backend| &backend.replicas);
        if let Some(twice) = replicas.find(|replica| !addresses.insert(replica.address)) {
            return Some(format!("the address {} is there twice", twice.address));
        }
        if !self.backends.is_empty() && total != 1000 {
            return Some(format!("the weights add up to {total} per mille, not to 1000"));
        }
        if !self.backends.is_empty() && stable != 1 {
            return Some(format!("{stable} stable backends; exactly one is expected"));
        }
        None
    }
}
