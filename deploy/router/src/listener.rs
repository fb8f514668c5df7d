//! The socket users connect to: handed down by the supervisor or systemd, or else bound here.

use anyhow::{Context, Result, bail};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// The first descriptor of the `LISTEN_FDS` protocol.
const HANDED_DOWN: RawFd = 3;

pub fn take_or_bind(listen: SocketAddr) -> Result<TcpListener> {
    let listener = if is_handed_down()? { take()? } else { bind(listen)? };
    listener
        .set_nonblocking(true)
        .context("cannot make the listening socket non-blocking")?;
    Ok(listener)
}

fn bind(listen: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(listen).with_context(|| format!("cannot listen on `{listen}`"))
}

/// Whether the environment says that descriptor 3 is a socket for this process. `LISTEN_PID` is optional: a supervisor
/// that spawns rather than execs does not know it in time.
fn is_handed_down() -> Result<bool> {
    let is_for_other = std::env::var("LISTEN_PID").is_ok_and(|pid| pid != std::process::id().to_string());
    match std::env::var("LISTEN_FDS").as_deref() {
        Err(_) | Ok("0") => Ok(false),
        Ok(_) if is_for_other => Ok(false),
        Ok("1") => Ok(true),
        Ok(other) => bail!("expected one socket to be handed down, found LISTEN_FDS={other}"),
    }
}

#[allow(unsafe_code, reason = "a descriptor that was handed down has no safe constructor")]
fn take() -> Result<TcpListener> {
    // SAFETY: the borrow ends before the descriptor is owned below; a closed one gives an error, not undefined behaviour.
    let probe = unsafe { BorrowedFd::borrow_raw(HANDED_DOWN) };
    let is_listening = rustix::net::sockopt::socket_acceptconn(probe)
        .context("LISTEN_FDS=1 promises a socket as descriptor 3, which there is not")?;
    if !is_listening {
        bail!("descriptor 3 is a socket that does not listen");
    }
    // SAFETY: main calls this first and once, before anything that could own descriptor 3, and whoever set LISTEN_FDS has
    // handed it over for good.
    Ok(TcpListener::from(unsafe { OwnedFd::from_raw_fd(HANDED_DOWN) }))
}
