//! Binding sockets, with an error that names the process which holds a taken port.

use anyhow::{Result, bail};
use std::io::ErrorKind;
use std::net::SocketAddr;
use tokio::net::TcpListener;

pub async fn bind_all(purpose: &str, addresses: &[SocketAddr]) -> Result<Vec<TcpListener>> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for &address in addresses {
        listeners.push(bind(purpose, address).await?);
    }
    Ok(listeners)
}

pub async fn bind(purpose: &str, address: SocketAddr) -> Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
            "port {} for {purpose} is taken by {}; stop it, or choose another port",
            address.port(),
            holder(address.port()).unwrap_or_else(|| "another process".to_owned())
        ),
        Err(error) => bail!("cannot listen on {address} for {purpose}: {error}"),
    }
}

/// `process NAME (pid N)`, found by the socket's inode under /proc. `None` where /proc tells nothing, such as for
/// another user's process.
fn holder(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        let table = std::fs::read_to_string(table).ok()?;
        table
            .lines()
            .skip(1)
            .find_map(|line| listening_inode(line, port).map(str::to_owned))
    })?;
    let wanted = format!("socket:[{inode}]");
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(descriptors) = std::fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let mut targets = descriptors
            .flatten()
            .filter_map(|entry| std::fs::read_link(entry.path()).ok());
        if targets.any(|target| target.as_os_str() == wanted.as_str()) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("process `{}` (pid {pid})", name.trim()));
        }
    }
    None
}

/// The inode in a line of /proc/net/tcp, where that line is a socket listening on `port`.
fn listening_inode(line: &str, port: u16) -> Option<&str> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    let (_, local_port) = local.rsplit_once(':')?;
    (*state == LISTEN && u16::from_str_radix(local_port, 16) == Ok(port)).then_some(*inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named_with_the_process_that_holds_it() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let error = bind("the registry", address).await.unwrap_err().to_string();
        assert!(
            error.contains(&format!("port {} for the registry is taken by process", address.port())),
            "{error}"
        );
        assert!(error.contains(&format!("(pid {})", std::process::id())), "{error}");
    }

    #[test]
    fn only_a_listening_socket_holds_a_port() {
        let line = "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 4242 1 0";
        assert_eq!(listening_inode(line, 8080), Some("4242"));
        assert_eq!(listening_inode(line, 8081), None);
        assert_eq!(listening_inode(&line.replace(" 0A ", " 01 "), 8080), None);
    }
}
