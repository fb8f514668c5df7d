//! Loopback ports.

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
use std::net::{Ipv4Addr, SocketAddr};

/// Looks without listening: whoever is about to take the port must not find it taken by who only looks.
pub fn is_free(port: u16) -> bool {
    is_free_at(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

fn is_free_at(address: SocketAddr) -> bool {
    let made = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
    let tried = made.and_then(|socket| {
        // Two that have said so may be bound to one address, as long as neither listens.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &address)
    });
    tried.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::time::{Duration, Instant};

    /// An address of our own, so that other tests are not in the way.
    fn address(port: u16) -> SocketAddr {
        let [_, a, b, c] = std::process::id().to_be_bytes();
        SocketAddr::from(([127, a | 1, b, c | 1], port))
    }

    #[test]
    fn a_port_is_free_until_somebody_listens_there() {
        let address = address(18_101);
        assert!(is_free_at(address));
        let listener = TcpListener::bind(address).unwrap();
        assert!(!is_free_at(address));
        drop(listener);
        assert!(is_free_at(address));
    }

    #[test]
    fn who_looks_whether_a_port_is_free_is_in_nobodys_way() {
        let address = address(18_100);
        let (is_over, seen_taken) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Relaxed) {
                    seen_taken.fetch_or(!is_free_at(address), Relaxed);
                }
            });
            // On a busy machine the two may not meet for a while.
            let since = Instant::now();
            let have_met = || seen_taken.load(Relaxed) || since.elapsed() > Duration::from_secs(30);
            let (mut listened, mut refused) = (0, 0);
            while listened < 5_000 || !have_met() {
                refused += usize::from(TcpListener::bind(address).is_err());
                listened += 1;
            }
            is_over.store(true, Relaxed);
            assert_eq!(refused, 0, "of {listened} listeners");
        });
        assert!(seen_taken.load(Relaxed), "the two never met");
    }
}
