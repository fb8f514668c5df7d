//! Requests that get the router's own answer.

use crate::body::Download;
use crate::connection::InRequest;
use contract::ReleaseId;
use http::{HeaderValue, Response, StatusCode, header};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Not a request that can be forwarded without doubt about its meaning.
    Malformed(&'static str),
    TooMany,
    TooLarge,
    NoSite,
    NoBackend,
    /// For maintenance; when to come back, in seconds.
    Held(u32),
    NoSuchRelease(ReleaseId),
    Unreachable,
    BrokenOff,
    ClientSilent,
    BackendSilent,
}

impl Refusal {
    pub fn into_response(self, in_request: InRequest) -> Response<Download> {
        let (status, text) = match self {
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "This request was not understood.\n"),
            Self::TooMany => (StatusCode::SERVICE_UNAVAILABLE, "Too many requests at once.\n"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The request's body is too large.\n"),
            Self::NoSite => (StatusCode::NOT_FOUND, "Nothing is served under this name.\n"),
            Self::Held(_) => (StatusCode::SERVICE_UNAVAILABLE, "Down for maintenance; back soon.\n"),
            Self::NoBackend => (StatusCode::SERVICE_UNAVAILABLE, "Nothing is running here yet.\n"),
            Self::NoSuchRelease(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The release asked for is not running, or not ready.\n",
            ),
            Self::Unreachable => (StatusCode::BAD_GATEWAY, "The service could not be reached.\n"),
            Self::BrokenOff => (StatusCode::BAD_GATEWAY, "The service broke off before it answered.\n"),
            Self::ClientSilent => (StatusCode::REQUEST_TIMEOUT, "The request's body stopped coming.\n"),
            Self::BackendSilent => (StatusCode::GATEWAY_TIMEOUT, "The service did not answer in time.\n"),
        };
        let mut response = Response::new(Download::own(text, in_request));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = if let Self::Held(seconds) = self { seconds } else { 1 };
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // Where one request of these ends is in doubt, or its body was never read: nothing more is read from there.
        if matches!(
            self,
            Self::Malformed(_) | Self::TooLarge | Self::ClientSilent | Self::BackendSilent | Self::BrokenOff
        ) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
