//! The agent on a real engine, with a real router, a registry to pull from and traffic.

mod failures;
mod host;
mod http;
mod recovery;
mod registry;
mod rollouts;
mod tasks;
