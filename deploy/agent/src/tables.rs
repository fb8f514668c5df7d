//! What the router should do for a document. Pure.

use crate::decide::has_lease;
use crate::world::{Moment, World};
use contract::{Backend, Desired, Replica, Role, Table, TableLease, Version, Weight};

/// `None` while a version that it needs has no proven container at all.
pub fn table(document: &Desired, reverted: bool, world: &World, now: Moment) -> Option<Table> {
    let backend = |version: &Version, role, weight| {
        let proven = world.replicas(version).filter(|container| container.proven);
        let replicas = proven.map(|container| Replica {
            address: container.address,
            ready: container.is_ready(),
        });
        let replicas: Vec<Replica> = replicas.collect();
        let release = version.release;
        (!replicas.is_empty()).then_some(Backend {
            release,
            role,
            weight,
            replicas,
        })
    };
    let fallback = document.warm_fallback();
    let backends = match (&document.release, fallback) {
        (None, _) => Vec::new(),
        (Some(_), Some(fallback)) if reverted => vec![backend(fallback, Role::Stable, Weight::ALL)?],
        (Some(release), Some(fallback)) if fallback.release != release.release => vec![
            backend(fallback, Role::Stable, document.weight.rest())?,
            backend(release, Role::Candidate, document.weight)?,
        ],
        (Some(release), _) => vec![backend(release, Role::Stable, Weight::ALL)?],
    };
    let left = world
        .lease_until
        .map(|until| until.saturating_sub(now).as_millis() as u64);
    let ttl_ms = left.filter(|_| has_lease(document) && !reverted);
    let lease = ttl_ms.map(|ttl_ms| TableLease {
        rollout: document.rollout,
        ttl_ms,
    });
    let is_divided = backends.len() > 1;
    Some(Table {
        generation: document.generation,
        backends,
        lease,
        shield: document.shield && is_divided,
    })
}

/// The time left in a lease changes all the time and is no reason: the router counts for itself.
pub fn must_put(table: &Table, world: &World) -> bool {
    let Some(router) = &world.router else { return false };
    let rollout = |table: &Table| table.lease.as_ref().map(|lease| lease.rollout);
    world.confirmed.as_ref().is_none_or(|confirmed| {
        confirmed.epoch != router.epoch
            || router.generation != table.generation
            || confirmed.table.generation != table.generation
            || confirmed.table.backends != table.backends
            || confirmed.table.shield != table.shield
            || rollout(&confirmed.table) != rollout(table)
    })
}
