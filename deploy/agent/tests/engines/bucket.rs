//! The channel's server: S3 as machines reach it, over the network and not otherwise.
//!
//! One request at a time, each whole before it begins: the files that this keeps would otherwise be read half written, or
//! stay so when whoever writes is killed, and S3 knows neither.

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use s3s::service::S3Service;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use store::{Keys, S3Access};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
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
        let files = s3s_fs::FileSystem::new(folder.path()).unwrap();
        let mut builder = s3s::service::S3ServiceBuilder::new(files);
        builder.set_auth(s3s::auth::SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = builder.build();
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let alone = Arc::new(Mutex::new(()));
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (service, alone) = (service.clone(), Arc::clone(&alone));
                let answer = service_fn(move |request| answer(service.clone(), Arc::clone(&alone), request));
                connections.spawn(async move {
                    // Whoever is cut off in the middle has nobody to tell.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), answer)
                        .await;
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

async fn answer(
    service: S3Service,
    alone: Arc<Mutex<()>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Box<dyn Error + Send + Sync>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    // In a task of its own, so that it comes to its end without whoever asked.
    let carried_out = tokio::spawn(async move {
        let _alone = alone.lock().await;
        let response = service.call(Request::from_parts(head, body.into())).await?;
        let (head, body) = response.into_parts();
        Ok(Response::from_parts(head, Full::new(body.collect().await?.to_bytes())))
    });
    carried_out.await?
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.server.abort();
    }
}
