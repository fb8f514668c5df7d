//! One connection, on which nothing is ever sent a second time.

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Longer than anything here may take: whoever waits in vain has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Client(SendRequest<Full<Bytes>>);

pub struct Answer {
    pub status: u16,
    pub body: String,
    /// The other side is about to close the connection.
    pub closes: bool,
}

impl Client {
    /// The error is the kernel's word, such as that nobody listens.
    pub async fn connect(address: SocketAddr) -> Result<Self, String> {
        let connected = tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await;
        let stream = connected.map_err(|_| "connecting took too long".to_owned())?;
        Self::on(stream.map_err(|error| format!("cannot connect: {error}"))?).await
    }

    pub async fn on(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Self, String> {
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    pub async fn ask(&mut self, method: &str, path: &str) -> Result<Answer, String> {
        let answered = tokio::time::timeout(PATIENCE, self.exchange(method, path)).await;
        let answered = answered.map_err(|_| "no answer in time".to_owned())?;
        answered.map_err(|error| format!("no answer: {error}"))
    }

    async fn exchange(&mut self, method: &str, path: &str) -> Result<Answer, hyper::Error> {
        let body = if method == "POST" {
            Bytes::from_static(&[b'x'; 500])
        } else {
            Bytes::new()
        };
        let request = Request::builder().method(method).uri(path).header("host", "shop");
        self.0.ready().await?;
        let (head, body) = self
            .0
            .send_request(request.body(Full::from(body)).unwrap())
            .await?
            .into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer {
            status: head.status.as_u16(),
            body: String::from_utf8_lossy(&body).into_owned(),
            closes: head.headers.get("connection").is_some_and(|value| value == "close"),
        })
    }
}
