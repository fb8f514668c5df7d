//! What a container's processes listen on, read from its network namespace. Linux, same machine as the engine.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const LISTEN: &str = "0A";

/// `None` where that cannot be read: the engine runs in a virtual machine, or the process has just ended.
pub fn of_container(id: &str, pid: i64) -> Option<BTreeSet<SocketAddr>> {
    // With the engine elsewhere this pid is some other process, whose sockets would be false evidence.
    let cgroup = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    if !cgroup.contains(id) {
        return None;
    }
    let read = |table: &str| std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).ok();
    let v4 = read("tcp")?;
    let v6 = read("tcp6").unwrap_or_default();
    Some(
        [v4, v6]
            .iter()
            .flat_map(|text| parse(text))
            .filter(|socket| !is_engine_s_own(socket))
            .collect(),
    )
}

/// Can be reached from outside the container at this port.
pub fn is_reachable(socket: &SocketAddr, port: u16) -> bool {
    socket.port() == port && !socket.ip().to_canonical().is_loopback()
}

/// The engine's name server listens in every container on a network, at an address of its own.
fn is_engine_s_own(socket: &SocketAddr) -> bool {
    socket.ip() == IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11))
}

fn parse(table: &str) -> Vec<SocketAddr> {
    let listening = table.lines().skip(1).filter_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let (local, _remote, state) = (columns.next()?, columns.next()?, columns.next()?);
        if state == LISTEN { address(local) } else { None }
    });
    listening.collect()
}

/// `0100007F:1F90`: words of four bytes in the machine's own order, then the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let words: Option<Vec<[u8; 4]>> = (0..ip.len() / 8)
        .map(|word| {
            Some(
                u32::from_str_radix(ip.get(word * 8..word * 8 + 8)?, 16)
                    .ok()?
                    .to_ne_bytes(),
            )
        })
        .collect();
    let ip = match words?.as_slice() {
        [v4] => IpAddr::V4(Ipv4Addr::from(*v4)),
        [a, b, c, d] => {
            let bytes: [u8; 16] = [*a, *b, *c, *d].concat().try_into().ok()?;
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0
   1: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 2 1 0 100 0 0 10 0
   2: 020011AC:1F91 010011AC:D431 01 00000000:00000000 00:00000000 00000000  1000        0 3 1 0 20 4 30 10 -1
";
    const TCP6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000
   1: 00000000000000000000000001000000:0051 00000000000000000000000000000000:0000 0A 00000000:00000000
   2: nonsense:0051 0:0 0A
";

    #[cfg(target_endian = "little")]
    #[test]
    fn listening_sockets_are_read_and_connected_ones_are_not() {
        let found: Vec<String> = parse(TCP)
            .iter()
            .chain(&parse(TCP6))
            .map(SocketAddr::to_string)
            .collect();
        assert_eq!(found, ["127.0.0.1:8080", "0.0.0.0:8081", "[::]:80", "[::1]:81"]);
    }

    #[test]
    fn only_what_listens_beyond_loopback_is_reachable() {
        let reachable = |socket: &str| is_reachable(&socket.parse().unwrap(), 8080);
        assert!(reachable("0.0.0.0:8080") && reachable("[::]:8080") && reachable("172.17.0.2:8080"));
        for not in ["127.0.0.1:8080", "[::1]:8080", "[::ffff:127.0.0.1]:8080", "0.0.0.0:80"] {
            assert!(!reachable(not), "{not}");
        }
    }

    #[test]
    fn what_this_process_listens_on_is_found_under_proc() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
        assert!(parse(&table).contains(&listener.local_addr().unwrap()));
    }
}
