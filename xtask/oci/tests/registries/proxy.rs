//! A registry behind a company's proxy, with a certificate from the company's own authority.

use crate::parts::{Access, Authority, Registry, client, image};
use oci::registry::{CredentialSource, Problem, Silent};
use oci::{Client, ClientOptions, Repository};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A name that no resolver knows: only the proxy can lead there.
const NAME: &str = "registry.shops.invalid";
const CHILD: &str = "OCI_TEST_CA_FILE";
const SYSTEM_ROOTS: &str = "SSL_CERT_FILE";
const THIS_TEST: &str = "proxy::a_registry_is_reached_through_the_proxy_and_trusted_by_the_given_authority";

/// An HTTP proxy that knows only `CONNECT`, and leads everywhere to one place.
async fn start_proxy(to: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(near.read_u8().await.unwrap());
            }
            log.lock()
                .unwrap()
                .push(String::from_utf8(head).unwrap().lines().next().unwrap().to_owned());
            let mut far = TcpStream::connect(&to).await.unwrap();
            near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        }
    });
    (address, asked)
}

/// A proxy is given by the environment, which a test must not change under the others: so this test runs itself once
/// more, in an environment of its own.
#[tokio::test]
async fn a_registry_is_reached_through_the_proxy_and_trusted_by_the_given_authority() {
    if let Some(ca_file) = std::env::var_os(CHILD) {
        return behind_the_proxy(ca_file.into()).await;
    }
    let authority = Authority::new(NAME);
    let registry = Registry::start(Access::Tls {
        certificate: &authority.certificate(),
        key: &authority.key(),
    });
    let plain = Registry::start(Access::Open);
    let (proxy, asked) = start_proxy(registry.address.clone()).await;
    // The second time the authority is one of the system's own.
    for system_roots in [None, Some(authority.certificate())] {
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", THIS_TEST, "--nocapture"]);
        child
            .env(CHILD, authority.certificate())
            .env("OCI_TEST_PLAIN", &plain.address);
        child
            .env("HTTPS_PROXY", format!("http://{proxy}"))
            .env("HTTP_PROXY", format!("http://{proxy}"));
        match system_roots {
            Some(file) => child.env(SYSTEM_ROOTS, file),
            None => child.env_remove(SYSTEM_ROOTS),
        };
        let output = child.output().await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&text));
    }
    // The registry on this machine was pushed to as well, and the proxy never heard of it.
    let asked = asked.lock().unwrap().clone();
    assert!(
        !asked.is_empty() && asked.iter().all(|line| line == &format!("CONNECT {NAME}:443 HTTP/1.1")),
        "{asked:?}"
    );
}

async fn behind_the_proxy(ca_file: PathBuf) {
    let repository = Repository::parse(&format!("{NAME}/shop")).unwrap();
    let image = image(100_000);
    let stranger = client(CredentialSource::Anonymous);
    if std::env::var_os(SYSTEM_ROOTS).is_some() {
        stranger.push(&repository, &image, &["v1"], &Silent).await.unwrap();
        return;
    }
    let error = stranger.push(&repository, &image, &[], &Silent).await.unwrap_err();
    assert!(matches!(*error.problem, Problem::Untrusted { .. }), "{error:?}");
    assert!(error.to_string().contains("registry.ca_file"), "{error}");

    let friend = Client::new(ClientOptions {
        ca_file: Some(ca_file),
        ..ClientOptions::default()
    })
    .unwrap();
    friend.push(&repository, &image, &["v1"], &Silent).await.unwrap();
    assert_eq!(friend.resolve(&repository, "v1").await.unwrap(), Some(image.digest()));

    let plain = std::env::var("OCI_TEST_PLAIN").unwrap();
    let plain = Repository::parse(&format!("{plain}/shop")).unwrap();
    friend.push(&plain, &image, &[], &Silent).await.unwrap();
}
