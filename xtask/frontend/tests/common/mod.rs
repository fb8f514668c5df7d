//! A real S3 server on loopback that counts what it is asked, and can be told to fail or to wait.

#![allow(dead_code, reason = "every test file uses its own part")]

use bytes::Bytes;
use contract::{Fence, Generation, ReleaseId};
use frontend::{Publisher, Site};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Barrier, RwLock};

pub const BUCKET: &str = "website";

/// A request that the store was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub method: Method,
    pub key: String,
}

pub struct Store {
    pub address: SocketAddr,
    pub dir: tempfile::TempDir,
    log: Arc<Mutex<Vec<Seen>>>,
    faults: Arc<Mutex<usize>>,
    meeting: Arc<Mutex<Option<Arc<Barrier>>>>,
}

impl Store {
    pub async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(dir.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single("test-key", "test-secret"));
        let front = Front {
            s3: builder.build(),
            log: Arc::default(),
            faults: Arc::default(),
            meeting: Arc::default(),
            // S3 checks a condition and writes in one step; s3s-fs checks, then writes, then writes the metadata. One
            // writer at a time, and no reader meanwhile, gives it S3's guarantee.
            writing: Arc::default(),
        };
        let (log, faults, meeting) = (front.log.clone(), front.faults.clone(), front.meeting.clone());
        let address = serve(move |request| {
            let front = front.clone();
            async move { front.answer(request).await }
        })
        .await;
        Self {
            address,
            dir,
            log,
            faults,
            meeting,
        }
    }

    pub fn client(&self) -> aws_sdk_s3::Client {
        store::S3Access {
            region: "us-east-1".to_owned(),
            endpoint: Some(format!("http://{}", self.address)),
            keys: store::Keys::given("test-key", "test-secret", None),
        }
        .client()
    }

    pub fn publisher(&self) -> Publisher {
        Publisher::new(self.client(), BUCKET.to_owned(), "index.html".to_owned())
    }

    /// What was asked since the last call.
    pub fn take_log(&self) -> Vec<Seen> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    /// Keys written since the last look at the log.
    pub fn take_writes(&self) -> Vec<String> {
        let mut keys: Vec<String> = self
            .take_log()
            .into_iter()
            .filter(|seen| seen.method == Method::PUT)
            .map(|seen| seen.key)
            .collect();
        keys.sort();
        keys
    }

    /// The next writes are answered 503.
    pub fn fail_writes(&self, count: usize) {
        *self.faults.lock().unwrap() = count;
    }

    /// The next `count` writes of the entry document are held until all of them have arrived.
    pub fn let_entry_writes_meet(&self, count: usize) {
        *self.meeting.lock().unwrap() = Some(Arc::new(Barrier::new(count)));
    }

    /// Keys in the bucket, with the given prefix.
    pub async fn keys(&self, prefix: &str) -> Vec<String> {
        let page = self
            .client()
            .list_objects_v2()
            .bucket(BUCKET)
            .prefix(prefix)
            .send()
            .await
            .unwrap();
        assert_eq!(page.is_truncated, Some(false));
        page.contents
            .unwrap_or_default()
            .into_iter()
            .filter_map(|object| object.key)
            .collect()
    }
}

#[derive(Clone)]
struct Front {
    s3: S3Service,
    log: Arc<Mutex<Vec<Seen>>>,
    faults: Arc<Mutex<usize>>,
    meeting: Arc<Mutex<Option<Arc<Barrier>>>>,
    writing: Arc<RwLock<()>>,
}

impl Front {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let key = request
            .uri()
            .path()
            .trim_start_matches(&format!("/{BUCKET}/"))
            .to_owned();
        let method = request.method().clone();
        self.log.lock().unwrap().push(Seen {
            method: method.clone(),
            key: key.clone(),
        });
        if method == Method::PUT && self.is_to_fail() {
            return Response::builder().status(503).body(Full::default()).unwrap();
        }
        if method == Method::GET || method == Method::HEAD {
            let _no_writer = self.writing.read().await;
            return self.forward(request).await;
        }
        let meeting = self.meeting.lock().unwrap().clone().filter(|_| key == "index.html");
        if let Some(barrier) = meeting {
            barrier.wait().await;
            *self.meeting.lock().unwrap() = None;
        }
        let _only_writer = self.writing.write().await;
        self.forward(request).await
    }

    fn is_to_fail(&self) -> bool {
        let mut faults = self.faults.lock().unwrap();
        let failing = *faults > 0;
        *faults = faults.saturating_sub(1);
        failing
    }

    /// Collects the answer, so that a lock held around this covers the reading of the file too.
    async fn forward(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = self.s3.call(request.map(s3s::Body::from)).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Response::from_parts(parts, Full::new(bytes))
    }
}

/// An HTTP server on a free loopback port, for as long as the test's runtime lives.
pub async fn serve<F, R>(answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<Full<Bytes>>> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let answer = answer.clone();
                async move { Ok::<_, Infallible>(answer(request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(socket), service);
            tokio::spawn(connection);
        }
    });
    address
}

pub fn site(files: &[(&str, &str)]) -> Site {
    try_site(files).unwrap()
}

pub fn try_site(files: &[(&str, &str)]) -> Result<Site, frontend::SiteError> {
    let files = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
    Site::from_files(files.collect::<BTreeMap<_, _>>(), "index.html")
}

/// A small real site: an entry document, two scripts that import each other, a leaf and a style.
pub fn small_site(leaf: &str) -> Site {
    site(&[
        (
            "index.html",
            "<link rel=stylesheet href=style.css><script type=module src=./main.js></script>",
        ),
        ("main.js", "import { feed } from './feed.js'; feed();"),
        (
            "feed.js",
            "import './main.js'; import { get } from './api.js'; export const feed = get;",
        ),
        ("api.js", leaf),
        ("style.css", "body { margin: 0 }"),
    ])
}

pub fn release(number: u64) -> ReleaseId {
    ReleaseId::from_parts(number, 0)
}

pub fn generation(fence: u32, sequence: u32) -> Generation {
    Generation::new(Fence(fence), sequence)
}

pub const SOON: Duration = Duration::from_secs(20);
