//! The real binary on free loopback ports, spoken to by real clients.

mod balancer;
mod bucket;
mod channel;
mod engine;
mod process;
mod registry;
mod site;
mod store;
mod support;
