//! A server that stands for the app, and clients.

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// Answers every request with `hello`; returns its address and how many came.
pub async fn serve_app() -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, requests) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
    let counter = requests.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let counter = counter.clone();
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let counter = counter.clone();
                async move {
                    request.into_body().collect().await.unwrap();
                    counter.fetch_add(1, SeqCst);
                    Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("hello")))
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, requests)
}

pub async fn get(address: SocketAddr) -> (StatusCode, Bytes) {
    let mut client = Client::on(TcpStream::connect(address).await.unwrap()).await;
    let (status, body, _) = client.send("GET", "/", Bytes::new()).await.unwrap();
    (status, body)
}

pub struct Client(SendRequest<Full<Bytes>>);

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::on(TcpStream::connect(address).await.unwrap()).await
    }

    pub async fn on(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    /// Status, body, and whether the other side will close the connection now.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes, bool), hyper::Error> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "a")
            .body(Full::from(body))
            .unwrap();
        self.0.ready().await?;
        let response = self.0.send_request(request).await?;
        let (status, closes) = (
            response.status(),
            response.headers().get("connection").is_some_and(|v| v == "close"),
        );
        Ok((status, response.into_body().collect().await?.to_bytes(), closes))
    }
}
