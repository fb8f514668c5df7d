//! The agent on a real engine, with a real router, a registry to pull from and traffic.

mod asks;
mod commands;
mod failures;
mod host;
mod http;
mod images;
mod keys;
mod recovery;
#[expect(dead_code, reason = "only the tests of faults let it go away")]
mod registry;
mod rollouts;
mod tasks;
