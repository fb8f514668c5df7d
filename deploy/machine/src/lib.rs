//! The machine we are on, as `/proc` shows it. Whatever cannot be read, because it is gone or another user's, is absent.

mod disk;

pub use disk::{free_bytes, host_name};
use std::collections::BTreeSet;
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
    holders_of(port).into_iter().next()
}

/// Every port that somebody listens on, of any address.
pub fn ports_listened_on() -> BTreeSet<u16> {
    let listeners = listeners("/proc/net").into_iter();
    listeners.map(|listener| listener.address.port()).collect()
}

/// All that hold a listening socket on `port`, whether they accept from it or only keep it open.
pub fn holders_of(port: u16) -> Vec<Holder> {
    let wanted: Vec<String> = listeners("/proc/net")
        .into_iter()
        .filter(|listener| listener.address.port() == port)
        .map(|listener| format!("socket:[{}]", listener.inode))
        .collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let holders = pids.filter_map(|pid| {
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
    });
    holders.collect()
}

/// What a container's processes listen on, read in the network namespace of its first one. `None` where that cannot be
/// read: the engine runs in a virtual machine, or the process has just ended.
pub fn listening_in_container(id: &str, pid: i64) -> Option<BTreeSet<SocketAddr>> {
    // With the engine elsewhere this pid is some other process, whose sockets would be false evidence.
    let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    if !cgroup.contains(id) {
        return None;
    }
    let listeners = listeners(&format!("/proc/{pid}/net")).into_iter();
    let addresses = listeners.map(|listener| listener.address);
    Some(addresses.filter(|address| !is_engine_s_own(address)).collect())
}

/// Whether a container that listens there can be reached from outside it at this port.
pub fn is_reachable(address: &SocketAddr, port: u16) -> bool {
    address.port() == port && !address.ip().to_canonical().is_loopback()
}

/// The engine's name server listens in every container on a network, at an address of its own.
fn is_engine_s_own(address: &SocketAddr) -> bool {
    address.ip() == IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11))
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

/// What a process holds in memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    pub now: u64,
    /// Since it was started.
    pub at_most: u64,
}

pub fn memory_of(pid: u32) -> Option<Memory> {
    memory_in(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn memory_in(status: &str) -> Option<Memory> {
    let field = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    };
    Some(Memory {
        now: field("VmRSS:")?,
        at_most: field("VmHWM:")?,
    })
}

struct Listener {
    address: SocketAddr,
    inode: u64,
}

fn listeners(folder: &str) -> Vec<Listener> {
    let read = |table: &str| fs::read_to_string(format!("{folder}/{table}")).unwrap_or_default();
    [read("tcp"), read("tcp6")]
        .iter()
        .flat_map(|table| table.lines())
        .filter_map(listener)
        .collect()
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
    fn memory_is_told_in_bytes_now_and_at_most() {
        let status = "Name:\tapp\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t3\n";
        let (now, at_most) = (1 << 20, 2 << 20);
        assert_eq!(memory_in(status), Some(Memory { now, at_most }));
        assert_eq!(memory_in("Name:\tkernel\n"), None);
        assert!(memory_of(std::process::id()).is_some_and(|memory| memory.now <= memory.at_most));
    }

    #[test]
    fn a_process_that_is_no_container_s_is_not_taken_for_one() {
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert_eq!(
            listening_in_container("b70e02b0e4b7", i64::from(std::process::id())),
            None
        );
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn listening_sockets_are_read_and_connected_ones_are_not() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0
   1: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 2 1 0 100 0 0 10 0
   2: 020011AC:1F91 010011AC:D431 01 00000000:00000000 00:00000000 00000000  1000        0 3 1 0 20 4 30 10 -1
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 4 1
   1: 00000000000000000000000001000000:0051 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 5 1
   2: nonsense:0051 0:0 0A 0:0 0:0 0 0 0 6 1
";
        let found: Vec<String> = table
            .lines()
            .filter_map(listener)
            .map(|listener| listener.address.to_string())
            .collect();
        assert_eq!(found, ["127.0.0.1:8080", "0.0.0.0:8081", "[::]:80", "[::1]:81"]);
    }

    #[test]
    fn only_what_listens_beyond_loopback_is_reachable() {
        let reachable = |address: &str| is_reachable(&address.parse().unwrap(), 8080);
        assert!(reachable("0.0.0.0:8080") && reachable("[::]:8080") && reachable("172.17.0.2:8080"));
        for not in ["127.0.0.1:8080", "[::1]:8080", "[::ffff:127.0.0.1]:8080", "0.0.0.0:80"] {
            assert!(!reachable(not), "{not}");
        }
    }

    #[test]
    fn a_process_is_known_by_its_start() {
        let own = start_time(std::process::id()).unwrap();
        assert_eq!(start_time(std::process::id()), Some(own));
        assert_eq!(start_time(u32::MAX), None);
    }
}
