//! The two places a channel can be, each empty.

use channel::Channel;
use contract::{AppName, EnvironmentName, HostName};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use std::path::PathBuf;
use store::S3Access;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub struct Ground {
    pub channel: Channel,
    /// Where the documents lie, also those that the S3 server keeps.
    documents: PathBuf,
    access: Option<S3Access>,
    server: Option<JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

impl Ground {
    pub async fn both() -> [Self; 2] {
        [Self::directory(), Self::s3().await]
    }

    pub fn directory() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let channel = Channel::directory(dir.path().to_owned(), &app(), &environment());
        Self {
            channel,
            documents: dir.path().join("shop/staging"),
            access: None,
            server: None,
            _dir: dir,
        }
    }

    pub async fn s3() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(BUCKET)).unwrap();
        let (endpoint, server) = serve(dir.path().to_owned()).await;
        let access = S3Access {
            region: "us-east-1".to_owned(),
            endpoint: Some(endpoint),
            keys: store::Keys::given("key", "secret", None),
        };
        let channel = Channel::s3(&access, BUCKET.to_owned(), PREFIX, &app(), &environment());
        let documents = dir.path().join(BUCKET).join(PREFIX).join("shop/staging");
        Self {
            channel,
            documents,
            access: Some(access),
            server: Some(server),
            _dir: dir,
        }
    }

    /// Writes a document behind the channel's back.
    pub async fn put(&self, key: &str, bytes: &[u8]) {
        if let Some(access) = &self.access {
            let key = format!("{PREFIX}/shop/staging/{key}");
            access
                .client()
                .put_object()
                .bucket(BUCKET)
                .key(key)
                .body(bytes.to_vec().into())
                .send()
                .await
                .unwrap();
            return;
        }
        let path = self.documents.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub fn remove(&self, key: &str) {
        std::fs::remove_file(self.documents.join(key)).unwrap();
    }

    pub fn stop_server(&mut self) {
        self.server.take().unwrap().abort();
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

const BUCKET: &str = "channel";
const PREFIX: &str = "some/prefix";

pub fn app() -> AppName {
    AppName::parse("shop").unwrap()
}

pub fn environment() -> EnvironmentName {
    EnvironmentName::parse("staging").unwrap()
}

pub fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

async fn serve(root: PathBuf) -> (String, JoinHandle<()>) {
    let mut builder = s3s::service::S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
    builder.set_auth(s3s::auth::SimpleAuth::from_single("key", "secret"));
    let service = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let service = service.clone();
            connections.spawn(async move {
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    (endpoint, server)
}
