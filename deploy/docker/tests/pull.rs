//! Pulling by digest from a registry that asks who is there.

mod common;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::tar_of;
use contract::{Digest, ImageRef};
use credentials::{Login, Secret};
use docker::{Docker, Patience, Pulled};
use futures_util::StreamExt as _;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);
/// With characters in every place that standard and URL-safe base64 write differently.
const PASSWORD: &str = "a?b>c~~~???>>>";

/// Large enough that half of it is more than what sockets hold back.
const LAYER_BYTES: usize = 8 << 20;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Pace {
    Whole,
    /// The manifest never arrives.
    Hangs,
    /// Of the layer comes half, and then nothing more.
    Stalls,
}

/// The blobs and the manifest of one image, by digest.
struct Registry {
    things: HashMap<String, Vec<u8>>,
    pace: Pace,
}

impl Registry {
    async fn serve(pace: Pace) -> ImageRef {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let bytes = vec![b'x'; LAYER_BYTES];
        let layer = tar_of(&[("unique", unique.as_bytes(), 0o644), ("bytes", &bytes, 0o644)]);
        let config = serde_json::json!({
            "architecture": "amd64", "os": "linux", "config": {"Labels": {"xtask.test": "1"}},
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(&layer)]},
        });
        let config = config.to_string().into_bytes();
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": config.len(), "digest": Digest::of(&config)},
            "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar", "size": layer.len(), "digest": Digest::of(&layer)}],
        });
        let manifest = manifest.to_string().into_bytes();
        let digest = Digest::of(&manifest);
        let things = [layer, config, manifest]
            .map(|bytes| (Digest::of(&bytes).to_string(), bytes))
            .into();
        let app = axum::Router::new()
            .route("/v2/", axum::routing::get(greet))
            .route("/v2/{name}/{kind}/{digest}", axum::routing::get(fetch))
            .with_state(Arc::new(Registry { things, pace }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let repository = format!("{}/thing", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        ImageRef { repository, digest }
    }
}

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

async fn greet(headers: HeaderMap) -> Response {
    let wanted = format!("Basic {}", STANDARD.encode(format!("tester:{PASSWORD}")));
    match headers
        .get(header::AUTHORIZATION)
        .is_some_and(|found| *found == *wanted)
    {
        true => StatusCode::OK.into_response(),
        false => (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Basic realm=\"test\"")],
        )
            .into_response(),
    }
}

async fn fetch(
    State(registry): State<Arc<Registry>>,
    Path((_name, kind, digest)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let greeting = greet(headers).await;
    if greeting.status() != StatusCode::OK {
        return greeting;
    }
    if registry.pace == Pace::Hangs {
        std::future::pending::<()>().await;
    }
    let media_type = if kind == "manifests" {
        MANIFEST
    } else {
        "application/octet-stream"
    };
    match registry.things.get(&digest) {
        Some(bytes) if registry.pace == Pace::Stalls && bytes.len() >= LAYER_BYTES => half_of(bytes),
        Some(bytes) => ([(header::CONTENT_TYPE, media_type)], bytes.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn half_of(bytes: &[u8]) -> Response {
    let half = bytes[..bytes.len() / 2].to_vec();
    let first = futures_util::stream::once(async move { Ok::<_, std::io::Error>(half) });
    let body = Body::from_stream(first.chain(futures_util::stream::pending()));
    ([(header::CONTENT_LENGTH, bytes.len())], body).into_response()
}

fn tester(password: &str) -> Login {
    Login::Password {
        username: "tester".to_owned(),
        password: Secret::new(password),
    }
}

#[tokio::test]
async fn an_image_is_pulled_by_digest_with_credentials() {
    let docker = Docker::connect().await.unwrap();
    let image = Registry::serve(Pace::Whole).await;
    let refused = format!(
        "{:#}",
        docker.pull(&image, Some(&tester("wrong")), LIMIT).await.unwrap_err()
    );
    assert!(
        refused.contains(&format!("pulling `{image}`")) && !refused.contains("wrong"),
        "{refused}"
    );
    assert!(!docker.has_image(&image.to_string()).await.unwrap());
    docker.pull(&image, Some(&tester(PASSWORD)), LIMIT).await.unwrap();
    assert!(docker.has_image(&image.to_string()).await.unwrap());
    docker.remove_image(&image.to_string()).await.unwrap();
    assert!(!docker.has_image(&image.to_string()).await.unwrap());
}

#[tokio::test]
async fn a_pull_that_hangs_ends_at_its_deadline() {
    let docker = Docker::connect().await.unwrap();
    let image = Registry::serve(Pace::Hangs).await;
    let error = docker
        .pull(&image, Some(&tester(PASSWORD)), Duration::from_millis(700))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("not finished within 0.7 s"), "{error:#}");
}

#[tokio::test]
async fn a_layer_that_stops_halfway_is_given_up_long_before_the_deadline() {
    let docker = Docker::connect().await.unwrap();
    let image = Registry::serve(Pace::Stalls).await;
    let patience = Patience {
        deadline: LIMIT,
        stall: Duration::from_secs(2),
    };
    let (mut last, since) = (Pulled::default(), Instant::now());
    let login = tester(PASSWORD);
    let pulled = docker.pull_with(&image, Some(&login), patience, |pulled| last = pulled);
    let error = format!("{:#}", pulled.await.unwrap_err());
    assert!(error.contains("it stands still: nothing came for 2 s"), "{error}");
    assert!(since.elapsed() < LIMIT / 2, "{:?}", since.elapsed());
    assert!(
        last.bytes > 0 && last.bytes < last.of && last.of >= LAYER_BYTES as u64,
        "{last:?}"
    );
    assert!(!docker.has_image(&image.to_string()).await.unwrap());
}

#[tokio::test]
async fn an_unknown_digest_is_an_error_that_names_it() {
    let docker = Docker::connect().await.unwrap();
    let image = ImageRef {
        digest: Digest::of(b"nothing"),
        ..Registry::serve(Pace::Whole).await
    };
    let error = format!(
        "{:#}",
        docker.pull(&image, Some(&tester(PASSWORD)), LIMIT).await.unwrap_err()
    );
    assert!(error.contains(&image.to_string()), "{error}");
}
