//! What changes in the headers on their way through, in both directions.

use contract::{ReleaseId, TESTER_HEADER};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri, Version, request};
use std::net::IpAddr;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Said between two neighbours, and not to be passed on. `Trailer` is: without it no trailers would be.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Makes a client's request one to a backend. The error says why it cannot be.
pub fn to_backend(parts: &mut request::Parts, peer: IpAddr) -> Result<(), &'static str> {
    if parts.method == Method::CONNECT {
        return Err("`CONNECT` is not for servers");
    }
    settle_host(parts)?;
    let takes_trailers = parts
        .headers
        .get(header::TE)
        .is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    strip_hop_by_hop(&mut parts.headers);
    if takes_trailers {
        // So do we, on the client's behalf.
        parts.headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    // The client has been told to continue as soon as the body is wanted.
    parts.headers.remove(header::EXPECT);
    parts.version = Version::HTTP_11;

    let headers = &mut parts.headers;
    let mut chain: Vec<String> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .map(str::to_owned)
        .collect();
    chain.push(peer.to_string());
    if let Ok(chain) = HeaderValue::from_str(&chain.join(", ")) {
        headers.insert(FORWARDED_FOR, chain);
    }
    // Set by a balancer in front of us, or else by us, the first to know.
    headers
        .entry(FORWARDED_PROTO)
        .or_insert(HeaderValue::from_static("http"));
    if let Some(host) = headers.get(header::HOST).cloned() {
        headers.entry(FORWARDED_HOST).or_insert(host);
    }
    if !headers.get(REQUEST_ID).is_some_and(is_fit_request_id) {
        headers.insert(REQUEST_ID, new_request_id());
    }
    Ok(())
}

/// Makes a backend's answer one to the client.
pub fn to_client(headers: &mut HeaderMap, request_id: HeaderValue) {
    strip_hop_by_hop(headers);
    headers.entry(REQUEST_ID).or_insert(request_id);
}

/// The release that a tester asks for. What is no release id is some other software's header.
pub fn wanted_release(headers: &HeaderMap) -> Option<ReleaseId> {
    ReleaseId::parse(headers.get(TESTER_HEADER)?.to_str().ok()?).ok()
}

/// Exactly one host, in the `Host` header, and a target that does not name another.
fn settle_host(parts: &mut request::Parts) -> Result<(), &'static str> {
    let count = parts.headers.get_all(header::HOST).iter().count();
    if count > 1 {
        return Err("more than one `Host` header");
    }
    if count == 0 && parts.version == Version::HTTP_11 {
        return Err("no `Host` header");
    }
    if let Some(authority) = parts.uri.authority() {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| "a target that names no host")?;
        parts.headers.insert(header::HOST, host);
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = path.parse::<Uri>().map_err(|_| "a target without a path")?;
    }
    parts
        .headers
        .entry(header::HOST)
        .or_insert(HeaderValue::from_static("localhost"));
    Ok(())
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in listed {
        // Nobody may talk us out of these two.
        if name != header::HOST && name != header::CONTENT_LENGTH {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

fn is_fit_request_id(value: &HeaderValue) -> bool {
    (1..=128).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
}

fn new_request_id() -> HeaderValue {
    let id = format!("{:032x}", rand::random::<u128>());
    HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn through(lines: &[(&str, &str)], uri: &str) -> Result<request::Parts, &'static str> {
        let mut builder = Request::builder().uri(uri);
        for (name, value) in lines {
            builder = builder.header(*name, *value);
        }
        let mut parts = builder.body(()).unwrap().into_parts().0;
        to_backend(&mut parts, "192.0.2.7".parse().unwrap()).map(|()| parts)
    }

    #[test]
    fn what_is_said_between_neighbours_is_not_passed_on() {
        let parts = through(
            &[
                ("host", "shop.example"),
                ("connection", "keep-alive, X-Private"),
                ("connection", "host"),
                ("x-private", "1"),
                ("keep-alive", "timeout=5"),
                ("te", "gzip"),
                ("upgrade", "h2c"),
                ("proxy-authorization", "secret"),
                ("accept", "*/*"),
            ],
            "/a?b",
        );
        let headers = parts.unwrap().headers;
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let expected = [
            "accept",
            "host",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-request-id",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn the_chain_of_proxies_grows_and_a_request_id_is_kept() {
        let given = [
            ("host", "a"),
            ("x-forwarded-for", "198.51.100.1"),
            ("x-forwarded-proto", "https"),
            ("x-request-id", "abc"),
        ];
        let headers = through(&given, "/").unwrap().headers;
        assert_eq!(headers[FORWARDED_FOR], "198.51.100.1, 192.0.2.7");
        assert_eq!(headers[FORWARDED_PROTO], "https");
        assert_eq!(headers[REQUEST_ID], "abc");

        let spoilt = through(&[("host", "a"), ("x-request-id", "a b")], "/").unwrap().headers;
        assert_eq!(spoilt[REQUEST_ID].len(), 32);
    }

    #[test]
    fn a_target_with_a_host_overrides_the_header() {
        let parts = through(&[("host", "a")], "http://b.example:81/x?y").unwrap();
        assert_eq!(parts.headers[header::HOST], "b.example:81");
        assert_eq!(parts.uri, "/x?y");
    }

    #[test]
    fn no_host_or_two_are_refused() {
        assert!(through(&[], "/").is_err());
        assert!(through(&[("host", "a"), ("host", "a")], "/").is_err());
    }
}
