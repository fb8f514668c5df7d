//! Loopback ports that containers are published on.

use contract::PortRange;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};

/// Those of the range that nobody holds, lowest first. Another process may still be faster: the caller tries the next.
pub fn free(range: PortRange, held: &BTreeSet<u16>) -> impl Iterator<Item = u16> {
    range.ports().filter(|port| !held.contains(port) && can_bind(*port))
}

pub fn of(label: &str) -> Option<u16> {
    label.parse().ok().filter(|port| *port != 0)
}

fn can_bind(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_held_by_containers_or_other_processes_are_passed_over() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let first = taken.local_addr().unwrap().port();
        let range = PortRange { first, count: 3 };
        assert!(!free(range, &BTreeSet::new()).any(|port| port == first));
        let all = range.ports().collect();
        assert_eq!(free(range, &all).count(), 0);
    }
}
