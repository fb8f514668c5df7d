//! Makes the edge forget what it has cached. CloudFront will stand behind the same two verbs.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_POLL: Duration = Duration::from_millis(20);
const SLOWEST_POLL: Duration = Duration::from_secs(1);

/// Under the limits of every CDN we know.
const MAX_PATHS: usize = 15;

/// The local ground's edge, by its admin address.
#[derive(Debug, Clone)]
pub struct Edge {
    http: reqwest::Client,
    admin: SocketAddr,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InvalidationId(String);

impl fmt::Display for InvalidationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    #[error("expected 1 to {MAX_PATHS} paths to invalidate, found {0}: name the entry document, assets never change")]
    Paths(usize),
    #[error("the edge at {admin} did not {verb}: {why}")]
    Request {
        admin: SocketAddr,
        verb: &'static str,
        why: String,
    },
    #[error("invalidation {id} was still `{status}` after {waited_ms} ms")]
    Deadline {
        id: InvalidationId,
        status: String,
        waited_ms: u128,
    },
}

#[derive(Debug, Serialize)]
struct Invalidate<'a> {
    paths: &'a [&'a str],
}

#[derive(Debug, Deserialize)]
struct Accepted {
    id: InvalidationId,
}

#[derive(Debug, Deserialize)]
struct Invalidation {
    status: String,
}

impl Edge {
    pub fn new(admin: SocketAddr) -> Result<Self, EdgeError> {
        // On this machine and without TLS: neither proxies nor certificates have a part in it.
        let http = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).no_proxy();
        let http = http.tls_certs_only([]).build().map_err(|error| EdgeError::Request {
            admin,
            verb: "get a client",
            why: error.to_string(),
        })?;
        Ok(Self { http, admin })
    }

    /// Asks the edge to fetch these paths anew; [`Edge::wait`] says when it does.
    pub async fn invalidate(&self, paths: &[&str]) -> Result<InvalidationId, EdgeError> {
        if paths.is_empty() || paths.len() > MAX_PATHS {
            return Err(EdgeError::Paths(paths.len()));
        }
        let request = self
            .http
            .post(format!("http://{}/invalidations", self.admin))
            .json(&Invalidate { paths });
        let accepted: Accepted = self.answer("take the invalidation", request).await?;
        Ok(accepted.id)
    }

    /// Until no user gets what was cached before.
    pub async fn wait(&self, id: &InvalidationId, deadline: Duration) -> Result<(), EdgeError> {
        let start = Instant::now();
        let mut pause = FIRST_POLL;
        loop {
            let request = self.http.get(format!("http://{}/invalidations/{id}", self.admin));
            let invalidation: Invalidation = self.answer("tell of the invalidation", request).await?;
            if invalidation.status == "completed" {
                return Ok(());
            }
            if start.elapsed() + pause > deadline {
                let waited_ms = start.elapsed().as_millis();
                return Err(EdgeError::Deadline {
                    id: id.clone(),
                    status: invalidation.status,
                    waited_ms,
                });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(SLOWEST_POLL);
        }
    }

    async fn answer<T: serde::de::DeserializeOwned>(
        &self,
        verb: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<T, EdgeError> {
        let failed = |why: String| EdgeError::Request {
            admin: self.admin,
            verb,
            why,
        };
        let response = request.send().await.map_err(|error| failed(causes(&error)))?;
        if !response.status().is_success() {
            return Err(failed(format!("it answered {}", response.status())));
        }
        response.json().await.map_err(|error| failed(causes(&error)))
    }
}

/// reqwest's own message leaves out why: `connection refused` is two causes down.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |error| error.source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
