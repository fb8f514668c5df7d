//! The API as a member uses it: patient where it says that it is busy, and exact about what it refused.

use crate::target::Target;
use anyhow::{Context, bail};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);
const ATTEMPTS: u32 = 12;
/// Who asks for more patience than this is not busy but closed.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// In no photo: a JPEG has no such run of letters.
const BOUNDARY: &str = "one-photo-of-a-demo-member";

#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base_url: String,
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
    asked: String,
}

impl Client {
    pub fn new(target: &Target) -> anyhow::Result<Client> {
        // Fails only where one has been installed already, which is as good.
        rustls::crypto::ring::default_provider().install_default().ok();
        let builder = reqwest::Client::builder().timeout(TIMEOUT);
        let builder = if target.is_this_machine {
            builder.no_proxy()
        } else {
            builder
        };
        Ok(Client {
            http: builder.build()?,
            base_url: target.base_url.clone(),
        })
    }

    pub async fn get(&self, token: Option<&str>, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, |request| signed(request, token)).await
    }

    pub async fn put(&self, token: &str, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::PUT, path, |request| request.bearer_auth(token)).await
    }

    /// With a key of its own, so that a create whose answer was lost is not carried out twice.
    pub async fn post(&self, token: Option<&str>, path: &str, body: Value) -> anyhow::Result<Answer> {
        let key = format!("{:032x}", rand::random::<u128>());
        let with = |request| signed(request, token).header("idempotency-key", &key).json(&body);
        self.send(Method::POST, path, with).await
    }

    /// The id of the photo.
    pub async fn upload(&self, token: &str, photo: &[u8]) -> anyhow::Result<u64> {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"photo.jpg\"\r\n\
             Content-Type: image/jpeg\r\n\r\n"
        );
        let body = [head.as_bytes(), photo, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat();
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let with = |request: RequestBuilder| {
            request
                .bearer_auth(token)
                .header(CONTENT_TYPE, &kind)
                .body(body.clone())
        };
        self.send(Method::POST, "/api/media", with)
            .await?
            .expect(StatusCode::CREATED)?
            .id()
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> anyhow::Result<Answer> {
        let asked = format!("{method} {path}");
        for attempt in 1.. {
            let request = with(self.http.request(method.clone(), format!("{}{path}", self.base_url)));
            let sent = request.send().await;
            let wait = match &sent {
                Ok(response) => wait(response, attempt),
                // Nobody there, or gone in the middle: each request may be sent again.
                Err(_) => Some(pause(attempt)),
            };
            match (wait, attempt) {
                (Some(wait), ..ATTEMPTS) if wait <= LONGEST_WAIT => tokio::time::sleep(wait).await,
                _ => {
                    let response = sent.with_context(|| format!("no answer from {}: {asked}", self.base_url))?;
                    return Answer::read(asked, response).await;
                }
            }
        }
        bail!("{asked} was given up")
    }
}

fn signed(request: RequestBuilder, token: Option<&str>) -> RequestBuilder {
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

/// How long to wait before asking again; `None` for an answer that is final.
fn wait(response: &Response, attempt: u32) -> Option<Duration> {
    let is_busy = matches!(
        response.status(),
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    );
    let told = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    is_busy.then(|| told.map_or_else(|| pause(attempt), Duration::from_secs))
}

fn pause(attempt: u32) -> Duration {
    Duration::from_millis(200 * u64::from(attempt))
}

impl Answer {
    async fn read(asked: String, response: Response) -> anyhow::Result<Answer> {
        let status = response.status();
        let text = response
            .text()
            .await
            .with_context(|| format!("no whole answer to {asked}"))?;
        let body = match text.is_empty() {
            true => Value::Null,
            false => serde_json::from_str(&text).unwrap_or_else(|_| json!(text.chars().take(200).collect::<String>())),
        };
        Ok(Answer { status, body, asked })
    }

    pub fn expect(self, status: StatusCode) -> anyhow::Result<Answer> {
        if self.status == status {
            return Ok(self);
        }
        bail!("{}: expected {status}, found {} {}", self.asked, self.status, self.body)
    }

    pub fn id(&self) -> anyhow::Result<u64> {
        let id = self.body["id"].as_u64();
        id.with_context(|| format!("{}: expected an `id`, found {}", self.asked, self.body))
    }

    pub fn text(&self, field: &str) -> anyhow::Result<&str> {
        let text = self.body[field].as_str();
        text.with_context(|| format!("{}: expected `{field}`, found {}", self.asked, self.body))
    }

    /// The entries of a list.
    pub fn list(&self, field: &str) -> anyhow::Result<&Vec<Value>> {
        let list = self.body[field].as_array();
        list.with_context(|| format!("{}: expected a list `{field}`, found {}", self.asked, self.body))
    }
}
