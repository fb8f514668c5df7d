//! The address that a request comes from, seen through the proxies in front of this process.
//!
//! Each proxy adds the address of its own client at the end of `X-Forwarded-For`, and what came before it may be made
//! up. So the chain is walked from its end: past proxies of our own, which have private addresses, and past as many
//! public ones (a content delivery network) as `PUBLIC_PROXIES` says. The first address after those is the client.

use crate::app::App;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The other end of the connection; put into every request by the server.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// IPv6 addresses are told apart by their first 64 bits: the rest is the client's to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    fn new(address: IpAddr) -> ClientAddress {
        match address.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                ClientAddress(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
            v4 => ClientAddress(v4),
        }
    }

    fn find(peer: IpAddr, headers: &HeaderMap, public_proxies: u8) -> ClientAddress {
        let chain: Vec<&str> = headers
            .get_all(FORWARDED_FOR)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        // What is no address cannot have been added by a proxy: it and all before it is made up.
        let forwarded = chain.iter().rev().map_while(|address| address.trim().parse().ok());
        let (mut client, mut public_left) = (peer, public_proxies);
        for next in forwarded {
            if !is_private(client) {
                if public_left == 0 {
                    break;
                }
                public_left -= 1;
            }
            client = next;
        }
        ClientAddress::new(client)
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromRequestParts<App> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<ClientAddress, Infallible> {
        let peer = parts.extensions.get::<Peer>();
        let peer = peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |Peer(address)| *address);
        Ok(ClientAddress::find(peer, &parts.headers, app.public_proxies))
    }
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn client(peer: &str, chain: &[&str], public_proxies: u8) -> String {
        let mut headers = HeaderMap::new();
        for value in chain {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(value).expect("a value"));
        }
        ClientAddress::find(peer.parse().expect("an address"), &headers, public_proxies).to_string()
    }

    #[test]
    fn the_client_is_the_first_address_before_our_own_proxies() {
        for (peer, chain, expected) in [
            ("198.51.100.7", &[][..], "198.51.100.7"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("172.18.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("172.18.0.1", &["198.51.100.7, 10.0.0.3"], "198.51.100.7"),
            ("::ffff:172.18.0.1", &["198.51.100.7", "10.0.0.3"], "198.51.100.7"),
            ("10.0.0.3", &["10.1.1.1, 10.0.0.4"], "10.1.1.1"),
        ] {
            assert_eq!(client(peer, chain, 0), expected, "{chain:?}");
        }
    }

    #[test]
    fn what_a_client_makes_up_is_not_believed() {
        for (peer, chain) in [
            ("198.51.100.7", &["6.6.6.6"][..]),
            ("10.0.0.3", &["6.6.6.6, 198.51.100.7"]),
            ("10.0.0.3", &["6.6.6.6", "nonsense", "198.51.100.7, 10.0.0.4"]),
        ] {
            assert_eq!(client(peer, chain, 0), "198.51.100.7", "{chain:?}");
        }
        assert_eq!(client("10.0.0.3", &["6.6.6.6, nonsense"], 0), "10.0.0.3");
    }

    #[test]
    fn as_many_public_proxies_as_there_are_said_to_be_are_passed() {
        let chain = ["6.6.6.6, 198.51.100.7, 203.0.113.9, 10.0.0.4"];
        assert_eq!(client("10.0.0.3", &chain, 1), "198.51.100.7");
        assert_eq!(client("10.0.0.3", &["198.51.100.7"], 1), "198.51.100.7");
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        assert_eq!(client("2001:db8:1:2:3:4:5:6", &[], 0), "2001:db8:1:2::");
    }
}
