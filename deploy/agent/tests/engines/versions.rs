//! What machines are told: versions, and documents that name them.

use crate::registry::Registry;
use contract::{
    AppName, CONTRACT_VERSION, Cpus, Desired, Drain, EnvironmentName, Fallback, Generation, HealthGate, HostName, Keep,
    ReleaseId, Replicas, RolloutId, Version, Weight,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// A rollout's; as short as a noisy machine allows.
pub const LEASE: Duration = Duration::from_secs(12);

pub fn app() -> AppName {
    AppName::parse("shop").unwrap()
}

pub fn environment() -> EnvironmentName {
    EnvironmentName::parse("staging").unwrap()
}

pub fn host_name(number: u8) -> HostName {
    HostName::parse(&format!("host-{number}")).unwrap()
}

pub fn release(n: u64) -> ReleaseId {
    ReleaseId::from_parts(n, 0)
}

pub fn version(registry: &Registry, n: u64) -> Version {
    Version {
        release: release(n),
        commit: format!("commit-{n}"),
        image: registry.image(n),
        // With room for it to grow: far below what machines of these tests have, unless a test fills one.
        image_bytes: Some(1 << 20),
        port: 8080,
        env: BTreeMap::new(),
        secrets: Vec::new(),
        replicas: Replicas::ONE,
        memory_mb: Some(64),
        cpus: Cpus::milli(500),
    }
}

/// What changes from one document of a rollout to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Both run; the candidate has this share, per mille.
    Shift(u16),
    /// The candidate alone.
    Settled,
    /// The stable version alone, as before.
    Reverted,
}

/// As `xtask/src/rollout/document.rs` has it.
pub fn document(phase: Phase, candidate: &Version, stable: Option<&Version>) -> Desired {
    let fallback = |keep| stable.cloned().map(|version| Fallback { version, keep });
    let (release, weight, fallback, is_leased) = match phase {
        Phase::Shift(share) => (candidate, share, fallback(Keep::Warm), stable.is_some()),
        Phase::Settled => (candidate, 1000, fallback(Keep::Pinned), false),
        Phase::Reverted => (stable.unwrap_or(candidate), 1000, None, false),
    };
    Desired {
        contract: CONTRACT_VERSION,
        app: app(),
        environment: environment(),
        generation: Generation(0),
        rollout: RolloutId::from_parts(0, 0),
        issued_at: jiff::Timestamp::now(),
        keys: 1,
        hosts: Vec::new(),
        release: Some(release.clone()),
        weight: Weight::per_mille(weight).unwrap(),
        fallback,
        shield: true,
        gate: HealthGate {
            live_path: "/healthz".to_owned(),
            ready_path: "/readyz".to_owned(),
            interval_ms: 200,
            timeout_ms: 2_000,
            passes: 2,
            deadline_ms: 20_000,
        },
        drain: Drain {
            requests_ms: 5_000,
            stop_ms: 300,
        },
        lease_ttl_ms: is_leased.then_some(LEASE.as_millis() as u64),
        task: None,
    }
}
