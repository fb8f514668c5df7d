//! `ground GROUND_JSON`: the local ground, one process that holds an OCI registry, an S3-compatible bucket store and an
//! edge (a small CDN, and a load balancer per environment).
//!
//! Every listener is bound before anything is served; then `ground ready` is printed. SIGTERM lets what is under way
//! finish, for at most five seconds. All data is on disk the moment it is acknowledged, so a kill loses nothing but
//! what was in flight.

mod bucket;
mod disk;
mod edge;
mod listen;
mod range;
mod registry;
mod reply;
mod serve;

use anyhow::{Context, Result, bail};
use bucket::Bucket;
use contract::GroundConfig;
use edge::Edge;
use registry::Registry;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(config), None) = (arguments.next(), arguments.next()) else {
        eprintln!("error: expected one argument, the configuration file; type `ground GROUND_JSON`");
        return ExitCode::from(2);
    };
    start_log();
    match run(&PathBuf::from(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// To stderr, since stdout carries only `ground ready`; `RUST_LOG` says how much. The crate s3s calls every refused
/// request an error; what is one, we log ourselves.
fn start_log() {
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;
    let usual = || {
        let all = Targets::new().with_default(tracing::Level::WARN);
        all.with_target("s3s", LevelFilter::OFF)
            .with_target("ground", LevelFilter::INFO)
    };
    let asked = std::env::var("RUST_LOG")
        .ok()
        .and_then(|text| text.parse::<Targets>().ok());
    let log = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false);
    tracing_subscriber::registry()
        .with(log)
        .with(asked.unwrap_or_else(usual))
        .init();
}

fn run(config_path: &Path) -> Result<()> {
    let config = load(config_path)?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the async runtime")?;
    let outcome = runtime.block_on(serve_all(config));
    // Tunnels and background probes may still be running; they are not waited for.
    runtime.shutdown_background();
    outcome
}

/// Reads the configuration and makes its folder the current one, which is what its relative paths are relative to.
fn load(path: &Path) -> Result<GroundConfig> {
    let text = std::fs::read(path).with_context(|| format!("cannot read the configuration `{}`", path.display()))?;
    let config: GroundConfig =
        serde_json::from_slice(&text).with_context(|| format!("`{}` is not a ground configuration", path.display()))?;
    check(&config).with_context(|| format!("`{}` cannot work", path.display()))?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::env::set_current_dir(folder).with_context(|| format!("cannot enter `{}`", folder.display()))?;
    }
    Ok(config)
}

fn check(config: &GroundConfig) -> Result<()> {
    let edge = &config.edge;
    if !config.bucket.buckets.contains(&edge.bucket) {
        bail!(
            "edge.bucket `{}` is not among bucket.buckets {:?}",
            edge.bucket,
            config.bucket.buckets
        );
    }
    if !edge.balancers.contains_key(&edge.api_environment) {
        bail!(
            "edge.api_environment `{}` has no entry in edge.balancers",
            edge.api_environment
        );
    }
    if !edge.api_prefix.starts_with('/') || edge.api_prefix == "/" {
        bail!(
            "edge.api_prefix must be a path such as `/api/`, found `{}`",
            edge.api_prefix
        );
    }
    if config.bucket.listen.is_empty() {
        bail!("bucket.listen is empty, so the edge would have no origin");
    }
    Ok(())
}

async fn serve_all(config: GroundConfig) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;

    let registry_listeners = listen::bind_all("the registry", &config.registry.listen).await?;
    let bucket_listeners = listen::bind_all("the bucket store", &config.bucket.listen).await?;
    let edge_listeners = edge::Listeners::bind(&config.edge).await?;

    let registry = Registry::open(&config.registry).await?;
    let bucket = Bucket::open(&config.bucket).await?;
    let edge = Edge::new(&config.edge, bucket.own_client());

    let stop = CancellationToken::new();
    let mut servers = serve::Servers::new(stop.clone());
    for listener in registry_listeners {
        servers.start(listener, registry.clone());
    }
    for listener in bucket_listeners {
        servers.start(listener, bucket.clone());
    }
    edge.start(edge_listeners, &mut servers);
    println!("ground ready");

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    stop.cancel();
    if tokio::time::timeout(SHUTDOWN_DEADLINE, servers.finished())
        .await
        .is_err()
    {
        tracing::warn!(
            "cut off what was still under way after {} s",
            SHUTDOWN_DEADLINE.as_secs()
        );
    }
    Ok(())
}
