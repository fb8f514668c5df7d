//! One client of the API: a connection that is kept alive, and no more work than needed.

use crate::actors::Actor;
use crate::kind::{Kind, Turn};
use crate::world::POSTS;
use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
}

impl Connection {
    pub async fn open(base_url: &str) -> anyhow::Result<Connection> {
        let wrong = || format!("BASE_URL must be such as `http://127.0.0.1:8080`; it is `{base_url}`");
        let uri: Uri = base_url.parse().with_context(wrong)?;
        let (Some("http"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            bail!(wrong());
        };
        let port = authority.port_u16().unwrap_or(80);
        let stream = TcpStream::connect((authority.host(), port)).await;
        let stream = stream.with_context(|| format!("nobody answers at {base_url}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends with the sender.
        tokio::spawn(connection);
        Ok(Connection {
            sender,
            authority: authority.to_string(),
        })
    }

    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Bytes,
    ) -> anyhow::Result<(u16, Bytes)> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.authority);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        self.sender.ready().await?;
        let response = self.sender.send_request(request.body(Full::new(body))?).await?;
        let status = response.status().as_u16();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }

    pub async fn json(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> anyhow::Result<(u16, Value)> {
        let body = if body.is_null() {
            Bytes::new()
        } else {
            body.to_string().into()
        };
        let (status, answer) = self.send(method, path, token, body).await?;
        Ok((status, serde_json::from_slice(&answer).unwrap_or_default()))
    }
}

/// A member at a connection.
#[derive(Debug)]
pub struct ApiClient {
    pub connection: Connection,
    pub actor: Actor,
}

impl ApiClient {
    pub async fn ask(&mut self, turn: Turn) -> anyhow::Result<()> {
        let token = Some(self.actor.token.as_str());
        let post = post_of(turn.number);
        let (expected, (status, answer)) = match turn.kind {
            Kind::Feed => (
                200,
                self.connection.send("GET", "/api/feed", token, Bytes::new()).await?,
            ),
            Kind::Post => {
                let path = format!("/api/posts/{post}");
                (200, self.connection.send("GET", &path, token, Bytes::new()).await?)
            }
            Kind::Create => {
                let body = json!({ "text": text_of(turn.number), "photos": [self.actor.photo] });
                let body = body.to_string().into();
                (201, self.connection.send("POST", "/api/posts", token, body).await?)
            }
            Kind::Like => {
                let path = format!("/api/posts/{post}/like");
                (204, self.connection.send("PUT", &path, token, Bytes::new()).await?)
            }
        };
        let kind = turn.kind.name();
        ensure!(
            status == expected,
            "{kind}: expected {expected}, found {status} {}",
            String::from_utf8_lossy(&answer)
        );
        Ok(())
    }
}

/// Which post a client's request is about: all in turn, far from each other.
pub fn post_of(number: u64) -> u64 {
    1 + number * 61_803 % POSTS
}

pub fn text_of(number: u64) -> String {
    format!("오늘의 사진 {number}, as it came out of the camera 📷")
}
