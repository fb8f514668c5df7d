//! `agent HOST_JSON`: keeps this host's containers and its router's table in step with what the channel asks for.
//!
//! What is guaranteed, whatever dies and whenever:
//! - What serves goes on serving until its successor is proven; a version that fails its gate never takes a request.
//! - The agent's death touches no traffic: containers belong to the engine, weights to the router.
//! - Only the controller gives a candidate more traffic. This process may only take it away: when the candidate fails,
//!   or when nothing was heard from the controller for as long as the lease allows.
//! - A one-shot task is run at most once: its container carries its id, its result is on disk before that goes.
//!
//! What is owned here is a cache (`agent/state.json`): without it everything is found again from container labels, the
//! router's state and the channel.

mod accept;
mod act;
mod agent;
mod contact;
mod containers;
mod decide;
mod documents;
mod evidence;
mod follow;
mod images;
mod observe;
mod ports;
mod probe;
mod readings;
mod report;
mod retire;
mod router;
mod secrets;
mod start;
mod state;
mod tables;
mod tasks;
mod tidy;
mod world;

use anyhow::{Context as _, Result};
use contract::HostConfig;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    host::main(run)
}

fn run(config: HostConfig, _: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.context("cannot start threads")?;
    let outcome = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            outcome = agent::run(config) => outcome,
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        }
    });
    // Whatever is under way is picked up by the next agent; nothing of it is worth waiting for.
    runtime.shutdown_timeout(Duration::from_millis(300));
    outcome
}
