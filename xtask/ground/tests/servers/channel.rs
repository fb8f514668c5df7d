//! What a fleet's channel costs on the wire: the code that agents and controller use, over HTTP to the embedded bucket, with
//! a proxy between them that counts.

use crate::support::{BUCKET, Ground};
use ::store::S3Access;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use channel::{Channel, Poll};
use contract::{AppName, CONTRACT_VERSION, EnvironmentName, Generation, HostName, Observed, SigningKey};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;

const HOSTS: usize = 40;
const POLLS: usize = 5;

/// Requests, and bytes of the bodies they were answered with: by method, answer, and what was asked for.
type Counted = BTreeMap<String, (usize, usize)>;

/// Passes requests on as they are, so that their signatures hold.
struct Proxy {
    counted: Arc<Mutex<Counted>>,
    address: String,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct Upstream {
    client: reqwest::Client,
    base: String,
    counted: Arc<Mutex<Counted>>,
}

impl Proxy {
    async fn before(ground: &Ground) -> Self {
        let counted = Arc::<Mutex<Counted>>::default();
        let upstream = Upstream {
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            base: format!("http://{}", ground.config.bucket.listen[0]),
            counted: counted.clone(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let routes = axum::Router::new().fallback(pass_on).with_state(upstream);
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self {
            counted,
            address,
            serving,
        }
    }

    /// What was asked since this was called last.
    fn take(&self) -> Counted {
        std::mem::take(&mut *self.counted.lock().unwrap())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn pass_on(State(upstream): State<Upstream>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let path = head.uri.path_and_query().unwrap().to_string();
    let asked = match () {
        () if path.contains("list-type=2") => "the listing",
        () if path.contains("/observed/") => "a report",
        () => "the document",
    };
    let sent = upstream
        .client
        .request(head.method.clone(), format!("{}{path}", upstream.base));
    let answer = sent.headers(head.headers).body(body).send().await.unwrap();
    let mut response = Response::new(());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    let bytes = answer.bytes().await.unwrap();
    let mut counted = upstream.counted.lock().unwrap();
    let what = format!("{} {asked}: {}", head.method, response.status().as_u16());
    let (requests, sum) = counted.entry(what).or_default();
    *requests += 1;
    *sum += bytes.len();
    response.map(|()| Body::from(bytes))
}

#[tokio::test]
async fn a_fleet_at_rest_costs_no_byte_and_its_controller_one_request_a_look() {
    let ground = Ground::start();
    let proxy = Proxy::before(&ground).await;
    let access = S3Access {
        endpoint: Some(proxy.address.clone()),
        ..ground.s3_access()
    };
    let (app, environment) = (
        AppName::parse("shop").unwrap(),
        EnvironmentName::parse("production").unwrap(),
    );
    let channel = Channel::s3(&access, BUCKET.to_owned(), "channel", &app, &environment);
    let envelope = SigningKey::from_seed([7; 32]).sign("x".repeat(1_500));
    let published = channel.publish(&envelope, None).await.unwrap();
    let names: Vec<HostName> = (1..=HOSTS)
        .map(|host| HostName::parse(&format!("host-{host}")).unwrap())
        .collect();
    let report = |host: &HostName, generation| Observed {
        contract: CONTRACT_VERSION,
        app: app.clone(),
        environment: environment.clone(),
        host: host.clone(),
        at: "2025-01-02T03:04:05Z".parse().unwrap(),
        generation: Generation(generation),
        accepted: Generation(generation),
        rollout: None,
        versions: Vec::new(),
        router: None,
        tasks: Vec::new(),
        failure: None,
        refused: None,
        refused_ask: None,
        agent_version: "0.1.0".to_owned(),
    };
    proxy.take();

    for host in &names {
        let Poll::Changed(found, revision) = channel.poll_desired(None).await.unwrap() else {
            panic!("nothing was found")
        };
        assert_eq!((found, &revision), (envelope.clone(), &published));
        for _ in 0..POLLS {
            assert_eq!(channel.poll_desired(Some(&revision)).await.unwrap(), Poll::Unchanged);
        }
        channel.report(&report(host, 1)).await.unwrap();
    }
    let agents = proxy.take();
    println!("{HOSTS} agents, {POLLS} polls each: {agents:?}");
    assert_eq!(agents["GET the document: 200"].0, HOSTS, "once each");
    assert_eq!(agents["GET the document: 304"], (HOSTS * POLLS, 0), "no byte");

    let mut reports = channel.reports();
    assert_eq!(reports.read().await.unwrap().len(), HOSTS);
    let first = proxy.take();
    println!("the controller's first look: {first:?}");
    assert_eq!(
        (first["GET the listing: 200"].0, first["GET a report: 200"].0),
        (1, HOSTS)
    );
    assert_eq!(reports.read().await.unwrap().len(), HOSTS);
    let second = proxy.take();
    println!("its second: {second:?}");
    assert_eq!(
        second.keys().collect::<Vec<_>>(),
        ["GET the listing: 200"],
        "nobody said anything new"
    );
    assert_eq!(second["GET the listing: 200"].0, 1);

    channel.report(&report(&names[7], 2)).await.unwrap();
    proxy.take();
    assert_eq!(reports.read().await.unwrap()[&names[7]].generation, Generation(2));
    let third = proxy.take();
    assert_eq!(
        (third["GET the listing: 200"].0, third["GET a report: 200"].0),
        (1, 1),
        "only who spoke is asked"
    );
}
