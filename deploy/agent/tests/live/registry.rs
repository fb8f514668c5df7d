//! A registry that can only be read, with a few images of one small server. They differ in a label, and so in digest.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use contract::{Digest, ImageRef};
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::task::{JoinHandle, JoinSet};

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
const IMAGES: u64 = 4;

/// Ends with the test that started it.
pub struct Registry {
    repository: String,
    digests: Vec<Digest>,
    notes: Arc<Notes>,
    app: axum::Router,
    address: SocketAddr,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Notes {
    manifests_asked_for: AtomicU32,
    /// Of the next ones that are asked for, so many never arrive.
    to_hang: AtomicU32,
}

impl Registry {
    /// `unique` keeps the images of one test apart from those of another.
    pub async fn start(unique: &str) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST.into(), unique).await
    }

    /// At an address of this machine that whoever pulls can reach.
    pub async fn start_at(address: IpAddr, unique: &str) -> Self {
        let layer = layer();
        let mut things = HashMap::from([(Digest::of(&layer).to_string(), layer.clone())]);
        let mut digests = Vec::new();
        for n in 1..=IMAGES {
            let config = config(&layer, &format!("{unique}-{n}"));
            let manifest = manifest(&layer, &config);
            digests.push(Digest::of(&manifest));
            things.extend([config, manifest].map(|bytes| (Digest::of(&bytes).to_string(), bytes)));
        }
        let notes = Arc::new(Notes::default());
        let noted = notes.clone();
        let fetch = move |Path((_, kind, digest)): Path<(String, String, String)>| {
            let found = things.get(&digest).cloned();
            let hangs = kind == "manifests" && noted.note();
            async move {
                if hangs {
                    std::future::pending::<()>().await;
                }
                answer(&kind, found)
            }
        };
        let app = axum::Router::new()
            .route("/v2/", axum::routing::get(StatusCode::OK))
            .route("/v2/{name}/{kind}/{digest}", axum::routing::get(fetch));
        let listener = tokio::net::TcpListener::bind((address, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self {
            repository: format!("{address}/{unique}"),
            digests,
            notes,
            serving: serve(listener, app.clone()),
            app,
            address,
        }
    }

    /// Nobody listens there any more.
    pub fn go_away(&mut self) {
        self.serving.abort();
    }

    pub async fn come_back(&mut self) {
        let listener = tokio::net::TcpListener::bind(self.address).await.unwrap();
        self.serving = serve(listener, self.app.clone());
    }

    pub fn hang(&self, times: u32) {
        self.notes.to_hang.store(times, Ordering::SeqCst);
    }

    pub fn manifests_asked_for(&self) -> u32 {
        self.notes.manifests_asked_for.load(Ordering::SeqCst)
    }

    pub fn image(&self, n: u64) -> ImageRef {
        ImageRef {
            repository: self.repository.clone(),
            digest: self.digests[n as usize - 1],
        }
    }

    pub fn images(&self) -> impl Iterator<Item = ImageRef> {
        (1..=IMAGES).map(|n| self.image(n))
    }

    /// In the right place, but never pushed.
    pub fn missing_image(&self) -> ImageRef {
        ImageRef {
            repository: self.repository.clone(),
            digest: Digest::of(b"never pushed"),
        }
    }
}

impl Notes {
    /// Returns whether this one is to hang.
    fn note(&self) -> bool {
        self.manifests_asked_for.fetch_add(1, Ordering::SeqCst);
        let one_less = |left: u32| left.checked_sub(1);
        self.to_hang
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
            .is_ok()
    }
}

/// Connections end with what listens, so that nobody goes on through one of them.
fn serve(listener: tokio::net::TcpListener, app: axum::Router) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = hyper_util::service::TowerToHyperService::new(app.clone());
            let http = hyper::server::conn::http1::Builder::new();
            // A client may leave whenever it likes.
            connections.spawn(async move { http.serve_connection(TokioIo::new(stream), service).await.is_ok() });
        }
    })
}

fn answer(kind: &str, found: Option<Vec<u8>>) -> Response {
    let media_type = if kind == "manifests" {
        MANIFEST
    } else {
        "application/octet-stream"
    };
    match found {
        Some(bytes) => ([(header::CONTENT_TYPE, media_type)], bytes).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn config(layer: &[u8], unique: &str) -> Vec<u8> {
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux",
        "config": {"Entrypoint": ["/server"], "User": "1000:1000", "Labels": {"xtask.test": "1", "unique": unique}},
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(layer)]},
    });
    config.to_string().into_bytes()
}

fn manifest(layer: &[u8], config: &[u8]) -> Vec<u8> {
    let part = |media_type: &str, bytes: &[u8]| serde_json::json!({"mediaType": media_type, "size": bytes.len(), "digest": Digest::of(bytes)});
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": part(CONFIG, config), "layers": [part(LAYER, layer)],
    });
    manifest.to_string().into_bytes()
}

fn layer() -> Vec<u8> {
    let server = std::fs::read(server()).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_size(server.len() as u64);
    header.set_mode(0o755);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, "server", server.as_slice()).unwrap();
    archive.into_inner().unwrap()
}

/// Compiled once a test run.
fn server() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/server.rs");
        let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("server-{}", std::process::id()));
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()));
        rustc.args([
            "--edition",
            "2024",
            "-C",
            "target-feature=+crt-static",
            "-C",
            "strip=symbols",
            source,
            "-o",
        ]);
        // Not what a wrapper around this test asked for.
        rustc.arg(&target).env_remove("RUSTFLAGS");
        assert!(rustc.status().unwrap().success(), "the server does not compile");
        target
    })
}
