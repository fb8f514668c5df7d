//! `agent HOST_JSON`: the agent of one host; the library beside it says what it does.

use agent::ThisHost;
use anyhow::{Context as _, Result};
use contract::HostConfig;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    host::main(run)
}

fn run(config: HostConfig, _: &Path) -> Result<()> {
    let reach = Arc::new(ThisHost::new(&config));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.context("cannot start threads")?;
    let outcome = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            outcome = agent::run(config, reach) => outcome,
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        }
    });
    // Whatever is under way is picked up by the next agent; nothing of it is worth waiting for.
    runtime.shutdown_timeout(Duration::from_millis(300));
    outcome
}
