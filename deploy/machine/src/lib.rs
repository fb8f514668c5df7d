//! The machine we are on, as `/proc` shows it. Whatever cannot be read, because it is gone or another user's, is absent.

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A process that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub pid: u32,
    pub command: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (process {})", self.command, self.pid)
    }
}

/// Who listens on `port` of any address; `None` where nobody does, or where its process may not be looked at.
pub fn holder_of(port: u16) -> Option<Holder> {
    let wanted: Vec<String> = listeners("/proc/net")
        .into_iter()
        .filter(|listener| listener.address.port() == port)
        .map(|listener| format!("socket:[{}]", listener.inode))
        .collect();
    if wanted.is_empty() {
        return None;
    }
    let pids = fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.into_iter().find_map(|pid| {
        let mut links = fs::read_dir(format!("/proc/{pid}/fd"))
            .ok()?
            .filter_map(|fd| fd.ok()?.path().read_link().ok());
        links.find(|link| {
            link.to_str()
                .is_some_and(|link| wanted.iter().any(|socket| socket == link))
        })?;
        let command = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        Some(Holder {
            pid,
            command: command.trim().to_owned(),
        })
    })
}

/// The TCP addresses that are listened on in the network namespace of a process, such as a container's first one.
pub fn listening_beside(pid: u32) -> Vec<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = listeners(&format!("/proc/{pid}/net"))
        .into_iter()
        .map(|listener| listener.address)
        .collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

/// When a process was started, in clock ticks since the machine was; `None` for one that is gone or only waits to be
/// collected. Together with its id this names a process for good.
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, spaces and parentheses included.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    (*fields.first()? != "Z")
        .then(|| fields.get(19)?.parse().ok())
        .flatten()
}

struct Listener {
    address: SocketAddr,
    inode: u64,
}

fn listeners(folder: &str) -> Vec<Listener> {
    let read = |table: &str| fs::read_to_string(format!("{folder}/{table}")).unwrap_or_default();
    let (tcp, tcp6) = (read("tcp"), read("tcp6"));
    tcp.lines().chain(tcp6.lines()).filter_map(listener).collect()
}

/// A line of `/proc/net/tcp` in state LISTEN (`0A`): the second field is the address, the tenth the socket's inode.
fn listener(line: &str) -> Option<Listener> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    if *state != "0A" {
        return None;
    }
    let (ip, port) = local.split_once(':')?;
    let address = SocketAddr::new(ip_address(ip)?, u16::from_str_radix(port, 16).ok()?);
    Some(Listener {
        address,
        inode: inode.parse().ok()?,
    })
}

/// The kernel prints addresses as 32-bit words in the machine's own byte order.
fn ip_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(hex.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let mut bytes = [0; 16];
            for (number, chunk) in bytes.chunks_mut(4).enumerate() {
                chunk.copy_from_slice(&word(number * 8)?);
            }
            Some(IpAddr::V6(Ipv6Addr::from(bytes)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_holder_of_a_port_is_named() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(holder_of(port).unwrap().pid, std::process::id());
        drop(listener);
        assert_eq!(holder_of(port), None);
    }

    #[test]
    fn what_a_process_listens_on_is_listed_with_its_address() {
        let four = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap();
        assert!(
            !listening_beside(std::process::id()).contains(&four),
            "it is closed again"
        );
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(listening_beside(std::process::id()).contains(&listener.local_addr().unwrap()));
    }

    #[test]
    fn a_process_is_known_by_its_start() {
        let own = start_time(std::process::id()).unwrap();
        assert_eq!(start_time(std::process::id()), Some(own));
        assert_eq!(start_time(u32::MAX), None);
    }
}
