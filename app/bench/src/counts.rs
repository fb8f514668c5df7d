//! How many statements a request takes: by the API's own count, and here where sqlx reports them.

use crate::api::Connection;
use crate::kind::Kind;
use anyhow::Context;
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tracing::{Event, Metadata, Subscriber, span};

static COUNTED: AtomicU64 = AtomicU64::new(0);
static IS_COUNTING: AtomicBool = AtomicBool::new(false);

/// Takes sqlx's reports while they are counted, and costs nothing while they are not.
struct Counter;

impl Subscriber for Counter {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        IS_COUNTING.load(Ordering::Relaxed) && metadata.target() == "sqlx::query"
    }

    fn register_callsite(&self, _: &'static Metadata<'static>) -> tracing::subscriber::Interest {
        tracing::subscriber::Interest::sometimes()
    }

    fn event(&self, _: &Event<'_>) {
        COUNTED.fetch_add(1, Ordering::Relaxed);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

pub fn listen() {
    // Fails only where another has been set, which is nowhere.
    tracing::subscriber::set_global_default(Counter).ok();
}

/// The statements of `work`, while nothing else runs.
pub async fn here<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<u64> {
    COUNTED.store(0, Ordering::Relaxed);
    IS_COUNTING.store(true, Ordering::Relaxed);
    let outcome = work.await;
    IS_COUNTING.store(false, Ordering::Relaxed);
    outcome.map(|_| COUNTED.load(Ordering::Relaxed))
}

/// Requests of this kind by the number of their statements, as the API tells it.
async fn told(api: &mut Connection, kind: Kind) -> anyhow::Result<Vec<(u64, u64)>> {
    let (_, metrics) = api.send("GET", "/metrics", None, Bytes::new()).await?;
    let metrics = String::from_utf8_lossy(&metrics);
    let (method, route) = kind.route();
    Ok(parse(&metrics, method, route))
}

fn parse(metrics: &str, method: &str, route: &str) -> Vec<(u64, u64)> {
    let start = format!("http_requests_by_queries_total{{method=\"{method}\",route=\"{route}\",queries=\"");
    let lines = metrics.lines().filter_map(|line| line.strip_prefix(&start));
    lines
        .filter_map(|line| {
            let (queries, count) = line.split_once("\"} ")?;
            Some((queries.parse().ok()?, count.parse().ok()?))
        })
        .collect()
}

/// The statements that the API took for the one request of this kind that `work` sends.
pub async fn there<T>(
    api: &mut Connection,
    kind: Kind,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<u64> {
    let before = told(api, kind).await?;
    work.await?;
    let after = told(api, kind).await?;
    let counted = |counts: &[(u64, u64)], queries: u64| {
        let found = counts.iter().find(|(found, _)| *found == queries);
        found.map_or(0, |(_, count)| *count)
    };
    let risen = after
        .iter()
        .find(|(queries, count)| *count > counted(&before, *queries));
    risen
        .map(|(queries, _)| *queries)
        .with_context(|| format!("the API has counted no {}", kind.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_by_method_and_route() {
        let metrics = "http_requests_by_queries_total{method=\"GET\",route=\"/api/feed\",queries=\"2\"} 7\n\
                       http_requests_by_queries_total{method=\"GET\",route=\"/api/feed\",queries=\"3\"} 1\n\
                       http_requests_by_queries_total{method=\"GET\",route=\"/api/posts\",queries=\"2\"} 9\n";
        assert_eq!(parse(metrics, "GET", "/api/feed"), [(2, 7), (3, 1)]);
        assert_eq!(parse(metrics, "POST", "/api/feed"), []);
    }
}
