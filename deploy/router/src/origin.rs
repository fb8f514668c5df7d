//! Where a request came from, told to the backend in the headers that proxies have for it.
//!
//! What a client says about itself there is believed of nobody but the proxies in front of us; anybody else's is replaced.

use contract::Network;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::net::IpAddr;

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// The other end of a connection, as the router sees it.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    pub peer: IpAddr,
    pub is_trusted: bool,
    pub is_tls: bool,
}

impl Origin {
    pub fn new(peer: IpAddr, trusted: &[Network], is_tls: bool) -> Self {
        let peer = peer.to_canonical();
        let is_trusted = trusted.iter().any(|network| network.contains(peer));
        Self {
            peer,
            is_trusted,
            is_tls,
        }
    }

    /// Writes it down for the backend, behind what a trusted proxy wrote.
    pub fn record(&self, headers: &mut HeaderMap) {
        if !self.is_trusted {
            for name in [
                FORWARDED,
                FORWARDED_FOR,
                FORWARDED_HOST,
                FORWARDED_PROTO,
                FORWARDED_PORT,
                REAL_IP,
            ] {
                headers.remove(name);
            }
        }
        let proto = HeaderValue::from_static(if self.is_tls { "https" } else { "http" });
        let host = headers.get(header::HOST).cloned();
        append(headers, FORWARDED_FOR, self.peer.to_string());
        append(headers, FORWARDED, self.element(host.as_ref()));
        headers.entry(FORWARDED_PROTO).or_insert(proto);
        if let Some(host) = host {
            headers.entry(FORWARDED_HOST).or_insert(host);
        }
    }

    /// This hop, in the words of RFC 7239.
    fn element(&self, host: Option<&HeaderValue>) -> String {
        let peer = match self.peer {
            IpAddr::V4(peer) => peer.to_string(),
            IpAddr::V6(peer) => format!("\"[{peer}]\""),
        };
        let proto = if self.is_tls { "https" } else { "http" };
        let is_plain = |host: &&str| host.bytes().all(|byte| !matches!(byte, b'"' | b'\\'));
        let host = host.and_then(|host| host.to_str().ok()).filter(is_plain);
        let host = host.map_or(String::new(), |host| format!(";host=\"{host}\""));
        format!("for={peer}{host};proto={proto}")
    }

    /// Who asked, as far as proxies that are trusted tell: the last of the chain that is none of them.
    pub fn client(&self, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
        if !self.is_trusted {
            return self.peer;
        }
        let lines = headers
            .get_all(FORWARDED_FOR)
            .iter()
            .filter_map(|line| line.to_str().ok());
        let chain: Vec<&str> = lines.flat_map(|line| line.split(',')).collect();
        let mut client = self.peer;
        for hop in chain.iter().rev() {
            let Ok(address) = hop.trim().parse::<IpAddr>() else {
                break;
            };
            client = address.to_canonical();
            if !trusted.iter().any(|network| network.contains(client)) {
                break;
            }
        }
        client
    }
}

/// One line, however many there were.
fn append(headers: &mut HeaderMap, name: HeaderName, hop: String) {
    let before = headers.get_all(&name).iter().filter_map(|line| line.to_str().ok());
    let mut chain: Vec<String> = before.map(str::to_owned).collect();
    chain.push(hop);
    if let Ok(chain) = HeaderValue::from_str(&chain.join(", ")) {
        headers.insert(name, chain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: [(&str, &str); 6] = [
        ("host", "shop.example"),
        ("forwarded", "for=198.51.100.1;proto=https"),
        ("x-forwarded-for", "198.51.100.1, 10.0.0.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "www.shop.example"),
        ("x-real-ip", "198.51.100.1"),
    ];

    fn said() -> HeaderMap {
        let named = |(name, value): (&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        SAID.map(named).into_iter().collect()
    }

    fn recorded(peer: &str, is_tls: bool) -> Vec<(String, String)> {
        let mut headers = said();
        Origin::new(peer.parse().unwrap(), &Network::private(), is_tls).record(&mut headers);
        let line = |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), value.to_str().unwrap().to_owned());
        headers.iter().map(line).collect()
    }

    #[test]
    fn a_trusted_proxys_word_is_passed_on_with_ours_behind_it() {
        let found = recorded("10.0.0.2", false);
        for line in [
            (
                "forwarded",
                "for=198.51.100.1;proto=https, for=10.0.0.2;host=\"shop.example\";proto=http",
            ),
            ("x-forwarded-for", "198.51.100.1, 10.0.0.9, 10.0.0.2"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "www.shop.example"),
            ("x-real-ip", "198.51.100.1"),
        ] {
            assert!(
                found.contains(&(line.0.to_owned(), line.1.to_owned())),
                "{line:?} in {found:?}"
            );
        }
    }

    #[test]
    fn anybody_elses_word_about_itself_is_replaced() {
        let mut found = recorded("2001:db8::7", true);
        found.sort();
        let expected = [
            ("forwarded", "for=\"[2001:db8::7]\";host=\"shop.example\";proto=https"),
            ("host", "shop.example"),
            ("x-forwarded-for", "2001:db8::7"),
            ("x-forwarded-host", "shop.example"),
            ("x-forwarded-proto", "https"),
        ];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn the_client_is_the_last_hop_that_is_no_trusted_proxy() {
        let trusted = Network::private();
        let client = |peer: &str| {
            let origin = Origin::new(peer.parse().unwrap(), &trusted, false);
            origin.client(&said(), &trusted).to_string()
        };
        assert_eq!(client("10.0.0.2"), "198.51.100.1");
        assert_eq!(client("203.0.113.5"), "203.0.113.5");
    }
}
