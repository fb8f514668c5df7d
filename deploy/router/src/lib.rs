//! Splits a host's traffic by weight between versions of the app, and counts what each answered.
//!
//! It is a process of its own, so that nothing that happens to the agent touches traffic. Its listening socket belongs to
//! the supervisor: while no router runs, connections queue there. SIGTERM: stop accepting, hand state file and admin
//! socket to the next router, answer what is in flight, exit 0.

mod admin;
mod body;
mod clock;
mod connection;
mod control;
mod cookie;
mod counters;
mod forward;
mod head;
mod headers;
mod limits;
mod listener;
mod metrics;
mod pool;
mod refusal;
mod routes;
mod serve;
mod split;
mod state;
mod state_file;
mod upgrade;

pub use admin::serve_connection as serve_admin;
pub use clock::{Clock, Moment};
pub use control::{Control, PutError};

use crate::forward::Proxy;
use anyhow::{Context, Result};
use contract::HostConfig;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// Until told to stop. In the folder that holds the configuration.
pub fn run(config: HostConfig, _: &Path) -> Result<()> {
    // Files and sockets made here are for this user alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let listener = listener::take_or_bind(config.listen)?;
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?;
    runtime.block_on(route(config, listener))
}

async fn route(config: HostConfig, listener: TcpListener) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let control = Arc::new(Control::start(&config.router_state, Clock::of_this_machine()?)?);
    let admin_listener = admin::bind(&config.admin_socket)?;
    let proxy = Arc::new(Proxy {
        control: control.clone(),
        draining: Default::default(),
        tasks: Default::default(),
        in_flight: Default::default(),
    });

    let admin = tokio::spawn(admin::serve(control.clone(), admin_listener));
    let lease = tokio::spawn({
        let control = control.clone();
        async move { control.watch_lease().await }
    });
    let pruning = tokio::spawn(prune_pools(control.clone()));
    let accepting = tokio::spawn(serve::accept(
        proxy.clone(),
        tokio::net::TcpListener::from_std(listener)?,
    ));

    tokio::select! {
        _ = terminate.recv() => (),
        _ = interrupt.recv() => (),
    }
    proxy.draining.cancel();
    accepting.await.context("the accept loop broke")?;
    // The next router waits for the state file and then takes the admin socket's name, so that goes first.
    admin.abort();
    let _ = admin.await;
    if let Err(error) = std::fs::remove_file(&config.admin_socket) {
        tracing::warn!(%error, "the admin socket was gone already");
    }
    lease.abort();
    control.give_up().await;
    serve::drain(&proxy).await;
    pruning.abort();
    Ok(())
}

async fn prune_pools(control: Arc<Control>) {
    loop {
        tokio::time::sleep(limits::POOL_IDLE).await;
        control
            .routes
            .load()
            .targets
            .iter()
            .for_each(|target| target.pool.prune());
    }
}

/// Each connection takes a descriptor, as does each to a backend; the usual soft limit of 1024 is for programs that use
/// `select`.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    ) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}
