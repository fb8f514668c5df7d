//! TLS, with certificates that change while it is in use.

use crate::backend::Backend;
use crate::client;
use crate::host::{Router, eventually};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate for this name that is its own root, in `NAME.pem` and `NAME.key`.
fn make_certificate(dir: &Path, file: &str, host: &str) {
    let output = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "1",
        ])
        .args([
            "-subj",
            "/CN=test",
            "-addext",
            &format!("subjectAltName=DNS:{host}"),
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .args(["-keyout", &format!("{file}.key"), "-out", &format!("{file}.pem")])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn connect(
    address: SocketAddr,
    root: &Path,
    host: &str,
    protocols: &[&str],
) -> Result<TlsStream<TcpStream>, String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(root).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    connected.map_err(|error| error.to_string())
}

fn with_certificate(dir: &Path) -> serde_json::Value {
    make_certificate(dir, "site", "shop.example");
    json!({ "tls": { "certificate": "site.pem", "key": "site.key" } })
}

#[tokio::test]
async fn users_choose_their_protocol_and_the_backend_is_told_it_was_https() {
    let backend = Backend::start(1).await;
    let router = Router::told(with_certificate).await.with(&backend).await;
    let root = router.path("site.pem");
    for (offered, chosen) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let stream = connect(router.address, &root, "shop.example", offered).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), chosen.map(str::as_bytes));
        if chosen != Some("h2") {
            let reply = client::request_on(stream, "GET", "/headers", &[], Vec::new())
                .await
                .unwrap();
            let seen = reply.expect_status(200).text();
            assert!(
                seen.contains("x-forwarded-proto: https\n") && seen.contains(";proto=https\n"),
                "{seen}"
            );
        }
    }
    // Plain text is no handshake, and no request.
    let answer = client::raw(router.address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(!answer.contains("HTTP/1.1"), "{answer:?}");
}

#[tokio::test]
async fn a_new_certificate_is_used_and_a_bad_one_is_not() {
    let backend = Backend::start(1).await;
    let router = Router::told(with_certificate).await.with(&backend).await;
    let open = connect(router.address, &router.path("site.pem"), "shop.example", &[])
        .await
        .unwrap();
    let connects = async |root: &str| connect(router.address, &router.path(root), "shop.example", &[]).await;

    std::fs::copy(router.path("site.pem"), router.path("first.pem")).unwrap();
    std::fs::write(router.path("site.pem"), "no certificate").unwrap();
    let log = async || std::fs::read_to_string(router.path("router.log")).unwrap();
    eventually("the bad one is named", async || {
        log().await.contains("the certificate before stays in use")
    })
    .await;
    assert!(log().await.contains("site.pem") && connects("first.pem").await.is_ok());

    make_certificate(router.dir.path(), "site", "shop.example");
    eventually("the new one is used", async || connects("site.pem").await.is_ok()).await;
    assert!(connects("first.pem").await.is_err());
    let reply = client::request_on(open, "GET", "/", &[], Vec::new()).await.unwrap();
    assert_eq!(reply.expect_status(200).text(), "1", "what was open before goes on");
}

#[tokio::test]
async fn a_handshake_that_does_not_come_to_an_end_is_cut_off() {
    let router = Router::told(with_certificate).await;
    let mut stream = TcpStream::connect(router.address).await.unwrap();
    stream.write_all(&[0x16, 0x03, 0x01]).await.unwrap();
    let began = std::time::Instant::now();
    let mut rest = tokio::io::sink();
    let closed = tokio::io::copy(&mut stream, &mut rest);
    let closed = tokio::time::timeout(std::time::Duration::from_secs(25), closed).await;
    assert!(
        closed.is_ok() && began.elapsed().as_secs() >= 9,
        "{closed:?} after {:?}",
        began.elapsed()
    );
}

#[test]
fn without_its_certificate_a_router_does_not_start_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let mut config: serde_json::Value =
        serde_json::from_str(&crate::host::host_json("127.0.0.1:1".parse().unwrap())).unwrap();
    config["router"] = with_certificate(dir.path());
    make_certificate(dir.path(), "other", "shop.example");
    std::fs::copy(dir.path().join("other.key"), dir.path().join("site.key")).unwrap();
    config["listen"] = json!("127.0.0.1:0");
    std::fs::write(dir.path().join("host.json"), config.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_router"));
    let output = command
        .arg(dir.path().join("host.json"))
        .env_remove("LISTEN_FDS")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && text.contains("`site.key` is not that of the certificate in `site.pem`"),
        "{text}"
    );
}
