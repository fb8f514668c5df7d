//! How agent, router and supervisor begin: a log on stderr, and the host's configuration, named by their only argument.

use anyhow::{Context as _, Result, bail};
use contract::{CONTRACT_VERSION, HostConfig};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

/// The whole of a program's `main`. `run` gets the configuration and where it lies, and is run in that folder.
pub fn main(run: impl FnOnce(HostConfig, &Path) -> Result<()>) -> ExitCode {
    log_to_stderr();
    let ended = config_path().and_then(|path| run(read_config(&path)?, &path));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn config_path() -> Result<PathBuf> {
    let Some(path) = std::env::args_os().nth(1).map(PathBuf::from) else {
        bail!("expected one argument: the path of `host.json`")
    };
    path.canonicalize()
        .with_context(|| format!("cannot find `{}`", path.display()))
}

/// Reads `host.json` and goes to the folder that holds it, which the paths in it are relative to.
fn read_config(path: &Path) -> Result<HostConfig> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{name}`"))?;
    let config: HostConfig = serde_json::from_str(&text).with_context(|| format!("`{name}` is not a host config"))?;
    if config.contract > CONTRACT_VERSION {
        bail!(
            "`{name}` has contract version {}; this program reads up to {CONTRACT_VERSION}",
            config.contract
        );
    }
    let folder = path.parent().context("a file lies in no folder")?;
    std::env::set_current_dir(folder).with_context(|| format!("cannot enter `{}`", folder.display()))?;
    Ok(config)
}

/// For people on a terminal, one JSON object a line for everything else. `RUST_LOG` chooses how much.
fn log_to_stderr() {
    let asked = std::env::var("RUST_LOG").ok().and_then(|text| text.parse().ok());
    let filter = asked.unwrap_or_else(|| Targets::new().with_default(tracing::Level::INFO));
    let log = fmt::layer().with_ansi(false).with_writer(std::io::stderr);
    let log = if std::io::stderr().is_terminal() {
        log.boxed()
    } else {
        log.json().boxed()
    };
    tracing_subscriber::registry().with(log).with(filter).init();
}
