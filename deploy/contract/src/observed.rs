//! What a host does: written by its agent, read by the controller.

use crate::{
    AppName, Counts, Digest, EnvironmentName, Generation, HostName, Latency, ReleaseId, RolloutId, TaskId, Weight,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    pub contract: u32,
    pub app: AppName,
    pub environment: EnvironmentName,
    pub host: HostName,
    pub at: Timestamp,
    /// The generation that is wholly in force here: containers gated, table in the router, task done. This is the host's
    /// acknowledgement.
    pub generation: Generation,
    /// The generation last accepted, in force or not yet.
    pub accepted: Generation,
    pub rollout: Option<RolloutId>,
    pub versions: Vec<ObservedVersion>,
    pub router: Option<RouterReport>,
    /// The latest results, newest last; at most eight.
    pub tasks: Vec<TaskResult>,
    /// Why the accepted generation cannot come into force here.
    pub failure: Option<Failure>,
    /// A document that was not accepted.
    pub refused: Option<Refusal>,
    /// An ask that was not answered.
    #[serde(default)]
    pub refused_ask: Option<Refusal>,
    pub agent_version: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObservedVersion {
    pub release: ReleaseId,
    pub replicas: Vec<ObservedReplica>,
    /// The weight in force in the router.
    pub weight: Weight,
    pub counts: Counts,
    pub latency: Latency,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObservedReplica {
    pub container: String,
    pub image: Digest,
    pub address: SocketAddr,
    pub health: Health,
    pub restarts: u32,
}

/// The best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    Ready,
    Starting,
    Unready,
    Exited,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouterReport {
    pub version: String,
    /// Counters are comparable only within one epoch.
    pub epoch: u64,
    pub generation: Generation,
    /// The rollout whose lease ran out in this router; final.
    pub lapsed: Option<RolloutId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskResult {
    pub id: TaskId,
    pub exit_code: i64,
    pub timed_out: bool,
    /// The last lines it printed.
    pub output: Vec<String>,
    /// It printed more before those.
    pub left_out: bool,
    pub took_ms: u64,
}

/// Why something did not come up, with what a person needs to see why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    pub rollout: RolloutId,
    pub release: Option<ReleaseId>,
    pub kind: FailureKind,
    /// One sentence.
    pub summary: String,
    pub evidence: Evidence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The image could not be pulled, or what came had another digest.
    Pull,
    /// The image was not pulled, because the disk has no room for it.
    Disk,
    /// No container could be made: port, network or secret.
    Start,
    /// The process ended by itself.
    Exited,
    /// It runs, but did not become ready in time.
    NotReady,
    /// It runs, but nothing listens where it should.
    NotListening,
    /// A one-shot task could not be run.
    Task,
    /// The router did not take the table.
    Router,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    pub last_probe: Option<String>,
    pub exit_code: Option<i64>,
    pub out_of_memory: bool,
    /// What the process does listen on, where that could be read.
    pub listening: Vec<String>,
    /// The last lines the container printed; at most 40.
    pub log_tail: Vec<String>,
}

/// A desired document that this host did not follow, or an ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    pub reason: String,
    pub at: Timestamp,
}

impl ObservedVersion {
    /// That of its worst replica.
    pub fn health(&self) -> Health {
        let worst = self.replicas.iter().map(|replica| replica.health).max();
        worst.unwrap_or(Health::Exited)
    }

    pub fn restarts(&self) -> u32 {
        self.replicas.iter().map(|replica| replica.restarts).sum()
    }
}

impl Observed {
    pub fn version(&self, release: ReleaseId) -> Option<&ObservedVersion> {
        self.versions.iter().find(|version| version.release == release)
    }
}
