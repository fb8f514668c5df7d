//! A client that knows the API's envelope, and members made up at random.

use crate::files::{form, png, upload};
use rand::RngExt as _;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

const TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base_url: String,
}

/// An answer, read whole.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

/// A member who has signed up and signed in.
pub struct Member {
    pub sign_up: Value,
    pub token: String,
    photo: OnceCell<u64>,
}

impl Client {
    pub fn new() -> Client {
        let base_url = std::env::var("BASE_URL").unwrap_or_default();
        assert!(
            base_url.starts_with("http://"),
            "BASE_URL is not set: start the API and say where it is, such as BASE_URL=http://127.0.0.1:8080"
        );
        // Fails only when another test has installed it already.
        rustls::crypto::ring::default_provider().install_default().ok();
        // A proxy named in the environment has no business between these tests and their target.
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(TIMEOUT)
            .build()
            .expect("a client");
        Client {
            http,
            base_url: base_url.trim_end_matches('/').to_owned(),
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base_url))
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, path).json(body)).await
    }

    pub async fn get_as(&self, token: &str, path: &str) -> Answer {
        send(self.request(Method::GET, path).bearer_auth(token)).await
    }

    pub async fn post_as(&self, token: &str, path: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, path).bearer_auth(token).json(body)).await
    }

    pub async fn patch_as(&self, token: &str, path: &str, body: &Value) -> Answer {
        send(self.request(Method::PATCH, path).bearer_auth(token).json(body)).await
    }

    pub async fn put_as(&self, token: &str, path: &str) -> Answer {
        send(self.request(Method::PUT, path).bearer_auth(token)).await
    }

    pub async fn delete_as(&self, token: &str, path: &str) -> Answer {
        send(self.request(Method::DELETE, path).bearer_auth(token)).await
    }

    pub async fn sign_in(&self, name: &str, password: &str) -> Answer {
        self.post("/api/sessions", &json!({ "name": name, "password": password }))
            .await
    }

    pub async fn new_member(&self) -> Member {
        let sign_up = sign_up();
        self.post("/api/members", &sign_up).await.expect(StatusCode::CREATED);
        let session = self
            .sign_in(text(&sign_up, "nickname"), text(&sign_up, "password"))
            .await;
        let session = session.expect(StatusCode::CREATED);
        Member::new(sign_up, text(&session, "access_token"))
    }

    /// A few at a time: passwords are hashed, and whoever waits too long for that is sent away.
    pub async fn new_members(&self, count: usize) -> Vec<Member> {
        let mut made = Vec::new();
        while made.len() < count {
            let at_once = (count - made.len()).min(4);
            let clients = std::iter::repeat_n(self.clone(), at_once);
            let signing_up: JoinSet<Member> = clients.map(|client| async move { client.new_member().await }).collect();
            made.extend(signing_up.join_all().await);
        }
        made
    }
}

impl Member {
    pub fn new(sign_up: Value, token: &str) -> Member {
        Member {
            sign_up,
            token: token.to_owned(),
            photo: OnceCell::new(),
        }
    }

    /// One photo for all of the member's posts, uploaded when it is first asked for.
    pub async fn photo(&self, client: &Client) -> u64 {
        let uploaded = self.photo.get_or_init(async || {
            let media = send(upload(client, &self.token, &form(&png(5, 3)))).await;
            let media = media.expect(StatusCode::CREATED);
            media["id"].as_u64().unwrap_or_else(|| panic!("no id in {media}"))
        });
        *uploaded.await
    }

    /// A post of this text, with a photo.
    pub async fn draft(&self, client: &Client, text: &str) -> Value {
        json!({ "text": text, "photos": [self.photo(client).await] })
    }

    /// Its address.
    pub async fn post(&self, client: &Client, text: &str) -> String {
        let draft = self.draft(client, text).await;
        let answer = client.post_as(&self.token, "/api/posts", &draft).await;
        let location = answer.header("location").to_owned();
        answer.expect(StatusCode::CREATED);
        location
    }

    pub fn nickname(&self) -> &str {
        text(&self.sign_up, "nickname")
    }

    pub async fn id(&self, client: &Client) -> u64 {
        let me = client.get_as(&self.token, "/api/me").await.expect(StatusCode::OK);
        me["id"].as_u64().unwrap_or_else(|| panic!("no id in {me}"))
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
    }

    #[track_caller]
    pub fn expect(self, status: StatusCode) -> Value {
        assert_eq!(self.status, status.as_u16(), "{}", self.text);
        self.json()
    }

    #[track_caller]
    pub fn expect_no_content(self) {
        assert_eq!((self.status, self.text.as_str()), (204, ""));
    }

    /// A problem in the one envelope that every error has, with this code, naming exactly these fields.
    #[track_caller]
    pub fn expect_problem(self, status: StatusCode, code: &str, fields: &[&str]) {
        assert_eq!(self.status, status.as_u16(), "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], self.status, "{problem}");
        assert_eq!(problem["request_id"], self.header("x-request-id"), "{problem}");
        assert!(problem["title"].is_string() && problem["type"].is_string(), "{problem}");
        let no_errors = Vec::new();
        let named: Vec<&str> = problem["errors"]
            .as_array()
            .unwrap_or(&no_errors)
            .iter()
            .map(|e| text(e, "field"))
            .collect();
        assert_eq!(named, fields, "{problem}");
    }
}

pub async fn send(request: RequestBuilder) -> Answer {
    let response = request
        .send()
        .await
        .unwrap_or_else(|error| panic!("no answer: {error:?}"));
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response
        .text()
        .await
        .unwrap_or_else(|error| panic!("no whole answer: {error:?}"));
    Answer { status, headers, text }
}

/// A sign-up that nobody has made before.
pub fn sign_up() -> Value {
    let name = unique("u");
    json!({
        "email": format!("{name}@example.com"),
        "real_name": "홍 길동",
        "nickname": name,
        "password": "correct horse battery",
        "phone": phone(),
    })
}

pub fn unique(prefix: &str) -> String {
    format!("{prefix}{:016x}", rand::rng().random::<u64>())
}

pub fn phone() -> String {
    format!("010{:011}", rand::rng().random_range(0..100_000_000_000_u64))
}

/// `base` with some fields set, or taken away where the value is null.
pub fn with(base: &Value, changes: &[(&str, Value)]) -> Value {
    let mut changed = base.clone();
    for (field, value) in changes {
        match value {
            Value::Null => changed.as_object_mut().expect("an object").remove(*field),
            value => changed
                .as_object_mut()
                .expect("an object")
                .insert((*field).to_owned(), value.clone()),
        };
    }
    changed
}

#[track_caller]
pub fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("`{field}` is no text in {value}"))
}

/// Of the members on one page of a list.
#[track_caller]
pub fn nicknames(page: &Value) -> Vec<String> {
    let members = page["members"]
        .as_array()
        .unwrap_or_else(|| panic!("no members in {page}"));
    members
        .iter()
        .map(|member| text(member, "nickname").to_owned())
        .collect()
}
