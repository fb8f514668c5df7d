//! For the fuzzer: what this agent makes of a document and of its own memory, without a host around it.

use crate::accept;
use crate::decide;
use crate::state::{Memory, State};
use crate::world::World;
use contract::{
    AppName, CONTRACT_VERSION, ChannelPlace, ContainerConfig, Desired, Envelope, EnvironmentName, Generation,
    HostConfig, HostName, ImageConfig, KeySet, ParseError, PortRange, RouterConfig, SecretsPlace,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// The document, if a host that has accepted generation 4 would follow it. One that does decides about it once.
pub fn accept(envelope: &Envelope, trusted: &KeySet) -> Option<Desired> {
    let memory = Memory {
        highest: Some(Generation(4)),
        ..Memory::default()
    };
    let config = config().expect("sound names");
    let desired = accept::judge(envelope, trusted, &config, &memory).ok()?;
    let _ = decide::next(&desired, &bare(config.host), Duration::from_secs(1));
    Some(desired)
}

/// Whether what lies there as `state.json` is taken. Otherwise it was set aside.
pub fn remember(folder: &Path) -> bool {
    let mut state = State::open(folder).expect("a state, whatever was there");
    let was_taken = !folder.join("state.json.unusable").exists();
    let before = state.memory().clone();
    if let Some(desired) = before.desired() {
        let _ = decide::has_lease(&desired);
    }
    state
        .change(|memory| memory.highest = Some(Generation(4)))
        .expect("a state that can be written");
    let after = State::open(folder).expect("a state").memory().clone();
    let expected = Memory {
        highest: Some(Generation(4)),
        ..before
    };
    assert_eq!(after, expected, "what was written is not what is read");
    was_taken
}

fn config() -> Result<HostConfig, ParseError> {
    Ok(HostConfig {
        contract: CONTRACT_VERSION,
        app: AppName::parse("shop")?,
        environment: EnvironmentName::parse("staging")?,
        host: HostName::parse("host-1")?,
        listen: ([127, 0, 0, 1], 1).into(),
        admin_socket: "router.sock".into(),
        router_state: "router.json".into(),
        channel: ChannelPlace::Directory("channel".into()),
        poll_interval_ms: 100,
        trusted_keys: "keys.json".into(),
        secrets: SecretsPlace::Directory("secrets".into()),
        agent_state: "agent".into(),
        images: ImageConfig::default(),
        router: RouterConfig::default(),
        containers: ContainerConfig {
            network: None,
            hosts: BTreeMap::new(),
            ports: PortRange {
                first: 20_000,
                count: 10,
            },
            labels: BTreeMap::new(),
        },
    })
}

/// A host on which nothing is yet.
fn bare(host: HostName) -> World {
    World {
        host,
        engine: true,
        containers: Vec::new(),
        tasks: Vec::new(),
        results: BTreeSet::new(),
        router: None,
        confirmed: None,
        in_force: None,
        failed: None,
        lapsed: BTreeSet::new(),
        lease_until: None,
        jobs: BTreeSet::new(),
        pulled: Vec::new(),
        image_budget_bytes: 0,
    }
}
