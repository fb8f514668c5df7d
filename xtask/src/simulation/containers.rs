//! A Docker engine without containers behind it: it speaks the API, as far as agents use it, and remembers.

use contract::ReleaseId;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::DuplexStream;

const PIPE_BYTES: usize = 64 * 1024;
const RELEASE: &str = "xtask.release";
const TASK: &str = "xtask.task";
const PORT: &str = "xtask.port";

#[derive(Debug, Default)]
pub struct Containers(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    made: u32,
    containers: BTreeMap<String, Container>,
    images: BTreeSet<String>,
    /// Releases whose containers never become ready.
    broken: BTreeSet<ReleaseId>,
    /// The newest migration each release brings along. Releases of which nothing is said here print nothing.
    brings: BTreeMap<ReleaseId, u64>,
    /// The newest migration that was applied.
    schema: u64,
    /// What tasks were started to do, in order.
    ran: Vec<String>,
}

#[derive(Debug, Clone)]
struct Container {
    name: String,
    labels: BTreeMap<String, String>,
    restart: String,
    is_running: bool,
    was_started: bool,
    started_at: Option<Timestamp>,
    command: Vec<String>,
    printed: String,
}

impl Container {
    /// `exit 7` does what it says.
    fn exit_code(&self) -> i64 {
        let code = self.command.iter().skip_while(|word| *word != "exit").nth(1);
        code.and_then(|code| code.parse().ok()).unwrap_or_default()
    }
}

impl State {
    /// Applies what a release brings along, and says so as the contract asks.
    fn migrate(&mut self, release: ReleaseId) -> String {
        let Some(brings) = self.brings.get(&release).copied() else {
            return String::new();
        };
        let applied: Vec<u64> = (self.schema + 1..=brings).collect();
        self.schema = self.schema.max(brings);
        let mut printed: String = applied
            .iter()
            .map(|number| format!("applied {number} change {number}\n"))
            .collect();
        printed.push_str(&format!(
            "{} applied: the schema is at {}\n",
            applied.len(),
            self.schema
        ));
        printed
    }
}

impl Containers {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn break_release(&self, release: ReleaseId) {
        self.state().broken.insert(release);
    }

    /// A release's migration brings the schema to this.
    pub fn bring(&self, release: ReleaseId, schema: u64) {
        self.state().brings.insert(release, schema);
    }

    /// What tasks were started to do here, in order.
    pub fn ran(&self) -> Vec<String> {
        self.state().ran.clone()
    }

    /// The releases that run here.
    pub fn running(&self) -> Vec<String> {
        let state = self.state();
        let running = state.containers.values().filter(|container| container.is_running);
        let mut releases: Vec<String> = running
            .filter_map(|container| container.labels.get(RELEASE).cloned())
            .collect();
        releases.sort();
        releases
    }

    /// A connection to the engine itself.
    pub fn connect(self: &Arc<Self>) -> DuplexStream {
        let containers = self.clone();
        serve(move |request| {
            let containers = containers.clone();
            async move { containers.answer(request).await }
        })
    }

    /// A connection to what listens on a published port.
    pub fn connect_to(self: &Arc<Self>, port: u16) -> io::Result<DuplexStream> {
        let is_ready = {
            let state = self.state();
            let found = state.containers.values().find(|container| {
                container.is_running && container.labels.get(PORT).is_some_and(|own| *own == port.to_string())
            });
            let found = found.ok_or(io::ErrorKind::ConnectionRefused)?;
            let release = found.labels.get(RELEASE).and_then(|text| ReleaseId::parse(text).ok());
            release.is_none_or(|release| !state.broken.contains(&release))
        };
        Ok(serve(move |_| async move {
            match is_ready {
                true => respond(StatusCode::OK, "ok"),
                false => respond(StatusCode::SERVICE_UNAVAILABLE, "not yet"),
            }
        }))
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let path = head.uri.path();
        // `/v1.41/containers/…`
        let path = path.strip_prefix("/v1.41").unwrap_or(path);
        let query = head.uri.query().unwrap_or_default();
        if path == "/_ping" {
            return respond(StatusCode::OK, "OK");
        }
        if let Some(reference) = path.strip_prefix("/images/") {
            return self.image(&head.method, reference, query);
        }
        let mut words = path
            .trim_start_matches("/containers")
            .trim_start_matches('/')
            .split('/');
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match (&head.method, first, second) {
            (&Method::GET, "json", "") => self.list(),
            (&Method::POST, "create", "") => self.create(query, &body),
            (&Method::DELETE, id, "") => self.remove(id),
            (_, id, "start") => self.start(id),
            (_, id, verb) => self.with(id, |id, container| match verb {
                "json" => answer(&inspected(id, container)),
                "stop" => {
                    container.is_running = false;
                    respond(StatusCode::NO_CONTENT, "")
                }
                "update" => {
                    let name = body["RestartPolicy"]["Name"].as_str().unwrap_or_default();
                    container.restart = name.to_owned();
                    answer(&json!({ "Warnings": [] }))
                }
                "wait" => answer(&json!({ "StatusCode": container.exit_code() })),
                "logs" => logs(&container.printed),
                other => respond(StatusCode::NOT_IMPLEMENTED, other),
            }),
        }
    }

    /// One agent's engine: everything here is its own, whatever labels it asks for.
    fn list(&self) -> Response<Full<Bytes>> {
        let state = self.state();
        let listed = state.containers.iter().map(|(id, container)| {
            let state = if container.is_running { "running" } else { "exited" };
            json!({ "Id": id, "Names": [format!("/{}", container.name)], "Labels": container.labels, "State": state })
        });
        answer(&Value::Array(listed.collect()))
    }

    fn create(&self, query: &str, body: &Value) -> Response<Full<Bytes>> {
        let mut state = self.state();
        let parts = query.split('&').find_map(|part| part.strip_prefix("name="));
        let name = parts.unwrap_or_default().to_owned();
        if state.containers.values().any(|container| container.name == name) {
            let message = format!("The container name \"/{name}\" is already in use by container");
            return refuse(StatusCode::CONFLICT, &message);
        }
        let labels = serde_json::from_value(body["Labels"].clone()).unwrap_or_default();
        state.made += 1;
        let id = format!("c{}", state.made);
        let container = Container {
            name,
            labels,
            restart: "no".to_owned(),
            is_running: false,
            was_started: false,
            started_at: None,
            command: serde_json::from_value(body["Cmd"].clone()).unwrap_or_default(),
            printed: String::new(),
        };
        state.containers.insert(id.clone(), container);
        answer(&json!({ "Id": id, "Warnings": [] }))
    }

    fn start(&self, id: &str) -> Response<Full<Bytes>> {
        let (mut task, mut command) = (None, Vec::new());
        let started = self.with(id, |_, container| {
            // A task is over as soon as it is looked at again.
            container.is_running = !container.labels.contains_key(TASK);
            container.was_started = true;
            container.started_at = super::now();
            task = container.labels.get(RELEASE).cloned().filter(|_| !container.is_running);
            command = container.command.clone();
            respond(StatusCode::NO_CONTENT, "")
        });
        if let Some(release) = task.and_then(|text| ReleaseId::parse(&text).ok()) {
            let printed = {
                let mut state = self.state();
                state.ran.push(command.join(" "));
                match command == ["migrate"] {
                    true => state.migrate(release),
                    false => format!("{} as {release}\n", command.join(" ")),
                }
            };
            self.with(id, |_, container| {
                container.printed = printed;
                respond(StatusCode::NO_CONTENT, "")
            });
        }
        started
    }

    fn remove(&self, id: &str) -> Response<Full<Bytes>> {
        self.state().containers.remove(id);
        respond(StatusCode::NO_CONTENT, "")
    }

    fn with(
        &self,
        wanted: &str,
        act: impl FnOnce(&str, &mut Container) -> Response<Full<Bytes>>,
    ) -> Response<Full<Bytes>> {
        let mut state = self.state();
        let mut all = state.containers.iter_mut();
        match all.find(|(id, container)| *id == wanted || container.name == wanted) {
            Some((id, container)) => act(id, container),
            None => refuse(StatusCode::NOT_FOUND, "No such container"),
        }
    }

    fn image(&self, method: &Method, path: &str, query: &str) -> Response<Full<Bytes>> {
        let mut state = self.state();
        if (method, path) == (&Method::POST, "create") {
            let reference = query.split('&').find_map(|part| part.strip_prefix("fromImage="));
            let reference = reference
                .unwrap_or_default()
                .replace("%2F", "/")
                .replace("%3A", ":")
                .replace("%40", "@");
            state.images.insert(reference);
            return answer(&json!({ "status": "pulled" }));
        }
        let reference = path
            .trim_end_matches("/json")
            .replace("%2F", "/")
            .replace("%3A", ":")
            .replace("%40", "@");
        match method {
            &Method::DELETE => {
                state.images.remove(&reference);
                answer(&json!([]))
            }
            _ if state.images.contains(&reference) => {
                answer(&json!({ "Id": format!("sha256:{}", "0".repeat(64)), "RepoDigests": [reference] }))
            }
            _ => refuse(StatusCode::NOT_FOUND, "No such image"),
        }
    }
}

fn inspected(id: &str, container: &Container) -> Value {
    let status = match (container.was_started, container.is_running) {
        (false, _) => "created",
        (true, true) => "running",
        (true, false) => "exited",
    };
    json!({
        "Id": id,
        "Name": format!("/{}", container.name),
        "Config": { "Labels": container.labels },
        "HostConfig": { "RestartPolicy": { "Name": container.restart } },
        "State": {
            "Status": status, "Running": container.is_running, "ExitCode": container.exit_code(), "OOMKilled": false,
            "StartedAt": container.started_at.map(|at| at.to_string()),
        },
        "RestartCount": 0,
    })
}

/// Of a container without a terminal: each part says which stream it is of, and how long it is.
fn logs(printed: &str) -> Response<Full<Bytes>> {
    const STDOUT: [u8; 4] = [1, 0, 0, 0];
    let length = (printed.len() as u32).to_be_bytes();
    let mut response = respond(StatusCode::OK, "");
    if !printed.is_empty() {
        let parts = [&STDOUT, &length, printed.as_bytes()].concat();
        *response.body_mut() = Full::new(Bytes::from(parts));
    }
    response
}

fn answer(value: &Value) -> Response<Full<Bytes>> {
    let mut response = respond(StatusCode::OK, &value.to_string());
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    response
}

fn refuse(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    let mut response = answer(&json!({ "message": message }));
    *response.status_mut() = status;
    response
}

fn respond(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    response
}

/// The client's end of a connection on which requests are answered.
fn serve<F>(answer: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static) -> DuplexStream
where
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    tokio::spawn(async move {
        let service = service_fn(|request| {
            let answered = answer(request);
            async move { Ok::<_, Infallible>(answered.await) }
        });
        // A client that goes away in the middle is its own business.
        let _ = http1::Builder::new()
            .serve_connection(TokioIo::new(ours), service)
            .await;
    });
    theirs
}
