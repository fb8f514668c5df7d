//! What the registry answers when it does not do what was asked: the error document of the distribution specification.

use crate::reply::{self, Body};
use contract::Digest;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use std::io;

#[derive(Debug)]
pub struct Refusal {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
    headers: Vec<(HeaderName, String)>,
}

impl Refusal {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            headers: Vec::new(),
        }
    }

    pub fn with_header(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub fn blob_unknown(digest: Digest) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "BLOB_UNKNOWN",
            format!("no blob `{digest}` in this registry"),
        )
    }

    pub fn upload_unknown(id: &str) -> Self {
        let message = format!("no upload `{id}`: it was finished, cancelled or swept; start another");
        Self::new(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", message)
    }

    pub fn manifest_unknown(name: &str, reference: &str) -> Self {
        let message = format!("no manifest `{reference}` in `{name}`");
        Self::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", message)
    }

    pub fn into_response(self) -> Response<Body> {
        let detail = serde_json::json!({"errors": [{"code": self.code, "message": self.message}]});
        let mut response = reply::json(self.status, &detail);
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "UNKNOWN",
                "the registry's disk is full; free some space",
            ),
            _ => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "UNKNOWN",
                format!("the registry's disk: {error}"),
            ),
        }
    }
}
