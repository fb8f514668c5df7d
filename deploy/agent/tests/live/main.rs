//! The agent on a real engine, with a real router, a registry to pull from and traffic.

mod asks;
mod commands;
mod failures;
#[expect(dead_code, reason = "what only faults and benchmarks ask of a host")]
mod host;
mod http;
mod images;
mod keys;
mod recovery;
#[expect(dead_code, reason = "only the tests of faults let it go away")]
mod registry;
mod replicas;
mod rollouts;
mod tasks;
