//! The site: files from the bucket, through the cache, and the API.

use super::balancer::Balancer;
use super::cache::Cache;
use super::encoding;
use super::freshness;
use super::origin::{Fetched, Head, Object, Origin, Streamed};
use super::path::{climbs, is_route, key_of};
use crate::range::{self, Asked};
use crate::reply::{self, Body};
use crate::serve::Handler;
use http::header::{
    ACCEPT_RANGES, AGE, ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE, VARY,
};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

pub struct Site {
    pub entry: String,
    pub api_prefix: String,
    pub api: Arc<Balancer>,
    pub origin: Origin,
    pub cache: Arc<Cache>,
}

/// An object to answer with.
enum File {
    Cached { object: Arc<Object>, age_seconds: u64 },
    Fetched(Arc<Object>),
    Streamed(Box<Streamed>),
}

impl Handler for Site {
    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let path = request.uri().path();
        if path.starts_with(&self.api_prefix) {
            return match climbs(path) {
                true => refusal(StatusCode::BAD_REQUEST, "the path climbs out of the API"),
                false => self.api.forward(request, peer).await,
            };
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "files can only be read");
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let Some(key) = key_of(path, &self.entry) else {
            return refusal(StatusCode::BAD_REQUEST, "no file can have such a path");
        };
        match self.find_or_entry(&key).await {
            Ok(Some(file)) => file.respond(request.method(), request.headers()),
            Ok(None) => refusal(StatusCode::NOT_FOUND, "no such file"),
            Err(error) => {
                tracing::error!(key, error, "the bucket did not answer");
                refusal(StatusCode::BAD_GATEWAY, "the bucket did not answer")
            }
        }
    }
}

impl Site {
    /// A route of the client's is answered with the entry document, which knows what to show for it.
    async fn find_or_entry(&self, key: &str) -> Result<Option<File>, String> {
        // A folder is no object, so a key with a slash at its end can only be a route.
        if !key.ends_with('/')
            && let Some(file) = self.find(key).await?
        {
            return Ok(Some(file));
        }
        if is_route(key) {
            self.find(&self.entry).await
        } else {
            Ok(None)
        }
    }

    async fn find(&self, key: &str) -> Result<Option<File>, String> {
        let cached = self.cache.get(key, Instant::now());
        let stale = match cached {
            Some(found) if found.is_fresh => {
                return Ok(Some(File::Cached {
                    object: found.object,
                    age_seconds: found.age_seconds,
                }));
            }
            Some(found) => Some(found.object),
            None => None,
        };
        let began = self.cache.epoch();
        let known_etag = stale.as_ref().map(|object| object.head.etag.as_str());
        let object = match (self.origin.fetch(key, known_etag).await?, stale) {
            (Fetched::Whole(object), _) | (Fetched::Unchanged, Some(object)) => object,
            (Fetched::Streamed(streamed), _) => {
                self.cache.remove(key);
                return Ok(Some(File::Streamed(streamed)));
            }
            (Fetched::Missing, _) => {
                self.cache.remove(key);
                return Ok(None);
            }
            (Fetched::Unchanged, None) => return Err("the bucket answered 304 to a request without a condition".into()),
        };
        let freshness = freshness::of(object.head.cache_control.as_deref());
        self.cache.put(began, key, object.clone(), freshness, Instant::now());
        Ok(Some(File::Fetched(object)))
    }
}

impl File {
    fn respond(self, method: &Method, request: &HeaderMap) -> Response<Body> {
        let varies = encoding::is_compressed(self.head());
        let file = match varies && !encoding::reads_gzip(request) {
            true => self.plain(),
            false => self,
        };
        let mut response = file.respond_as_is(method, request);
        if varies {
            response
                .headers_mut()
                .insert(VARY, HeaderValue::from_static("accept-encoding"));
        }
        response
    }

    /// What is too large to keep in memory stays as it is.
    fn plain(self) -> Self {
        match &self {
            Self::Cached { object, age_seconds } => encoding::plain(object).map(|object| Self::Cached {
                object: Arc::new(object),
                age_seconds: *age_seconds,
            }),
            Self::Fetched(object) => encoding::plain(object).map(|object| Self::Fetched(Arc::new(object))),
            Self::Streamed(_) => None,
        }
        .unwrap_or(self)
    }

    fn respond_as_is(self, method: &Method, request: &HeaderMap) -> Response<Body> {
        let head = self.head().clone();
        let (cache, age) = match &self {
            Self::Cached { age_seconds, .. } => ("hit", Some(*age_seconds)),
            _ => ("miss", None),
        };
        let mut response = if is_unchanged(request, &head.etag) {
            reply::empty(StatusCode::NOT_MODIFIED)
        } else {
            let mut response = self.content(method, request, &head.etag);
            describe(response.headers_mut(), &head);
            response
        };
        let headers = response.headers_mut();
        insert(headers, ETAG, Some(&head.etag));
        insert(headers, CACHE_CONTROL, head.cache_control.as_ref());
        headers.insert(X_CACHE, HeaderValue::from_static(cache));
        if let Some(age) = age {
            headers.insert(AGE, HeaderValue::from(age));
        }
        response
    }

    fn head(&self) -> &Head {
        match self {
            Self::Cached { object, .. } | Self::Fetched(object) => &object.head,
            Self::Streamed(streamed) => &streamed.head,
        }
    }

    fn content(self, method: &Method, request: &HeaderMap, etag: &str) -> Response<Body> {
        let object = match self {
            Self::Cached { object, .. } | Self::Fetched(object) => object,
            Self::Streamed(streamed) if method == Method::HEAD => return without_body(streamed.size),
            Self::Streamed(streamed) => {
                return reply::file(StatusCode::OK, streamed.body.into_async_read(), streamed.size);
            }
        };
        let size = object.bytes.len() as u64;
        if method == Method::HEAD {
            return without_body(size);
        }
        let wanted = text(request, RANGE).filter(|_| text(request, IF_RANGE).is_none_or(|known| known == etag));
        let mut response = match range::parse(wanted, size) {
            Asked::Whole => Response::new(reply::whole(object.bytes.clone())),
            Asked::Part(part) => {
                // The bytes are in memory, so their positions fit.
                let bytes = object.bytes.slice(part.start as usize..part.end as usize);
                let mut response = Response::new(reply::whole(bytes));
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                let range = format!("bytes {}-{}/{size}", part.start, part.end - 1);
                insert(response.headers_mut(), CONTENT_RANGE, Some(&range));
                response
            }
            Asked::Unsatisfiable => {
                let mut response = reply::empty(StatusCode::RANGE_NOT_SATISFIABLE);
                insert(response.headers_mut(), CONTENT_RANGE, Some(&format!("bytes */{size}")));
                response
            }
        };
        response
            .headers_mut()
            .insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        response
    }
}

fn without_body(size: u64) -> Response<Body> {
    let mut response = reply::empty(StatusCode::OK);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(size));
    response
}

fn describe(headers: &mut HeaderMap, head: &Head) {
    insert(headers, CONTENT_TYPE, head.content_type.as_ref());
    insert(headers, CONTENT_ENCODING, head.content_encoding.as_ref());
    insert(headers, CONTENT_LANGUAGE, head.content_language.as_ref());
    insert(headers, CONTENT_DISPOSITION, head.content_disposition.as_ref());
    insert(headers, LAST_MODIFIED, head.last_modified.as_ref());
}

/// What a publisher wrote that cannot be a header is left out.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: Option<&String>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
        headers.insert(name, value);
    }
}

/// By the weak comparison, as `If-None-Match` has it.
fn is_unchanged(request: &HeaderMap, etag: &str) -> bool {
    let strong = |text: &str| text.trim().trim_start_matches("W/").to_owned();
    text(request, IF_NONE_MATCH).is_some_and(|known| {
        known
            .split(',')
            .any(|known| known.trim() == "*" || strong(known) == strong(etag))
    })
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Never to be kept: the next publication may change the answer.
fn refusal(status: StatusCode, error: &str) -> Response<Body> {
    let mut response = reply::json(status, &serde_json::json!({"error": error}));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
