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

use anyhow::{Context, Result, bail};
use contract::{CONTRACT_VERSION, HostConfig};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let Some(path) = std::env::args_os().nth(1).map(PathBuf::from) else {
        bail!("expected one argument: the path of `host.json`")
    };
    let path = path
        .canonicalize()
        .with_context(|| format!("cannot find `{}`", path.display()))?;
    let config = read_config(&path)?;
    // Looked up once: after an upgrade in place, the kernel calls our own binary deleted.
    let own = std::env::current_exe().context("cannot tell where this program lies")?;
    let binaries = own.parent().context("this program lies in no folder")?;
    let listener = socket::bind(config.listen)?;
    tracing::info!(listen = %config.listen, host = %config.host, "listening");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(supervise::supervise(binaries, &path, listener))
}

/// Reads `host.json` and goes to the folder that holds it.
fn read_config(path: &Path) -> Result<HostConfig> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{name}`"))?;
    let config: HostConfig = serde_json::from_str(&text).with_context(|| format!("`{name}` is not a host config"))?;
    if config.contract > CONTRACT_VERSION {
        bail!(
            "`{name}` has contract version {}; this supervisor reads up to {CONTRACT_VERSION}",
            config.contract
        );
    }
    let folder = path.parent().context("a file lies in no folder")?;
    std::env::set_current_dir(folder).with_context(|| format!("cannot enter `{}`", folder.display()))?;
    Ok(config)
}
