//! The table as requests use it: never changed in place, replaced whole.

use crate::counters::{Counters, Versions};
use crate::hold::Hold;
use crate::pool::Pool;
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
    pub pool: Arc<Pool>,
}

impl Routes {
    /// Keeps the counters of each version, and the open connections of each address that stays.
    pub fn build(table: Table, hold: Option<Hold>, previous: &Routes, versions: &mut Versions) -> Self {
        let targets = table.backends.iter().map(|backend| {
            let kept = previous
                .targets
                .iter()
                .map(|target| &target.pool)
                .find(|pool| pool.address == backend.address);
            let pool = kept.cloned().unwrap_or_else(|| Arc::new(Pool::new(backend.address)));
            Target {
                counters: versions.counters(backend.release),
                pool,
            }
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
