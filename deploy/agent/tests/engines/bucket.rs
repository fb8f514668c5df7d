//! The channel's server: S3 as machines reach it, over the network and not otherwise.

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use std::net::{IpAddr, SocketAddr};
use store::{Keys, S3Access};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

pub const BUCKET: &str = "channel";
pub const REGION: &str = "us-east-1";
pub const ACCESS_KEY: &str = "key";
pub const SECRET_KEY: &str = "secret";

pub struct Bucket {
    pub address: SocketAddr,
    server: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Bucket {
    pub async fn serve(address: IpAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let files = s3s_fs::FileSystem::new(folder.path().to_owned()).unwrap();
        let mut builder = s3s::service::S3ServiceBuilder::new(files);
        builder.set_auth(s3s::auth::SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = builder.build();
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let service = service.clone();
                connections.spawn(async move {
                    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    // Whoever is cut off in the middle has nobody to tell.
                    let _ = served.await;
                });
            }
        });
        Self {
            address,
            server,
            _folder: folder,
        }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn access(&self) -> S3Access {
        S3Access {
            region: REGION.to_owned(),
            endpoint: Some(self.endpoint()),
            keys: Keys::given(ACCESS_KEY, SECRET_KEY, None),
        }
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.server.abort();
    }
}
