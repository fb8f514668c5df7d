//! Releases on a real ground: real engine, registry, hosts, containers and traffic, one test at a time.
//!
//! `cargo xtask test release` runs all but `this_app`, with a small service that has every fault built in; `cargo xtask test
//! api` runs `this_app`, which releases the app of this repository.

mod app_logs;
mod ask;
mod bad_input;
mod cut_off;
mod exec;
mod faults;
mod flow;
mod ground;
mod listener;
mod load;
mod project;
mod providers;
mod secrets;
mod seed;
mod stores;
mod test_stage;
mod this_app;
mod three_hosts;
