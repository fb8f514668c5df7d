//! How processes that outlive a command are found again.

use serde::{Deserialize, Serialize};

/// A process for good: its id may be another's tomorrow, its id and start time together never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    pub pid: u32,
    /// In clock ticks since the machine started.
    pub start_time: u64,
}

/// `supervisor.json`, in the folder of `host.json`: a host's processes, for whoever must find or end them. One that is
/// between two lives is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupervisorRecord {
    /// The supervisor itself.
    #[serde(flatten)]
    pub supervisor: ProcessRecord,
    pub router: Option<ProcessRecord>,
    pub agent: Option<ProcessRecord>,
}
