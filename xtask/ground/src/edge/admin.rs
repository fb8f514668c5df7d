//! The admin interface: invalidations, and whether the ground is up.

use super::cache::Cache;
use super::invalidations::{Invalidations, MAX_PATHS, Pattern};
use crate::reply::{self, Body};
use crate::serve::Handler;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;

const MAX_BODY_BYTES: usize = 4 << 20;

pub struct Admin {
    cache: Arc<Cache>,
    entry: String,
    invalidations: Arc<Invalidations>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    paths: Vec<String>,
}

impl Admin {
    pub fn new(cache: Arc<Cache>, entry: String) -> Self {
        Self {
            cache,
            entry,
            invalidations: Arc::default(),
        }
    }

    async fn invalidate(&self, request: Request<Incoming>) -> Response<Body> {
        let body = match Limited::new(request.into_body(), MAX_BODY_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return refusal(StatusCode::PAYLOAD_TOO_LARGE, &error.to_string()),
        };
        match self.parse(&body) {
            Ok(patterns) => {
                let invalidation = self.invalidations.start(self.cache.clone(), patterns);
                reply::json(StatusCode::ACCEPTED, &invalidation)
            }
            Err(error) => refusal(StatusCode::BAD_REQUEST, &error),
        }
    }

    fn parse(&self, body: &[u8]) -> Result<Vec<Pattern>, String> {
        let expected = "expected {\"paths\": [\"/index.html\", …]}";
        let wanted: Wanted = serde_json::from_slice(body).map_err(|error| format!("{expected}: {error}"))?;
        if wanted.paths.is_empty() || wanted.paths.len() > MAX_PATHS {
            return Err(format!("expected 1 to {MAX_PATHS} paths, found {}", wanted.paths.len()));
        }
        wanted
            .paths
            .iter()
            .map(|path| Pattern::parse(path, &self.entry))
            .collect()
    }
}

impl Handler for Admin {
    async fn answer(&self, request: Request<Incoming>, _peer: SocketAddr) -> Response<Body> {
        let path = request.uri().path();
        match (request.method(), path.strip_prefix("/invalidations/")) {
            (&Method::GET, Some(id)) => match self.invalidations.get(id) {
                Some(invalidation) => reply::json(StatusCode::OK, &invalidation),
                None => refusal(StatusCode::NOT_FOUND, "no such invalidation, or it was long ago"),
            },
            (&Method::POST, None) if path == "/invalidations" => self.invalidate(request).await,
            (&Method::GET, None) if path == "/health" => {
                let version = env!("CARGO_PKG_VERSION");
                reply::json(
                    StatusCode::OK,
                    &json!({"ok": true, "pid": std::process::id(), "version": version}),
                )
            }
            _ => refusal(
                StatusCode::NOT_FOUND,
                "expected POST /invalidations, GET /invalidations/ID or GET /health",
            ),
        }
    }
}

fn refusal(status: StatusCode, error: &str) -> Response<Body> {
    reply::json(status, &json!({"error": error}))
}
