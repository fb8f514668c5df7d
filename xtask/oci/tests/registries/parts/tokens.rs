//! A token server of a few lines, and the certificate it signs under.

use super::{PASSWORD, USERNAME, run};
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// A self-signed certificate with its key, for signing tokens or for a TLS server of this name.
pub struct Authority {
    directory: tempfile::TempDir,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let authority = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        let mut openssl = Command::new("openssl");
        openssl
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj"])
            .arg(format!("/CN={name}"));
        openssl.arg("-addext").arg(format!("subjectAltName=DNS:{name}"));
        openssl.arg("-addext").arg("basicConstraints=critical,CA:FALSE");
        run(openssl
            .arg("-keyout")
            .arg(authority.key())
            .arg("-out")
            .arg(authority.certificate()));
        authority
    }

    pub fn certificate(&self) -> PathBuf {
        self.directory.path().join("certificate.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.directory.path().join("key.pem")
    }

    /// A JWT (RS256) that carries its certificate, which is how docker-registry knows the key.
    fn sign(&self, claims: &serde_json::Value) -> String {
        let pem = std::fs::read_to_string(self.certificate()).unwrap();
        let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let header = json!({ "typ": "JWT", "alg": "RS256", "x5c": [STANDARD.encode(STANDARD.decode(der).unwrap())] });
        let encoded = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encoded(&header), encoded(claims));
        let signature = openssl_sign(&self.key(), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn openssl_sign(key: &Path, message: &[u8]) -> Vec<u8> {
    let mut openssl = Command::new("openssl");
    openssl
        .args(["dgst", "-sha256", "-sign"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = openssl.spawn().unwrap();
    child.stdin.take().unwrap().write_all(message).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl could not sign");
    output.stdout
}

/// Gives Ann what she asks for, anyone else the right to pull, and a wrong password nothing.
pub struct TokenServer {
    pub realm: String,
    /// The scope of each token given.
    given: Arc<Mutex<Vec<String>>>,
}

impl TokenServer {
    pub async fn start(authority: Arc<Authority>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let realm = format!("http://{}/token", listener.local_addr().unwrap());
        let given = Arc::<Mutex<Vec<String>>>::default();
        let router = Router::new()
            .route("/token", get(token))
            .with_state((authority, Arc::clone(&given)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { realm, given }
    }

    pub fn given(&self) -> Vec<String> {
        self.given.lock().unwrap().clone()
    }
}

type Shared = (Arc<Authority>, Arc<Mutex<Vec<String>>>);

async fn token(
    State((authority, given)): State<Shared>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<String, StatusCode> {
    let url = reqwest::Url::parse(&format!("http://x/?{}", query.unwrap_or_default())).unwrap();
    let parameter = |name: &str| {
        url.query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    let scope = parameter("scope").ok_or(StatusCode::BAD_REQUEST)?;
    let [kind, name, actions] = scope.split(':').collect::<Vec<_>>()[..] else {
        return Err(StatusCode::BAD_REQUEST);
    };
    let ann = format!("Basic {}", STANDARD.encode(format!("{USERNAME}:{PASSWORD}")));
    let actions: Vec<&str> = match headers.get("authorization").map(|value| value.to_str().unwrap()) {
        None => vec!["pull"],
        Some(given) if given == ann => actions.split(',').collect(),
        Some(_) => return Err(StatusCode::UNAUTHORIZED),
    };
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let claims = json!({
        "iss": "shops-tokens", "sub": USERNAME, "aud": parameter("service"), "jti": "1",
        "iat": now, "nbf": now - 10, "exp": now + 300,
        "access": [{ "type": kind, "name": name, "actions": actions }],
    });
    given.lock().unwrap().push(format!("{name}:{}", actions.join(",")));
    Ok(json!({ "token": authority.sign(&claims), "expires_in": 300 }).to_string())
}
