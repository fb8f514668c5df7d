//! Splits a host's traffic by weight between versions of the app, and counts what each answered.
//!
//! It is a process of its own, so that nothing that happens to the agent touches traffic. Its listening socket belongs to
//! the supervisor or to systemd: while no router runs, connections queue there. SIGTERM: stop accepting, hand state file
//! and admin socket to the next router, answer what is in flight, exit 0. SIGUSR2: start that next router first.

mod access_log;
mod admin;
mod attendant;
mod body;
mod clock;
mod connection;
mod control;
mod cookie;
mod counters;
mod ends;
mod forward;
mod framing;
mod handover;
mod head;
mod headers;
mod hold;
mod limits;
mod listener;
mod metrics;
mod origin;
mod pool;
mod protocol;
mod refusal;
mod routes;
mod serve;
mod shield;
mod sites;
mod split;
mod state;
mod state_file;
mod tls;
mod upgrade;
mod workers;

pub use admin::serve_connection as serve_admin;
pub use clock::{Clock, Moment};
pub use control::{Control, PutError};

use crate::attendant::Attendant;
use crate::ends::Ends;
use crate::forward::Proxy;
use crate::handover::Successor;
use crate::serve::Door;
use crate::sites::Sites;
use crate::tls::Tls;
use crate::workers::Workers;
use anyhow::{Context, Result, bail};
use contract::HostConfig;
use host::{Given, notify};
use std::net::TcpListener;
use std::sync::Arc;

/// Until told to stop. In the folder that holds the first configuration; the others are of apps that share its socket.
pub fn run(hosts: Vec<Given>) -> Result<()> {
    // Files and sockets made here are for this user alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let first = hosts.first().context("no host to route for")?;
    for other in &hosts {
        agree(&first.config, other)?;
    }
    let listener = listener::take_or_bind(first.config.listen)?;
    let successor = Successor::prepare(&hosts, &listener)?;
    raise_descriptor_limit();
    // Everything but requests happens here; those have threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .context("cannot start")?
        .block_on(route(hosts, listener, successor))
}

/// One socket has one address and believes the same proxies, whatever app is asked for.
fn agree(first: &HostConfig, other: &Given) -> Result<()> {
    let (name, config) = (other.path.display(), &other.config);
    if config.listen != first.listen {
        bail!("`{name}` listens on {}, the first on {}", config.listen, first.listen);
    }
    if config.router.trusted_proxies != first.router.trusted_proxies {
        bail!("`{name}` trusts other proxies than the first");
    }
    Ok(())
}

async fn route(hosts: Vec<Given>, listener: TcpListener, successor: Successor) -> Result<()> {
    let mut ends = Ends::listen()?;
    let tls = Tls::load(&hosts)?.map(Arc::new);
    let trusted_proxies = Arc::new(hosts[0].config.router.trusted_proxies.clone());
    let clock = Clock::of_this_machine()?;
    let (mut sites, mut attendants) = (Vec::new(), Vec::new());
    for host in &hosts {
        let (attendant, site) = Attendant::start(host, clock.clone())?;
        attendants.push(attendant);
        sites.push(site);
    }
    let proxy = Arc::new(Proxy {
        sites: Sites::new(sites).map_err(anyhow::Error::msg)?,
        draining: Default::default(),
        tasks: Default::default(),
        in_flight: Default::default(),
    });
    let pruning = tokio::spawn(prune_pools(proxy.clone()));
    let watching = tls.clone().map(|tls| tokio::spawn(async move { tls.watch().await }));
    let door = Door {
        proxy: proxy.clone(),
        tls,
        trusted_proxies,
    };
    for site in proxy.sites.iter() {
        site.control.await_table().await;
    }
    let workers = Workers::start()?;
    let accepting = tokio::spawn(serve::accept(Arc::new(door), listener, workers.clone()));

    notify::ready();
    let controls = proxy.sites.iter().map(|site| site.control.clone()).collect();
    let pulse = tokio::spawn(attendant::feed_watchdog(controls));

    ends.wait(Arc::new(successor)).await;
    pulse.abort();
    proxy.draining.cancel();
    accepting.await.context("the accept loop broke")??;
    for attendant in attendants {
        attendant.give_up().await;
    }
    serve::drain(&proxy).await;
    drop(workers);
    pruning.abort();
    watching.iter().for_each(|watching| watching.abort());
    let logs = proxy.sites.iter().filter_map(|site| site.log.as_ref());
    logs.for_each(|log| log.finish());
    Ok(())
}

async fn prune_pools(proxy: Arc<Proxy>) {
    loop {
        tokio::time::sleep(limits::POOL_IDLE).await;
        for site in proxy.sites.iter() {
            let routes = site.control.routes.load();
            let pools = routes.targets.iter().flat_map(|target| &target.pools);
            pools.for_each(|pool| pool.prune());
        }
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

/// For the fuzzer: whatever is judged before it is parsed.
#[doc(hidden)]
pub mod fuzzing {
    use crate::framing::Framing;
    use crate::head::{self, Body};

    pub fn end(bytes: &[u8], from: usize) -> Option<usize> {
        head::end(bytes, from)
    }

    /// The length of the body that follows, or `None` where it comes in chunks.
    pub fn judge(head: &[u8]) -> Result<Option<u64>, &'static str> {
        head::judge(head).map(|body| match body {
            Body::Length(length) => Some(length),
            Body::Chunked => None,
        })
    }

    /// How many requests are let through of a connection that is read in these pieces, and why no more of them are.
    pub fn follow<'a>(reads: impl IntoIterator<Item = &'a [u8]>) -> (usize, &'static str) {
        let mut framing = Framing::default();
        reads.into_iter().for_each(|bytes| framing.follow(bytes));
        let mut requests = 0;
        loop {
            match framing.begin_request() {
                Some(why) => return (requests, why),
                // HTTP/2 is not judged here.
                None if requests > 100_000 => return (requests, ""),
                None => requests += 1,
            }
        }
    }
}
