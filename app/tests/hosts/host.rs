//! One process of the binary, as a host runs it, and its clients.

use crate::bucket::Bucket;
use crate::database::Database;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{SinkExt, StreamExt};
use ring::hmac;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message as Frame, client::IntoClientRequest as _};

pub const DEADLINE: Duration = Duration::from_secs(20);

const JWT_KEY: &str = "0123456789abcdef0123456789abcdef";

pub struct Host {
    child: Child,
    pub address: SocketAddr,
}

/// A member signed up and signed in at some host; the token is good at all.
pub struct Member {
    pub id: u64,
    pub email: String,
    pub token: String,
}

impl Host {
    pub async fn start(database: &Database, environment: &[(&str, &str)]) -> Host {
        let address = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port");
        let child = Command::new(env!("CARGO_BIN_EXE_instagram"))
            .env_clear()
            .env("LISTEN", address.to_string())
            .env("DATABASE_URL", &database.url)
            .env("JWT_KEY", JWT_KEY)
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .spawn()
            .expect("started");
        let host = Host { child, address };
        until("the host listens", async || TcpStream::connect(address).await.is_ok()).await;
        host
    }

    pub async fn member(&self) -> Member {
        let name = format!("u{:016x}", rand::random::<u64>());
        let sign_up = json!({
            "email": format!("{name}@example.com"),
            "real_name": "홍 길동",
            "nickname": name,
            "password": "correct horse battery",
        });
        let (status, member) = self.ask("POST", "/api/members", "", &sign_up).await;
        assert_eq!(status, 201, "{member}");
        let sign_in = json!({ "name": name, "password": "correct horse battery" });
        let (status, session) = self.ask("POST", "/api/sessions", "", &sign_in).await;
        assert_eq!(status, 201, "{session}");
        Member {
            id: member["id"].as_u64().expect("an id"),
            email: member["email"].as_str().expect("an address").to_owned(),
            token: session["access_token"].as_str().expect("a token").to_owned(),
        }
    }

    /// The status and the body of an answer.
    pub async fn ask(&self, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let body = ("application/json", body.as_bytes());
        let (head, body) = self.exchange(method, path, token, body).await;
        (status_of(&head), serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// Brings a photo.
    pub async fn upload(&self, owner: &Member, file: &[u8]) -> Value {
        let head = b"--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n";
        let form = [&head[..], file, b"\r\n--x--\r\n"].concat();
        let body = ("multipart/form-data; boundary=x", &form[..]);
        let (head, media) = self.exchange("POST", "/api/media", &owner.token, body).await;
        assert_eq!(status_of(&head), 201, "{media}");
        serde_json::from_str(&media).expect("JSON")
    }

    pub async fn status(&self, path: &str) -> u16 {
        status_of(&self.exchange("HEAD", path, "", ("application/json", b"")).await.0)
    }

    /// Runs the command beside the host, to its end; the error is what it says.
    pub async fn sweep(&self, database: &Database, bucket: &Bucket) -> Result<(), String> {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_instagram"));
        let command = command
            .arg("sweep")
            .env_clear()
            .env("DATABASE_URL", &database.url)
            .env("JWT_KEY", JWT_KEY)
            .envs(bucket.environment());
        let output = command.output().await.expect("ran");
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// A stranger's request: the status, the type and the body of its answer.
    pub async fn ask_whole(&self, method: &str, path: &str, body: &Value) -> (u16, String, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (head, body) = self
            .exchange(method, path, "", ("application/json", body.as_bytes()))
            .await;
        let head = head.to_ascii_lowercase();
        let kind = head.lines().find_map(|line| line.strip_prefix("content-type: "));
        let kind = kind.unwrap_or_default().to_owned();
        (
            status_of(&head),
            kind,
            serde_json::from_str(&body).unwrap_or(Value::Null),
        )
    }

    /// The head and the body of the answer; the request's `body` is of a type.
    async fn exchange(&self, method: &str, path: &str, token: &str, (kind, body): (&str, &[u8])) -> (String, String) {
        let authorization = match token {
            "" => String::new(),
            token => format!("Authorization: Bearer {token}\r\n"),
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: {kind}\r\n\
             {authorization}Content-Length: {}\r\n\r\n",
            body.len()
        );
        let mut answer = String::new();
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await?;
            stream.write_all(request.as_bytes()).await?;
            stream.write_all(body).await?;
            stream.read_to_string(&mut answer).await
        };
        let exchange = tokio::time::timeout(DEADLINE, exchange).await;
        exchange.expect("an answer in time").expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
        (head.to_owned(), body.to_owned())
    }

    /// A room of the two, by its address.
    pub async fn room(&self, one: &Member, other: &Member) -> String {
        let (_, room) = self
            .ask("POST", "/api/rooms", &one.token, &json!({ "member_id": other.id }))
            .await;
        format!("/api/rooms/{}", room["id"])
    }

    pub async fn say(&self, room: &str, sender: &Member, body: &Value) -> Value {
        let (status, message) = self.ask("POST", &format!("{room}/messages"), &sender.token, body).await;
        assert_eq!(status, 201, "{message}");
        message
    }

    pub async fn live(&self, token: &str, cursor: Option<&str>) -> Live {
        let stream = TcpStream::connect(self.address).await.expect("connected");
        let url = format!("ws://{}/api/messages/live", self.address);
        let request = url.into_client_request().expect("a request");
        let (socket, _) = tokio_tungstenite::client_async(request, stream)
            .await
            .expect("upgraded");
        let mut live = Live(socket);
        live.say(&json!({ "token": token, "cursor": cursor })).await;
        let ready = live.next().await.expect("a frame");
        assert_eq!(ready["type"], "ready", "{ready}");
        live
    }

    pub async fn live_connections(&self) -> usize {
        let metrics = self.metrics().await;
        let line = metrics.lines().find_map(|line| line.strip_prefix("live_connections "));
        line.and_then(|count| count.parse().ok()).expect("a count")
    }

    pub async fn metrics(&self) -> String {
        let (head, metrics) = self.exchange("GET", "/metrics", "", ("application/json", b"")).await;
        assert_eq!(status_of(&head), 200);
        metrics
    }

    pub fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("signalled");
    }

    /// Its exit code, when told to stop.
    pub async fn ended(&mut self) -> Option<i32> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "still running");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn status_of(head: &str) -> u16 {
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.expect("a status")
}

pub struct Live(pub WebSocketStream<TcpStream>);

impl Live {
    pub async fn say(&mut self, frame: &Value) {
        self.0.send(Frame::text(frame.to_string())).await.expect("sent");
    }

    /// The next frame, or the code that the connection was closed with.
    pub async fn next(&mut self) -> Result<Value, u16> {
        loop {
            let frame = tokio::time::timeout(DEADLINE, self.0.next())
                .await
                .expect("a frame in time");
            match frame.expect("a frame before the end").expect("a right frame") {
                Frame::Text(text) => return Ok(serde_json::from_str(&text).expect("JSON")),
                Frame::Close(Some(close)) => return Err(close.code.into()),
                Frame::Ping(_) | Frame::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

/// An access token with a life of this length, as the app itself would sign it.
pub fn token(member: u64, life: Duration) -> String {
    signed("HS512", hmac::HMAC_SHA512, &claims(member, life))
}

pub fn claims(member: u64, life: Duration) -> Value {
    json!({
        "iss": "instagram", "aud": "instagram-api", "sub": member.to_string(), "jti": "test",
        "iat": now(), "nbf": now(), "exp": now() + life.as_secs(),
    })
}

/// A token of these claims by the app's own key, said to be of one algorithm and signed by another, or by the same.
pub fn signed(said: &str, algorithm: hmac::Algorithm, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({ "alg": said, "typ": "JWT" })), part(claims));
    let signature = hmac::sign(&hmac::Key::new(algorithm, JWT_KEY.as_bytes()), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

pub fn now() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.expect("after 1970").as_secs()
}

/// A grey PNG of this size.
pub fn photo(width: u32, height: u32) -> Vec<u8> {
    let picture = image::GrayImage::from_pixel(width, height, image::Luma([120]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).expect("encoded");
    bytes.into_inner()
}

/// Polls until it is so.
pub async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
