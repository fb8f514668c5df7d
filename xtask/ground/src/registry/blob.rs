//! Reading blobs.

use super::refusal::Refusal;
use super::{Registry, manifest::DIGEST_HEADER};
use crate::range::{self, Asked};
use crate::reply::{self, Body};
use contract::Digest;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, RANGE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use std::io::SeekFrom;
use tokio::io::AsyncSeekExt;

impl Registry {
    pub(super) async fn get_blob(
        &self,
        request: &Request<Incoming>,
        digest: Digest,
    ) -> Result<Response<Body>, Refusal> {
        let Some((mut file, size)) = self.blobs.read(digest).await? else {
            return Err(Refusal::blob_unknown(digest));
        };
        let asked = range::parse(request.headers().get(RANGE).and_then(|value| value.to_str().ok()), size);
        let mut response = match asked {
            _ if request.method() == Method::HEAD => {
                let mut response = reply::empty(StatusCode::OK);
                response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(size));
                response
            }
            Asked::Whole => reply::file(StatusCode::OK, file, size),
            Asked::Part(part) => {
                file.seek(SeekFrom::Start(part.start)).await?;
                let mut response = reply::file(StatusCode::PARTIAL_CONTENT, file, part.end - part.start);
                let range = format!("bytes {}-{}/{size}", part.start, part.end - 1);
                response.headers_mut().insert(CONTENT_RANGE, header(&range)?);
                response
            }
            Asked::Unsatisfiable => {
                let message = format!("the range lies beyond the blob's {size} bytes");
                return Err(Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UNKNOWN", message)
                    .with_header(CONTENT_RANGE, format!("bytes */{size}")));
            }
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(ETAG, header(&format!("\"{digest}\""))?);
        headers.insert(DIGEST_HEADER, header(&digest.to_string())?);
        Ok(response)
    }
}

/// All our header values are of checked parts; were one not, that is an error of ours, not a panic.
pub(super) fn header(text: &str) -> Result<HeaderValue, Refusal> {
    HeaderValue::from_str(text)
        .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", error.to_string()))
}
