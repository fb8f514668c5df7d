//! Stands between an agent and what it acts on, and cuts it off there: at each of its effects on the engine and on the
//! router once before that has happened, and once after, when the agent has not heard of it.

use crate::host::Host;
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::net::{UnixListener, UnixStream};

type Body = BoxBody<Bytes, hyper::Error>;
type Passed = Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>>;

/// The boundaries at which the agent was cut off, and whether it has to die now.
#[derive(Default)]
pub struct Cuts(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    at: BTreeSet<String>,
    is_dying: bool,
}

impl Cuts {
    /// `agent.json` in the host's folder is a configuration for an agent that acts through here alone, and these are the
    /// variables for it.
    pub fn between(host: &Host) -> (Arc<Self>, Vec<(&'static str, String)>) {
        let cuts = Arc::new(Self::default());
        host.configure("agent.json", |config| config.admin_socket = "cut-router.sock".into());
        let engine = std::env::var("DOCKER_HOST").unwrap_or("unix:///var/run/docker.sock".to_owned());
        let engine = engine.strip_prefix("unix://").expect("the engine has a socket");
        let own = host.path("cut-engine.sock");
        cuts.clone().listen(&own, engine.into());
        cuts.clone()
            .listen(&host.path("cut-router.sock"), host.path("router.sock"));
        (cuts, vec![("DOCKER_HOST", format!("unix://{}", own.display()))])
    }

    /// Whether the agent waits at a boundary, to be killed there.
    pub fn take(&self) -> bool {
        std::mem::take(&mut self.0.lock().unwrap().is_dying)
    }

    pub fn at(&self) -> BTreeSet<String> {
        self.0.lock().unwrap().at.clone()
    }

    fn listen(self: Arc<Self>, at: &Path, to: PathBuf) {
        let listener = UnixListener::bind(at).unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (cuts, to) = (self.clone(), to.clone());
                let service = service_fn(move |request| cuts.clone().pass(to.clone(), request));
                // Either end may be killed.
                let serve = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move { serve.await.is_ok() });
            }
        });
    }

    async fn pass(self: Arc<Self>, to: PathBuf, request: Request<Incoming>) -> Passed {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let effect = effect(&parts.method, parts.uri.path(), &body);
        self.boundary("before", effect.as_deref()).await;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(UnixStream::connect(to).await?)).await?;
        tokio::spawn(connection);
        let response = sender.send_request(Request::from_parts(parts, Full::new(body))).await?;
        if effect.is_none() {
            return Ok(response.map(BodyExt::boxed));
        }
        // A pull has happened when its answer ends.
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        if parts.status.is_success() {
            self.boundary("after", effect.as_deref()).await;
        }
        Ok(Response::from_parts(
            parts,
            Full::new(body).map_err(|never| match never {}).boxed(),
        ))
    }

    /// Does not return where the agent has to die.
    async fn boundary(&self, when: &str, effect: Option<&str>) {
        let Some(effect) = effect else { return };
        let is_first = {
            let mut noted = self.0.lock().unwrap();
            // One death at a time.
            let is_first = !noted.is_dying && noted.at.insert(format!("{when} {effect}"));
            noted.is_dying |= is_first;
            is_first
        };
        if is_first {
            std::future::pending::<()>().await;
        }
    }
}

/// What a request changes, in words; each table is an effect of its own.
fn effect(method: &Method, path: &str, body: &[u8]) -> Option<String> {
    let parts: Vec<&str> = path
        .split('/')
        .skip_while(|part| part.is_empty() || part.starts_with("v1."))
        .collect();
    let effect = match (method.as_str(), parts.as_slice()) {
        ("POST", ["images", "create"]) => "pull",
        ("POST", ["containers", "create"]) => "create",
        ("POST", ["containers", _, "start"]) => "start",
        ("POST", ["containers", _, "update"]) => "prove",
        ("POST", ["containers", _, "stop"]) => "stop",
        ("DELETE", ["containers", _]) => "remove",
        ("DELETE", ["images", ..]) => "prune",
        ("PUT", ["table"]) => {
            let table: serde_json::Value = serde_json::from_slice(body).unwrap();
            return Some(format!("table of generation {}", table["generation"]));
        }
        _ => return None,
    };
    Some(effect.to_owned())
}
