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

use anyhow::{Context as _, Result, bail};
use contract::{CONTRACT_VERSION, HostConfig};
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    log_to_stderr();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let Some(path) = std::env::args_os().nth(1) else {
        bail!("expected one argument: the path of `host.json`")
    };
    let config = read_config(Path::new(&path))?;
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

/// Reads `host.json` and goes to the folder that holds it, which the paths in it are relative to.
fn read_config(path: &Path) -> Result<HostConfig> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{name}`"))?;
    let config: HostConfig = serde_json::from_str(&text).with_context(|| format!("`{name}` is not a host config"))?;
    if config.contract > CONTRACT_VERSION {
        bail!(
            "`{name}` has contract version {}; this agent reads up to {CONTRACT_VERSION}",
            config.contract
        );
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::env::set_current_dir(folder).with_context(|| format!("cannot enter `{}`", folder.display()))?;
    Ok(config)
}

/// For people on a terminal, one JSON object a line for everything else. `RUST_LOG` chooses how much.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        log.init()
    } else {
        log.json().init()
    }
}
