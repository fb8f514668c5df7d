//! The client against registries that fail, lie and ask: small local servers that answer as a test tells them to.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, StatusCode};
use contract::Digest;
use oci::image::{FileEntry, ImageSpec, build};
use oci::registry::{CredentialSource, Login, Problem, RegistryError, Retry, Secret, Silent};
use oci::{Client, ClientOptions, Repository};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A server that answers each request by `answer`, and remembers `METHOD path [authorization]`.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answer: impl Fn(&Request, usize) -> Response<Body> + Clone + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let log = Arc::clone(&seen);
        let router = Router::new().fallback(move |request: Request| {
            let number = {
                let mut log = log.lock().unwrap();
                let authorization = request
                    .headers()
                    .get("authorization")
                    .map(|value| value.to_str().unwrap());
                log.push(format!(
                    "{} {} {}",
                    request.method(),
                    request.uri(),
                    authorization.unwrap_or("-")
                ));
                log.len()
            };
            let response = answer(&request, number);
            async move { response }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, seen }
    }

    fn repository(&self) -> Repository {
        Repository::parse(&format!("{}/shop", self.address)).unwrap()
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn client(credentials: CredentialSource) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let retry = Retry {
        attempts: 4,
        first_delay: Duration::from_millis(1),
        max_delay: Duration::from_millis(5),
    };
    Client::new(ClientOptions {
        credentials,
        retry,
        ..ClientOptions::default()
    })
    .unwrap()
}

fn ann() -> CredentialSource {
    CredentialSource::Given(Login::Password {
        username: "ann".into(),
        password: Secret::new("hunter2"),
    })
}

fn reply(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response<Body> {
    let builder = Response::builder().status(StatusCode::from_u16(status).unwrap());
    headers
        .iter()
        .fold(builder, |builder, (name, value)| builder.header(*name, *value))
        .body(body.into())
        .unwrap()
}

fn shown(error: &RegistryError) -> String {
    let text = format!("{error}\n{error:?}");
    assert!(!text.contains("hunter2"), "a secret shows: {text}");
    error.to_string()
}

#[tokio::test]
async fn a_registry_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
    let digest = Digest::of(b"x");
    let busy = Server::start(move |_, number| match number {
        1 => reply(503, &[], ""),
        2 => reply(429, &[("retry-after", "0")], ""),
        _ => reply(200, &[("docker-content-digest", &digest.to_string())], ""),
    });
    let busy = busy.await;
    assert_eq!(
        client(CredentialSource::Anonymous)
            .resolve(&busy.repository(), "v1")
            .await
            .unwrap(),
        Some(digest)
    );
    assert_eq!(busy.seen().len(), 3);

    let refusing = Server::start(|_, _| reply(403, &[], "")).await;
    let error = client(CredentialSource::Anonymous)
        .resolve(&refusing.repository(), "v1")
        .await
        .unwrap_err();
    assert_eq!(error.status(), Some(403));
    assert_eq!(refusing.seen().len(), 1);
}

#[tokio::test]
async fn a_registry_that_stays_down_is_given_up_with_its_name_and_the_next_step() {
    let down = Server::start(|_, _| reply(502, &[], "")).await;
    let error = client(CredentialSource::Anonymous)
        .resolve(&down.repository(), "v1")
        .await
        .unwrap_err();
    assert_eq!(down.seen().len(), 4);
    let host = down.repository().host().to_owned();
    let expected = format!(
        "registry `{host}`: cannot look for `v1` in `shop`: it answered 502 Bad Gateway\n\
         hint: try again later; the registry's own log says more"
    );
    assert_eq!(shown(&error), expected);

    // Nothing listens on port 1.
    let nowhere = Repository::parse("127.0.0.1:1/shop").unwrap();
    let error = client(CredentialSource::Anonymous)
        .exists(&nowhere, Digest::of(b""))
        .await
        .unwrap_err();
    assert!(matches!(*error.problem, Problem::Unreachable { .. }), "{error:?}");
    assert!(
        shown(&error).contains("Connection refused") && shown(&error).contains("check that `127.0.0.1:1`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_registrys_own_words_are_passed_on_but_not_all_of_them() {
    let body = format!(
        r#"{{"errors":[{{"code":"DENIED","message":"no\u001b[31m {}"}}]}}"#,
        "x".repeat(5000)
    );
    let server = Server::start(move |_, _| reply(403, &[], body.clone())).await;
    let image = build(&ImageSpec::default()).unwrap();
    let error = client(CredentialSource::Anonymous)
        .pull_manifest(&server.repository(), image.digest())
        .await
        .unwrap_err();
    let text = shown(&error);
    assert!(text.contains("403 Forbidden (DENIED): no [31m xxx"), "{text}");
    assert!(text.len() < 800 && !text.contains('\u{1b}'), "{text}");
}

#[tokio::test]
async fn a_registry_that_stores_other_bytes_than_it_was_given_is_found_out() {
    let other = Digest::of(b"other").to_string();
    let server = Server::start(
        move |request, _| match (request.method().as_str(), request.uri().path()) {
            ("HEAD", path) if path.contains("/blobs/") => reply(200, &[], ""),
            ("PUT", _) => reply(201, &[("docker-content-digest", &other)], ""),
            _ => reply(404, &[], ""),
        },
    );
    let server = server.await;
    let image = build(&ImageSpec {
        layers: vec![vec![FileEntry::file("/a", "a")]],
        ..ImageSpec::default()
    })
    .unwrap();
    let error = client(CredentialSource::Anonymous)
        .push(&server.repository(), &image, &[], &Silent)
        .await
        .unwrap_err();
    assert!(
        matches!(&*error.problem, Problem::WrongBytes { expected, .. } if *expected == image.digest()),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_is_pulled_is_checked_and_bounded() {
    let server = Server::start(|_, _| reply(200, &[], "hello")).await;
    let (client, repository) = (client(CredentialSource::Anonymous), server.repository());
    let mut sink = Vec::new();
    assert_eq!(
        client
            .pull_blob(&repository, Digest::of(b"hello"), 5, &mut sink)
            .await
            .unwrap(),
        5
    );
    assert_eq!(sink, b"hello");
    let wrong = client
        .pull_blob(&repository, Digest::of(b"world"), 5, &mut sink)
        .await
        .unwrap_err();
    assert!(matches!(*wrong.problem, Problem::WrongBytes { .. }), "{wrong:?}");
    let long = client
        .pull_blob(&repository, Digest::of(b"hello"), 4, &mut sink)
        .await
        .unwrap_err();
    assert!(
        matches!(*long.problem, Problem::TooLarge { limit_bytes: 4 }),
        "{long:?}"
    );
    let manifest = client
        .pull_manifest(&repository, Digest::of(b"world"))
        .await
        .unwrap_err();
    assert!(matches!(*manifest.problem, Problem::WrongBytes { .. }), "{manifest:?}");
}

#[tokio::test]
async fn a_redirected_download_carries_no_credentials_to_the_other_host() {
    let storage = Server::start(|_, _| reply(200, &[], "hello")).await;
    let elsewhere = format!("http://{}/bucket?signature=hunter2", storage.address);
    let registry = Server::start(
        move |request, _| match request.headers().contains_key("authorization") {
            true => reply(307, &[("location", &elsewhere)], ""),
            false => reply(401, &[("www-authenticate", "Basic realm=\"x\"")], ""),
        },
    );
    let registry = registry.await;
    let mut sink = Vec::new();
    client(ann())
        .pull_blob(&registry.repository(), Digest::of(b"hello"), 5, &mut sink)
        .await
        .unwrap();
    assert_eq!(sink, b"hello");
    assert_eq!(storage.seen(), ["GET /bucket?signature=hunter2 -"]);
    assert_eq!(registry.seen().len(), 2);
}

/// A registry that accepts only `token` from the tokens that the server at `/token` hands out in turn.
async fn token_registry(accepted: fn(usize) -> &'static str) -> Server {
    Server::start(move |request, number| {
        let host = request.headers()["host"].to_str().unwrap();
        if request.uri().path() == "/token" {
            return reply(200, &[], format!(r#"{{"access_token":"t{number}","expires_in":300}}"#));
        }
        let authorization = request
            .headers()
            .get("authorization")
            .map(|value| value.to_str().unwrap());
        if authorization == Some(accepted(number)) {
            return reply(200, &[("docker-content-digest", &Digest::of(b"x").to_string())], "");
        }
        let challenge = format!(r#"Bearer realm="http://{host}/token",service="shops",scope="repository:shop:pull""#);
        reply(401, &[("www-authenticate", &challenge)], "")
    })
    .await
}

#[tokio::test]
async fn a_token_is_kept_while_it_is_good_and_fetched_anew_when_it_is_not() {
    // Until the fourth request the token of the second is good, then that of the sixth.
    let server = token_registry(|number| if number <= 4 { "Bearer t2" } else { "Bearer t6" }).await;
    let (client, repository) = (client(ann()), server.repository());
    for _ in 0..3 {
        assert_eq!(client.resolve(&repository, "v1").await.unwrap(), Some(Digest::of(b"x")));
    }
    let token = "GET /token?service=shops&scope=repository%3Ashop%3Apull Basic YW5uOmh1bnRlcjI=";
    let head = |token: &str| format!("HEAD /v2/shop/manifests/v1 {token}");
    let expected = [
        head("-"),
        token.to_owned(),
        head("Bearer t2"),
        head("Bearer t2"),
        head("Bearer t2"),
        token.to_owned(),
        head("Bearer t6"),
    ];
    assert_eq!(server.seen(), expected);
}

#[tokio::test]
async fn a_token_that_is_refused_at_once_is_not_fetched_for_ever() {
    let server = token_registry(|_| "none").await;
    let error = client(ann()).resolve(&server.repository(), "v1").await.unwrap_err();
    assert_eq!(error.status(), Some(401));
    let hint = format!(
        "hint: log in with `docker login {}`, or set `registry.auth`",
        server.address
    );
    assert!(shown(&error).ends_with(&hint), "{error}");
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn an_identity_token_goes_in_a_body_and_not_in_an_address() {
    let server = token_registry(|_| "Bearer t2").await;
    let login = CredentialSource::Given(Login::IdentityToken(Secret::new("hunter2")));
    client(login).resolve(&server.repository(), "v1").await.unwrap();
    assert_eq!(server.seen()[1], "POST /token -");
}

#[tokio::test]
async fn a_token_server_that_is_neither_encrypted_nor_here_gets_no_password() {
    let challenge = r#"Bearer realm="http://tokens.example.test/token?x=hunter2",service="shops""#;
    let server = Server::start(move |_, _| reply(401, &[("www-authenticate", challenge)], "")).await;
    let error = client(ann()).resolve(&server.repository(), "v1").await.unwrap_err();
    assert!(matches!(*error.problem, Problem::UnsafeUrl { .. }), "{error:?}");
    assert!(
        shown(&error).contains("its token server `http://tokens.example.test/token` is plain http"),
        "{error}"
    );
}

#[tokio::test]
async fn a_ca_file_that_is_no_ca_file_is_named() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    for (content, expected) in [
        (None, "No such file"),
        (Some("hello"), "expected PEM certificates, found none"),
    ] {
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let options = ClientOptions {
            ca_file: Some(path.clone()),
            ..ClientOptions::default()
        };
        let problem = Client::new(options).unwrap_err().to_string();
        assert!(problem.contains("ca.pem") && problem.contains(expected), "{problem}");
    }
}
