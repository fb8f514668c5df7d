//! The router of this host, by its admin socket.

use crate::reach::Reach;
use bytes::Bytes;
use contract::{Hold, RouterStatus, Table};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(2);
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

#[derive(Debug, Clone)]
pub struct Router {
    reach: Arc<dyn Reach>,
}

#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// It will be back: supervised, and with its last table.
    #[error("the router does not answer: {0}")]
    Away(String),
    /// It understood, and will not.
    #[error("the router refused: {0}")]
    Refused(String),
}

impl Router {
    pub fn new(reach: Arc<dyn Reach>) -> Self {
        Self { reach }
    }

    pub async fn status(&self) -> Result<RouterStatus, PutError> {
        self.ask(Method::GET, "/status", Bytes::new()).await
    }

    /// In force and on disk once this returns.
    pub async fn put(&self, table: &Table) -> Result<RouterStatus, PutError> {
        let body = serde_json::to_vec(table).map_err(away)?;
        self.ask(Method::PUT, "/table", body.into()).await
    }

    /// All weight back on the stable version, for good for the rollout that is under way.
    pub async fn revert(&self) -> Result<RouterStatus, PutError> {
        self.ask(Method::POST, "/revert", Bytes::new()).await
    }

    /// Keeps requests from every version, or lets them go on.
    pub async fn hold(&self, asked: Option<&Hold>) -> Result<RouterStatus, PutError> {
        match asked {
            Some(hold) => {
                let body = serde_json::to_vec(hold).map_err(away)?;
                self.ask(Method::PUT, "/hold", body.into()).await
            }
            None => self.ask(Method::DELETE, "/hold", Bytes::new()).await,
        }
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<RouterStatus, PutError> {
        let answer = tokio::time::timeout(TIMEOUT, self.exchange(method, path, body)).await;
        let (status, body) = match answer {
            Ok(answer) => answer.map_err(away)?,
            Err(_) => return Err(away(format!("no answer within {} s", TIMEOUT.as_secs()))),
        };
        let text = || String::from_utf8_lossy(&body).chars().take(300).collect::<String>();
        match status {
            StatusCode::OK => serde_json::from_slice(&body).map_err(away),
            StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => {
                Err(PutError::Refused(text()))
            }
            other => Err(away(format!("{other}: {}", text()))),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let stream = self.reach.router().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "router")
            .body(Full::new(body))?;
        let respond = async {
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await?.to_bytes();
            Ok((head.status, body))
        };
        tokio::pin!(respond, connection);
        // The connection carries the exchange and ends with it.
        tokio::select! {
            answer = &mut respond => answer,
            closed = &mut connection => { closed?; respond.await }
        }
    }
}

fn away(why: impl ToString) -> PutError {
    PutError::Away(why.to_string())
}
