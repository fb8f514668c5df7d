//! Which hosts answer: probed in the background, so that no request waits to find out.

use super::balancer::Balancer;
use futures_util::future::join_all;
use http::{Request, Uri};
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

const PROBE_INTERVAL: Duration = Duration::from_millis(500);
const PROBE_TIMEOUT: Duration = Duration::from_millis(1_000);
const FAILURES_UNTIL_OUT: u32 = 2;

/// Two failed probes in a row take a host out, one that passes brings it back. Healthy until shown otherwise.
#[derive(Debug, Default)]
pub struct Health {
    failures: AtomicU32,
}

impl Health {
    pub fn is_good(&self) -> bool {
        self.failures.load(Ordering::Relaxed) < FAILURES_UNTIL_OUT
    }

    /// Says whether this changed the verdict.
    fn record(&self, passed: bool) -> bool {
        let was_good = self.is_good();
        let before = self.failures.load(Ordering::Relaxed);
        let failures = if passed {
            0
        } else {
            (before + 1).min(FAILURES_UNTIL_OUT)
        };
        self.failures.store(failures, Ordering::Relaxed);
        was_good != self.is_good()
    }
}

type Prober = Client<HttpConnector, Empty<bytes::Bytes>>;

impl Balancer {
    /// Never ends; runs beside the balancer.
    pub async fn watch_health(self: Arc<Self>) {
        // A new connection each time: an old one may be answered by a process that takes no new ones.
        let prober: Prober = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build_http();
        let mut ticks = tokio::time::interval(PROBE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let probes = self
                .hosts()
                .iter()
                .map(|host| probe(&prober, host.address, self.health_path()));
            for (host, passed) in self.hosts().iter().zip(join_all(probes).await) {
                if host.health.record(passed) {
                    let (environment, address) = (self.environment(), host.address);
                    tracing::info!(%environment, %address, healthy = passed, "host changed");
                }
            }
        }
    }
}

async fn probe(prober: &Prober, host: SocketAddr, path: &str) -> bool {
    let Ok(uri) = format!("http://{host}{path}").parse::<Uri>() else {
        return false;
    };
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = uri;
    let answer = tokio::time::timeout(PROBE_TIMEOUT, prober.request(request)).await;
    matches!(answer, Ok(Ok(response)) if response.status().is_success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_failures_take_a_host_out_and_one_pass_brings_it_back() {
        let health = Health::default();
        assert!(health.is_good());
        assert!(!health.record(false));
        assert!(health.is_good(), "one failure is not enough");
        assert!(health.record(false));
        assert!(!health.is_good());
        assert!(!health.record(false));
        assert!(health.record(true));
        assert!(health.is_good());
        health.record(false);
        health.record(true);
        health.record(false);
        assert!(health.is_good(), "failures count only in a row");
    }
}
