//! Several hosts, each a machine with an engine of its own: what happens to traffic when one of them, its engine, its disk
//! or the way to what it depends on fails.
//!
//! A machine is a set of namespaces (`namespace.rs`) on a bridge of the test's own, with a private `dockerd`; the engine
//! that this machine shares is never asked for anything. The tool's controller is a part of a program and cannot be called
//! from here, and a whole release would build, stage and approve as well: so what to do about what hosts say is decided by
//! the controller's own pure code, taken in below, and a small publisher (`controller.rs`) does it.
//!
//! Needs root, `dockerd` and iproute2. What a killed run leaves behind is taken down by the next (`network.rs`).

mod bucket;
mod client;
mod controller;
mod engine;
mod fleet;
mod host_json;
mod load;
mod machine;
mod membership;
mod namespace;
mod network;
#[allow(dead_code, reason = "the controller uses more of it")]
#[path = "../../../../xtask/src/rollout/next.rs"]
mod next;
mod one_of_three;
mod outages;
mod programs;
#[allow(dead_code, reason = "the tests beside these use more of it")]
#[path = "../live/registry.rs"]
mod registry;
mod restarts;
mod silence;
mod versions;
mod wait;
