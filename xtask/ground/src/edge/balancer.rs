//! One environment's requests, spread over its hosts.

use super::forward::{prepare, strip_hop_by_hop, tunnel, upgrade_of, uri_at};
use super::health::Health;
use super::shared_body::SharedBody;
use crate::reply::{self, Body, BoxError};
use crate::serve::Handler;
use contract::{BalancerConfig, EnvironmentName};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// From the whole attempt's start to the head of the response; the body may then take as long as it likes.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(120);
/// Shorter than any server keeps an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
const MAX_IDLE_PER_HOST: usize = 64;
const MAX_ATTEMPTS: usize = 4;

type HostClient = Client<HttpConnector, SharedBody>;

pub struct Balancer {
    environment: EnvironmentName,
    hosts: Vec<Host>,
    health_path: String,
    turn: AtomicUsize,
    /// For safe methods, which may be sent again when a kept connection turns out to be dead.
    pooled: HostClient,
    /// For all others: a new connection cannot be one that the host is just closing.
    fresh: HostClient,
}

pub struct Host {
    pub address: SocketAddr,
    pub health: Health,
}

/// Why an attempt got no response.
enum Failure {
    /// The host never saw the request.
    NotConnected(String),
    BrokenOff(String),
    TimedOut,
}

impl Balancer {
    pub fn new(environment: &EnvironmentName, config: &BalancerConfig) -> Self {
        let client = |idle| {
            let mut connector = HttpConnector::new();
            connector.set_nodelay(true);
            connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_TIMEOUT)
                .pool_max_idle_per_host(idle)
                .set_host(false)
                .build(connector)
        };
        let hosts = config
            .hosts
            .iter()
            .map(|&address| Host {
                address,
                health: Health::default(),
            })
            .collect();
        Self {
            environment: environment.clone(),
            hosts,
            health_path: config.health_path.clone(),
            turn: AtomicUsize::new(0),
            pooled: client(MAX_IDLE_PER_HOST),
            fresh: client(0),
        }
    }

    pub fn environment(&self) -> &EnvironmentName {
        &self.environment
    }

    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    pub fn health_path(&self) -> &str {
        &self.health_path
    }

    /// Tries hosts in turn. A request is sent again only if no host can have begun to act on it: the connection failed,
    /// or its method is safe and none of its body was read.
    pub async fn forward(&self, mut request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let client_upgrade = upgrade_of(request.headers()).map(|_| hyper::upgrade::on(&mut request));
        let (mut parts, body) = request.into_parts();
        prepare(&mut parts, peer);
        let body = SharedBody::new(body);
        let order = self.order();
        // At least two, also of a single host: the first may have met a kept connection that was dead.
        let attempts = order.len().clamp(2, MAX_ATTEMPTS);
        let mut last = None;
        for (attempt, host) in order.iter().cycle().take(attempts).enumerate() {
            // Of a host that went away, more than one kept connection may be dead.
            let client = if attempt == 0 && parts.method.is_safe() {
                &self.pooled
            } else {
                &self.fresh
            };
            let failure = match try_host(client, *host, &parts, body.clone()).await {
                Ok(response) => return respond(response, client_upgrade),
                Err(failure) => failure,
            };
            let may_repeat = match &failure {
                Failure::NotConnected(_) => !body.has_begun(),
                Failure::BrokenOff(_) => parts.method.is_safe() && !body.has_begun(),
                Failure::TimedOut => false,
            };
            last = Some((*host, failure));
            if !may_repeat {
                break;
            }
        }
        self.failed(last)
    }

    /// Healthy hosts first, each group starting one further than for the request before. The unhealthy come last rather
    /// than never: when all probes fail, trying is better than refusing.
    fn order(&self) -> Vec<SocketAddr> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let (mut order, mut rest): (Vec<&Host>, Vec<&Host>) = self.hosts.iter().partition(|host| host.health.is_good());
        for group in [&mut order, &mut rest] {
            let length = group.len().max(1);
            group.rotate_left(turn % length);
        }
        order.into_iter().chain(rest).map(|host| host.address).collect()
    }

    fn failed(&self, last: Option<(SocketAddr, Failure)>) -> Response<Body> {
        let environment = &self.environment;
        let (status, error) = match last {
            None => (StatusCode::SERVICE_UNAVAILABLE, format!("`{environment}` has no hosts")),
            Some((host, Failure::NotConnected(why))) => (
                StatusCode::SERVICE_UNAVAILABLE,
                format!("no host of `{environment}` accepts connections; {host}: {why}"),
            ),
            Some((host, Failure::BrokenOff(why))) => (
                StatusCode::BAD_GATEWAY,
                format!("host {host} of `{environment}` broke off: {why}"),
            ),
            Some((host, Failure::TimedOut)) => {
                let seconds = RESPONSE_TIMEOUT.as_secs();
                (
                    StatusCode::GATEWAY_TIMEOUT,
                    format!("host {host} of `{environment}` gave no answer in {seconds} s"),
                )
            }
        };
        tracing::warn!(%environment, %status, error, "request failed");
        reply::json(status, &serde_json::json!({"error": error, "environment": environment}))
    }
}

async fn try_host(
    client: &HostClient,
    host: SocketAddr,
    parts: &Parts,
    body: SharedBody,
) -> Result<Response<Incoming>, Failure> {
    let uri = uri_at(host, parts.uri.path_and_query()).map_err(|error| Failure::BrokenOff(error.to_string()))?;
    let mut request = Request::from_parts(parts.clone(), body);
    *request.uri_mut() = uri;
    match tokio::time::timeout(RESPONSE_TIMEOUT, client.request(request)).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) if error.is_connect() => Err(Failure::NotConnected(root_cause(&error))),
        Ok(Err(error)) => Err(Failure::BrokenOff(root_cause(&error))),
        Err(_elapsed) => Err(Failure::TimedOut),
    }
}

impl Handler for Balancer {
    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        self.forward(request, peer).await
    }
}

fn respond(mut response: Response<Incoming>, client_upgrade: Option<hyper::upgrade::OnUpgrade>) -> Response<Body> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        if let Some(client) = client_upgrade {
            tunnel(client, hyper::upgrade::on(&mut response));
        }
        // Its headers are the answer to the upgrade, so all of them go to the client.
    } else {
        strip_hop_by_hop(response.headers_mut());
    }
    response.map(|body| body.map_err(BoxError::from).boxed_unsync())
}

/// The innermost error says what happened; the outer ones say only `client error`.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balancer(hosts: usize) -> Balancer {
        let hosts = (1..=hosts)
            .map(|port| SocketAddr::from(([127, 0, 0, 1], port as u16)))
            .collect();
        let config = BalancerConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            hosts,
            health_path: "/".into(),
        };
        Balancer::new(&EnvironmentName::parse("production").unwrap(), &config)
    }

    fn ports(balancer: &Balancer) -> Vec<u16> {
        balancer.order().iter().map(SocketAddr::port).collect()
    }

    #[test]
    fn hosts_take_turns_and_all_of_them_are_fallbacks() {
        let balancer = balancer(3);
        assert_eq!(ports(&balancer), [1, 2, 3]);
        assert_eq!(ports(&balancer), [2, 3, 1]);
        assert_eq!(ports(&balancer), [3, 1, 2]);
        assert_eq!(ports(&balancer), [1, 2, 3]);
    }
}
