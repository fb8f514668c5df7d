//! The table as requests use it: never changed in place, replaced whole.

use crate::counters::{Counters, Versions};
use crate::hold::Hold;
use crate::pool::{Pool, Pools};
use contract::{Backend, Table};
use std::sync::Arc;

#[derive(Debug, Default)]
pub struct Routes {
    /// In the table's order; `targets` has the same.
    pub backends: Vec<Backend>,
    pub targets: Vec<Target>,
    pub shield: bool,
    pub hold: Option<Hold>,
}

/// What stands behind a backend of the table.
#[derive(Debug, Clone)]
pub struct Target {
    pub counters: Arc<Counters>,
    /// In the order of the backend's replicas.
    pub pools: Vec<Arc<Pool>>,
}

impl Routes {
    /// Keeps the counters of each version, and the open connections of each address that stays.
    pub fn build(table: Table, hold: Option<Hold>, versions: &mut Versions, pools: &mut Pools) -> Self {
        let targets = table.backends.iter().map(|backend| Target {
            counters: versions.counters(backend.release),
            pools: backend
                .replicas
                .iter()
                .map(|replica| pools.pool(replica.address))
                .collect(),
        });
        let targets = targets.collect();
        Self {
            backends: table.backends,
            targets,
            shield: table.shield,
            hold,
        }
    }
}
