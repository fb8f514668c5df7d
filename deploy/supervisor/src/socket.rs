//! The socket users connect to.

use anyhow::{Context, Result, anyhow};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

/// Connections that may wait while no router runs; the kernel has its own bound (`net.core.somaxconn`) besides.
const QUEUE: i32 = 4096;

pub fn bind(listen: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(listen).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => taken(listen),
        _ => anyhow!(error).context(format!("cannot listen on `{listen}`")),
    })?;
    // The standard library's queue is as long as it was decided to be in its version.
    rustix::net::listen(&listener, QUEUE).context("cannot lengthen the queue of the listening socket")?;
    Ok(listener)
}

fn taken(listen: SocketAddr) -> anyhow::Error {
    let holder = match machine::holder_of(listen.port()) {
        Some(holder) => format!("it is held by {holder}"),
        None => "it is held by a process that may not be looked at".to_owned(),
    };
    let port = listen.port();
    anyhow!(
        "cannot listen on `{listen}`: {holder}\nhint: end that process (`ss -ltnp sport = :{port}`) and start again"
    )
}
