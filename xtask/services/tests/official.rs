//! Images with an official name: how they are found and what they are given.

mod common;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use common::{Bench, NOWHERE, service, tar_of};
use contract::Digest;
use services::Secret;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// A registry that serves these manifests (by tag) and blobs (by digest); returns its address.
async fn registry(things: HashMap<String, Vec<u8>>) -> String {
    let things = Arc::new(things);
    let fetch = move |Path((_name, kind, reference)): Path<(String, String, String)>| async move {
        let media_type = if kind == "manifests" {
            MANIFEST
        } else {
            "application/octet-stream"
        };
        match things.get(&reference) {
            Some(bytes) => ([(header::CONTENT_TYPE, media_type)], bytes.clone()).into_response(),
            None => unknown(),
        }
    };
    let app = axum::Router::new()
        .route("/v2/", axum::routing::get(async || StatusCode::OK))
        .route("/v2/{name}/{kind}/{reference}", axum::routing::get(fetch));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn unknown() -> Response {
    let body = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
    (
        StatusCode::NOT_FOUND,
        [(header::CONTENT_TYPE, "application/json")],
        body,
    )
        .into_response()
}

#[tokio::test]
async fn an_image_its_registry_has_is_pulled_and_is_no_substitute() {
    let bench = Bench::new().await;
    let layer = tar_of(&[("unique", bench.name.as_bytes(), 0o644)]);
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": {"Labels": {"xtask.test": "1"}},
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(&layer)]},
    });
    let config = config.to_string().into_bytes();
    let blob = |media_type: &str, bytes: &[u8]| serde_json::json!({"mediaType": media_type, "size": bytes.len(), "digest": Digest::of(bytes)});
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": blob("application/vnd.docker.container.image.v1+json", &config),
        "layers": [blob("application/vnd.docker.image.rootfs.diff.tar", &layer)],
    });
    let manifest = manifest.to_string().into_bytes();
    let id = Digest::of(&config).to_string();
    let tagged = ("8.4".to_owned(), manifest.clone());
    let pinned = [manifest, config, layer].map(|bytes| (Digest::of(&bytes).to_string(), bytes));
    let things = pinned.into_iter().chain([tagged]).collect();
    let image = format!("{}/mysql:8.4", registry(things).await);
    bench.forget_later(&image);
    let found = services::resolve_image(&bench.docker, "db", &service(&image), true, &mut |_| ())
        .await
        .unwrap();
    assert_eq!((found.reference, found.id, found.substitute), (image, id, None));
}

#[tokio::test]
async fn an_image_its_registry_does_not_have_gets_no_substitute() {
    let bench = Bench::new().await;
    let image = format!("{}/mysql:8.44", registry(HashMap::new()).await);
    let error = services::resolve_image(&bench.docker, "db", &service(&image), true, &mut |_| ())
        .await
        .unwrap_err();
    let error = format!("{error:#}");
    assert!(
        error.contains(&format!("its registry has no image `{image}`")),
        "{error}"
    );
}

#[tokio::test]
async fn a_registry_that_accepts_but_never_answers_is_given_up_within_seconds() {
    let bench = Bench::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let image = format!("{}/mysql:8.4", listener.local_addr().unwrap());
    let began = Instant::now();
    let error = services::resolve_image(&bench.docker, "db", &service(&image), false, &mut |_| ())
        .await
        .unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    assert!(error.to_string().contains("no answer within 5 s"), "{error:#}");
}

#[tokio::test]
async fn without_leave_for_a_substitute_the_error_says_how_to_give_it() {
    let bench = Bench::new().await;
    let service = service(NOWHERE);
    let error = services::resolve_image(&bench.docker, "db", &service, false, &mut |_| ())
        .await
        .unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("service `db`") && error.contains(NOWHERE) && error.contains("refused"),
        "{error}"
    );
    assert!(error.contains("hint: set `test.allow_substitute: true`"), "{error}");
}

#[tokio::test]
async fn a_service_that_is_no_database_is_refused_before_anything_is_pulled() {
    let bench = Bench::new().await;
    let service = service("127.0.0.1:1/postgres:17");
    let error = services::resolve_image(&bench.docker, "db", &service, true, &mut |_| ())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("expected a `mysql` or `mariadb` image"),
        "{error}"
    );
}

#[tokio::test]
async fn an_official_image_gets_its_passwords_as_files_and_the_settings_as_arguments() {
    let bench = Bench::new().await;
    let tag = bench.stand_in().await;
    let mut spec = service(&tag);
    spec.command = vec!["--max-connections=20".to_owned()];
    let image = services::resolve_image(&bench.docker, "db", &spec, false, &mut |_| ())
        .await
        .unwrap();
    assert_eq!(
        (image.reference.as_str(), image.substitute.as_deref()),
        (tag.as_str(), None)
    );
    let password = Secret::random();
    let order = bench.order(image, spec, &password);
    let container = services::start(&bench.docker, order).await.unwrap().container;
    let logs = bench.docker.logs_tail(&container, 20).await.unwrap();
    let expected = "arguments --character-set-server=utf8mb4 --collation-server=utf8mb4_unicode_ci \
                    --default-time-zone=Asia/Seoul --port=3306 --max-connections=20";
    assert_eq!(logs[0], expected);
    let mut env = logs[1..].to_vec();
    env.sort();
    let expected = [
        "MYSQL_DATABASE=shop_test",
        "MYSQL_PASSWORD_FILE=/run/xtask/mysql_password",
        "MYSQL_ROOT_HOST=localhost",
        "MYSQL_ROOT_PASSWORD_FILE=/run/xtask/mysql_root_password",
        "MYSQL_USER=shop",
    ];
    assert_eq!(env, expected);
    let cat = async |path: &str| {
        let read = ["/stand-in", "cat", path];
        bench
            .docker
            .exec(&container, &read, &BTreeMap::new(), Duration::from_secs(10))
            .await
            .unwrap()
            .output
    };
    assert_eq!(cat("/run/xtask/mysql_password").await, password.expose());
    let root = cat("/run/xtask/mysql_root_password").await;
    assert!(root.len() == 32 && root != password.expose(), "{root}");
    let inspected = bench.docker.api().inspect_container(&container, None).await.unwrap();
    assert!(!serde_json::to_string(&inspected).unwrap().contains(password.expose()));
}
