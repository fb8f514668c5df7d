//! What changes in a request and a response on their way through: headers, and the tunnel behind an upgrade.

use http::header::{
    CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri, Version};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;

/// Headers that are about one connection, not about the message (RFC 9110 §7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The protocol that a request asks, or a response agrees, to switch to.
pub fn upgrade_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let asks = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let asks = asks
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    headers.get(UPGRADE).filter(|_| asks).cloned()
}

pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|token| token.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Readies a request's head for a host, whose address is filled in for each attempt.
pub fn prepare(parts: &mut Parts, peer: SocketAddr) {
    let upgrade = upgrade_of(&parts.headers);
    strip_hop_by_hop(&mut parts.headers);
    if let Some(protocol) = upgrade {
        parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        parts.headers.insert(UPGRADE, protocol);
    }
    // Answered here, as soon as the body is read.
    parts.headers.remove(EXPECT);
    let host = parts
        .uri
        .authority()
        .and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    let host = host.or_else(|| parts.headers.get(HOST).cloned());
    // Set, not added to: this is the outermost machine, and what a client claims about itself is not passed on.
    if let Ok(address) = HeaderValue::from_str(&peer.ip().to_string()) {
        parts.headers.insert(FORWARDED_FOR, address);
    }
    parts.headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    parts.headers.remove(FORWARDED_HOST);
    if let Some(host) = host {
        parts.headers.insert(FORWARDED_HOST, host.clone());
        parts.headers.insert(HOST, host);
    }
    parts.version = Version::HTTP_11;
}

pub fn uri_at(host: SocketAddr, path: Option<&PathAndQuery>) -> Result<Uri, http::Error> {
    let authority: Authority = host.to_string().parse()?;
    let path = path.cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(authority)
        .path_and_query(path)
        .build()
}

/// Carries bytes both ways until one side ends.
pub fn tunnel(client: OnUpgrade, host: OnUpgrade) {
    tokio::spawn(async move {
        let (client, host) = match tokio::try_join!(client, host) {
            Ok(both) => both,
            Err(error) => return tracing::debug!(%error, "upgrade failed"),
        };
        let (mut client, mut host) = (TokioIo::new(client), TokioIo::new(host));
        if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut host).await {
            tracing::debug!(%error, "tunnel broke off");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    #[test]
    fn headers_of_the_connection_stay_on_it() {
        let request = Request::builder()
            .uri("/a?b")
            .header("Host", "shop.test")
            .header("Connection", "keep-alive, X-Private")
            .header("X-Private", "1")
            .header("Transfer-Encoding", "chunked")
            .header("X-Forwarded-For", "6.6.6.6")
            .header("X-Forwarded-Host", "evil.test")
            .header("X-Kept", "1");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        prepare(&mut parts, "127.0.0.1:5".parse().unwrap());
        let mut left: Vec<String> = parts
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        left.sort();
        let expected = [
            "host: shop.test",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: shop.test",
            "x-forwarded-proto: http",
            "x-kept: 1",
        ];
        assert_eq!(left, expected);
    }

    #[test]
    fn an_upgrade_is_passed_on_only_when_both_headers_ask_for_it() {
        let ask = |connection: &str| {
            let request = Request::builder()
                .header("Connection", connection)
                .header("Upgrade", "websocket");
            let (mut parts, ()) = request.body(()).unwrap().into_parts();
            prepare(&mut parts, "127.0.0.1:5".parse().unwrap());
            parts.headers.get(UPGRADE).cloned()
        };
        assert_eq!(ask("keep-alive, Upgrade"), Some(HeaderValue::from_static("websocket")));
        assert_eq!(ask("keep-alive"), None);
    }

    #[test]
    fn the_host_replaces_what_the_request_was_addressed_to() {
        let path: PathAndQuery = "/a%20b?c=d".parse().unwrap();
        assert_eq!(
            uri_at("127.0.0.1:80".parse().unwrap(), Some(&path)).unwrap(),
            "http://127.0.0.1:80/a%20b?c=d"
        );
    }
}
