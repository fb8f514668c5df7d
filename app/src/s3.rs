//! The bucket: any store that speaks S3, addressed by path.
//!
//! Four operations and a signature are all that is asked of it. The vendor's SDK would bring some eighty crates into a
//! binary that is built anew for each release.

mod signature;

use crate::config::BucketConfig;
use crate::problem::{Code, Problem};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use signature::{Moment, Signed, Signer, UNSIGNED_PAYLOAD, sha256};
use std::time::Duration;

/// Well within the time that a request has.
const TIMEOUT: Duration = Duration::from_secs(5);
const CONTENT_SHA256: &str = "x-amz-content-sha256";
const DATE: &str = "x-amz-date";
/// What is kept under a key is never changed.
const FOREVER: &str = "public, max-age=31536000, immutable";

// No `Debug`: the signer holds a secret.
pub struct Bucket {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    endpoint: Uri,
    public_endpoint: Uri,
    name: String,
    signer: Signer,
}

impl Bucket {
    pub fn new(config: &BucketConfig) -> Bucket {
        // Fails only when it has been installed already, which is as good.
        rustls::crypto::ring::default_provider().install_default().ok();
        let https = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .build();
        Bucket {
            client: Client::builder(TokioExecutor::new()).build(https),
            endpoint: config.endpoint.clone(),
            public_endpoint: config.public_endpoint.clone(),
            name: config.name.clone(),
            signer: Signer {
                access_key_id: config.access_key_id.clone(),
                secret_access_key: config.secret_access_key.clone(),
                region: config.region.clone(),
            },
        }
    }

    pub async fn put(&self, key: &str, content_type: &'static str, bytes: Vec<u8>) -> Result<(), Problem> {
        let headers = HeaderMap::from_iter([
            (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
            (header::CACHE_CONTROL, HeaderValue::from_static(FOREVER)),
        ]);
        let answer = self.ask(Method::PUT, key, &headers, bytes).await?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(unexpected(&format!("PUT answered {status}"))),
        }
    }

    /// `None` if nothing is kept under this key. The headers may ask for a range or set a condition.
    pub async fn get(&self, key: &str, headers: &HeaderMap) -> Result<Option<Response<Body>>, Problem> {
        let answer = self.ask(Method::GET, key, headers, Vec::new()).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK
            | StatusCode::PARTIAL_CONTENT
            | StatusCode::NOT_MODIFIED
            | StatusCode::PRECONDITION_FAILED
            | StatusCode::RANGE_NOT_SATISFIABLE => Ok(Some(answer)),
            status => Err(unexpected(&format!("GET answered {status}"))),
        }
    }

    pub async fn delete(&self, key: &str) -> Result<(), Problem> {
        let answer = self.ask(Method::DELETE, key, &HeaderMap::new(), Vec::new()).await?;
        match answer.status() {
            status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(()),
            status => Err(unexpected(&format!("DELETE answered {status}"))),
        }
    }

    /// An address where whoever has it may put exactly this many bytes of this type.
    pub fn presigned_put(&self, key: &str, content_type: &str, bytes: usize, lifetime: Duration) -> String {
        let host = host(&self.public_endpoint);
        let request = Signed {
            method: "PUT",
            path: &self.path(key),
            headers: &[
                ("content-length", &bytes.to_string()),
                ("content-type", content_type),
                ("host", host),
            ],
            payload: UNSIGNED_PAYLOAD,
        };
        let path_and_query = self.signer.presigned(&request, &Moment::now(), lifetime);
        let scheme = self.public_endpoint.scheme_str().unwrap_or("https");
        format!("{scheme}://{host}{path_and_query}")
    }

    async fn ask(
        &self,
        method: Method,
        key: &str,
        headers: &HeaderMap,
        payload: Vec<u8>,
    ) -> Result<Response<Body>, Problem> {
        let (host, path) = (host(&self.endpoint), self.path(key));
        let (moment, hash) = (Moment::now(), sha256(&payload));
        let signed = Signed {
            method: method.as_str(),
            path: &path,
            headers: &[("host", host), (CONTENT_SHA256, &hash), (DATE, moment.as_str())],
            payload: &hash,
        };
        let authorization = self.signer.authorization(&signed, &moment);
        let scheme = self.endpoint.scheme_str().unwrap_or("https");
        let mut request = Request::builder()
            .method(&method)
            .uri(format!("{scheme}://{host}{path}"))
            .header(header::HOST, host)
            .header(CONTENT_SHA256, hash)
            .header(DATE, moment.as_str())
            .header(header::AUTHORIZATION, authorization)
            .body(Body::from(payload))
            .map_err(|error| Problem::internal(&error))?;
        request.headers_mut().extend(headers.clone());
        match tokio::time::timeout(TIMEOUT, self.client.request(request)).await {
            Ok(Ok(answer)) => Ok(answer.map(Body::new)),
            Ok(Err(error)) => Err(unexpected(&format!("{method}: {error:?}"))),
            Err(_) => Err(unexpected(&format!("{method}: no answer within {TIMEOUT:?}"))),
        }
    }

    /// Names of buckets, and our own keys, need no escapes.
    fn path(&self, key: &str) -> String {
        format!("/{}/{key}", self.name)
    }
}

fn host(endpoint: &Uri) -> &str {
    endpoint.authority().map_or("", |authority| authority.as_str())
}

fn unexpected(cause: &str) -> Problem {
    tracing::warn!(cause, "bucket unavailable");
    Problem::new(Code::BucketUnavailable)
}
