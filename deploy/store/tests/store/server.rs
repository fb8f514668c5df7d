//! An S3 server in this process, with one empty bucket.

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::path::PathBuf;
use std::sync::Arc;
use store::{S3Access, Store};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

const BUCKET: &str = "store";

/// Ends when dropped.
pub struct Server {
    _serving: JoinSet<()>,
    _dir: tempfile::TempDir,
}

impl Server {
    pub async fn start() -> (Store, Self) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(BUCKET)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let access = S3Access {
            region: "us-east-1".to_owned(),
            endpoint: Some(format!("http://{}", listener.local_addr().unwrap())),
            keys: store::Keys::given("key", "secret", None),
        };
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, dir.path().to_owned()));
        let store = Store::s3(&access, BUCKET.to_owned(), "/some/prefix/");
        let server = Self {
            _serving: serving,
            _dir: dir,
        };
        (store, server)
    }
}

/// One request at a time: this server looks at a condition first and writes afterwards.
async fn serve(listener: TcpListener, root: PathBuf) {
    let mut builder = s3s::service::S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
    builder.set_auth(s3s::auth::SimpleAuth::from_single("key", "secret"));
    let (service, turn) = (builder.build(), Arc::new(Mutex::new(())));
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (service, turn) = (service.clone(), Arc::clone(&turn));
        let in_turn = service_fn(move |request: Request<Incoming>| {
            let (service, turn) = (service.clone(), Arc::clone(&turn));
            async move {
                let _turn = turn.lock().await;
                service.call(request.map(s3s::Body::from)).await
            }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), in_turn);
        connections.spawn(async move { drop(connection.await) });
    }
}
