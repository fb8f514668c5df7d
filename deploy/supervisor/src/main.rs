//! `supervisor HOST_JSON`: owns a host's listening socket and keeps its router and agent running.
//!
//! It does little, so that it seldom has reason to end or to be replaced. While no router runs, connections queue in the
//! socket that it holds. SIGHUP replaces the router by whatever binary lies there now and loses no request. SIGTERM ends
//! agent and router, and then it ends itself.
//!
//! Should the supervisor itself be killed, router and agent live on and traffic is untouched, but nobody restarts them.
//! A new supervisor cannot bind while that router holds the socket, and says so. Whoever starts it reads
//! `supervisor.json`, ends those of the recorded processes whose id and start time still match (agent, then router: it
//! drains), and then starts the new supervisor; the router's table is on disk, so the same weights come back.

mod backoff;
mod log;
mod program;
mod record;
mod socket;
mod supervise;

use anyhow::{Context, Result};
use contract::HostConfig;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    host::main("supervisor", run)
}

fn run(config: HostConfig, path: &Path) -> Result<()> {
    // Looked up once: after an upgrade in place, the kernel calls our own binary deleted.
    let own = std::env::current_exe().context("cannot tell where this program lies")?;
    let binaries = own.parent().context("this program lies in no folder")?;
    let listener = socket::bind(config.listen)?;
    tracing::info!(listen = %config.listen, host = %config.host, "listening");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(supervise::supervise(binaries, path, listener))
}
