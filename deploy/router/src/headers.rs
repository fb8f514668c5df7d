//! What changes in the headers on their way through, in both directions.

use crate::origin::Origin;
use contract::{ReleaseId, TESTER_HEADER};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri, Version, request};

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
pub fn to_backend(parts: &mut request::Parts, origin: &Origin) -> Result<(), &'static str> {
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
    origin.record(headers);
    join_cookies(headers);
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
    let is_named = count == 1 || parts.uri.authority().is_some();
    if !is_named && parts.version != Version::HTTP_10 {
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

/// HTTP/2 may send each in a line of its own, which HTTP/1.1 does not know.
fn join_cookies(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(header::COOKIE).iter();
    let (Some(_), Some(_)) = (lines.next(), lines.next()) else {
        return;
    };
    let lines: Vec<&[u8]> = headers
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
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
        let origin = Origin::new("10.0.0.7".parse().unwrap(), &contract::Network::private(), false);
        to_backend(&mut parts, &origin).map(|()| parts)
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
            "forwarded",
            "host",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-request-id",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_request_id_is_kept_and_cookies_come_in_one_line() {
        let given = [
            ("host", "a"),
            ("cookie", "a=1"),
            ("x-request-id", "abc"),
            ("cookie", "b=2; c=3"),
        ];
        let headers = through(&given, "/").unwrap().headers;
        assert_eq!(headers[REQUEST_ID], "abc");
        let cookies: Vec<&HeaderValue> = headers.get_all("cookie").iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3"]);

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
        assert!(through(&[], "/").is_err() && through(&[], "http://a/").is_ok());
        assert!(through(&[("host", "a"), ("host", "a")], "/").is_err());
    }
}
