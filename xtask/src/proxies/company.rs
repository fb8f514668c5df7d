//! A company's network, on this machine: a proxy that asks who one is, and behind it a server that nobody else can find, with a
//! certificate of the company's own authority.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What the site shows.
pub const PAGE: &str = "<p>hello</p>";
const MOST_HEAD_BYTES: usize = 8 * 1024;
/// `ann:correct horse`.
const WHO: &str = "Proxy-Authorization: Basic YW5uOmNvcnJlY3QgaG9yc2U=";

/// Ends when dropped.
pub struct Company {
    pub proxy: SocketAddr,
    /// Also `localhost`, by its certificate.
    pub server: SocketAddr,
    /// The same without TLS, as the ground is.
    pub plain: SocketAddr,
    pub authority: PathBuf,
    asked: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
    _folder: tempfile::TempDir,
}

impl Company {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [authority, certificate, key] = certificates(folder.path());
        let chain = CertificateDer::pem_file_iter(certificate).unwrap();
        let key = PrivateKeyDer::from_pem_file(key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
        let (listener, server) = listen().await;
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Some(TlsAcceptor::from(Arc::new(config)))));
        let (listener, plain) = listen().await;
        serving.spawn(serve(listener, None));
        let (listener, proxy) = listen().await;
        let asked = Arc::<Mutex<Vec<String>>>::default();
        serving.spawn(lead(listener, server, Arc::clone(&asked)));
        Self {
            proxy,
            server,
            plain,
            authority,
            asked,
            _serving: serving,
            _folder: folder,
        }
    }

    /// What the proxy was asked since the last time, each once and in order.
    pub fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.sort();
        asked.dedup();
        asked
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Knows only `CONNECT`, and leads everywhere to one place.
async fn lead(listener: TcpListener, to: SocketAddr, asked: Arc<Mutex<Vec<String>>>) {
    let mut tunnels = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        let asked = Arc::clone(&asked);
        tunnels.spawn(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && head.len() < MOST_HEAD_BYTES {
                head.push(near.read_u8().await.unwrap_or(b'\n'));
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let is_known = head.lines().any(|line| line.eq_ignore_ascii_case(WHO));
            let line = head.lines().next().unwrap_or_default().to_owned();
            asked.lock().unwrap().push(line);
            if !is_known {
                let refused = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
                return drop(near.write_all(refused).await);
            }
            let mut far = TcpStream::connect(to).await.unwrap();
            if near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.is_ok() {
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            }
        });
    }
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        match tls.clone() {
            None => drop(connections.spawn(speak(stream))),
            // Whoever does not trust the certificate hangs up.
            Some(tls) => drop(connections.spawn(async move {
                if let Ok(stream) = tls.accept(stream).await {
                    speak(stream).await;
                }
            })),
        }
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
    let _ = connection.await;
}

/// A webhook, a site, and an S3 server and a registry that are empty.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let host = request
        .headers()
        .get("host")
        .map(|host| host.to_str().unwrap().to_owned());
    let (status, kind, body) = match host.unwrap_or_default().split(['.', ':']).next() {
        _ if request.method() == Method::POST => (200, "text/plain", ""),
        Some("www" | "localhost") => (200, "text/html", PAGE),
        _ => (404, "application/xml", "<Error><Code>NoSuchKey</Code></Error>"),
    };
    let response = Response::builder().status(status).header("content-type", kind);
    Ok(response.body(Full::from(body)).unwrap())
}

/// Of an authority, and of a server with its key.
fn certificates(folder: &Path) -> [PathBuf; 3] {
    let openssl = |options: &[&str]| {
        let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
        let mut command = Command::new("openssl");
        let made = command.current_dir(folder).args(new.split(' ')).args(options).output();
        let made = made.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    openssl(&["-subj", "/CN=A company", "-keyout", "ca.key", "-out", "ca.pem"]);
    openssl(&[
        "-subj",
        "/CN=internal.example",
        "-addext",
        "subjectAltName=DNS:*.internal.example,DNS:localhost",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
    ]);
    ["ca.pem", "cert.pem", "key.pem"].map(|file| folder.join(file))
}
