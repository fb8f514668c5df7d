//! `run`: the agent itself.

use crate::process;
use crate::reach::ThisHost;
use anyhow::{Context as _, Result};
use contract::HostConfig;
use host::notify;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

pub fn run(config: HostConfig) -> Result<()> {
    let reach = Arc::new(ThisHost::new(&config));
    if let Err(error) = process::note_own(&config.agent_state) {
        // Whoever asks on this host is told that no agent runs; a full disk is no reason that none does.
        tracing::error!("{error:#}; going on without");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.context("cannot start threads")?;
    let outcome = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            outcome = crate::run(config, reach) => outcome,
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        }
    });
    notify::stopping();
    // Whatever is under way is picked up by the next agent; nothing of it is worth waiting for.
    runtime.shutdown_timeout(Duration::from_millis(300));
    outcome
}
