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
            machine::holder_of(address.port())
                .map_or_else(|| "another process".to_owned(), |holder| holder.to_string())
        ),
        Err(error) => bail!("cannot listen on {address} for {purpose}: {error}"),
    }
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
            error.contains(&format!("port {} for the registry is taken by `", address.port())),
            "{error}"
        );
        assert!(error.contains(&format!("(process {})", std::process::id())), "{error}");
    }
}
