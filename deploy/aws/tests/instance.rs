//! The role of an instance, from a metadata service that speaks version 2 of its protocol and nothing else.

use aws::{AwsError, Keys};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, put};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

const SECRET: &str = "hunter2";

#[derive(Default)]
struct Metadata {
    tokens: Mutex<Vec<String>>,
    /// How often keys were handed out.
    given: AtomicU32,
    /// So many answers are an error first.
    broken: AtomicU32,
    /// How long keys last from when they are handed out.
    lasts_s: u64,
}

type Shared = State<Arc<Metadata>>;

/// Only to who says for how long, and came by no proxy.
async fn token(State(metadata): Shared, headers: HeaderMap) -> Result<String, StatusCode> {
    let one_less = |left: u32| left.checked_sub(1);
    if metadata
        .broken
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
        .is_ok()
    {
        return Err(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let ttl = headers.get("x-aws-ec2-metadata-token-ttl-seconds");
    let ttl = ttl.and_then(|ttl| ttl.to_str().ok()?.parse::<u32>().ok());
    if headers.contains_key("x-forwarded-for") || !ttl.is_some_and(|ttl| (1..=21_600).contains(&ttl)) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let mut tokens = metadata.tokens.lock().unwrap();
    let token = format!("token-{}", tokens.len());
    tokens.push(token.clone());
    Ok(token)
}

fn expect_token(metadata: &Metadata, headers: &HeaderMap) -> Result<(), StatusCode> {
    let shown = headers
        .get("x-aws-ec2-metadata-token")
        .and_then(|token| token.to_str().ok());
    let tokens = metadata.tokens.lock().unwrap();
    match shown.is_some_and(|shown| tokens.iter().any(|token| token == shown)) {
        true => Ok(()),
        false => Err(StatusCode::UNAUTHORIZED),
    }
}

async fn roles(State(metadata): Shared, headers: HeaderMap) -> Result<&'static str, StatusCode> {
    expect_token(&metadata, &headers)?;
    Ok("shop-host")
}

async fn role(State(metadata): Shared, headers: HeaderMap) -> Result<String, StatusCode> {
    expect_token(&metadata, &headers)?;
    let given = metadata.given.fetch_add(1, Ordering::SeqCst) + 1;
    let expiration = SystemTime::now() + Duration::from_secs(metadata.lasts_s);
    let expiration = jiff::Timestamp::try_from(expiration).unwrap();
    Ok(format!(
        r#"{{"Code":"Success","LastUpdated":"2025-01-02T03:04:05Z","Type":"AWS-HMAC","AccessKeyId":"key-{given}",
            "SecretAccessKey":"{SECRET}","Token":"session","Expiration":"{expiration}"}}"#
    ))
}

async fn serve(metadata: Metadata) -> (Arc<Metadata>, Keys) {
    let metadata = Arc::new(metadata);
    let folder = "/latest/meta-data/iam/security-credentials/";
    let app = Router::new()
        .route("/latest/api/token", put(token))
        .route(folder, get(roles))
        .route(&format!("{folder}shop-host"), get(role))
        .with_state(metadata.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let keys = Keys::of_instance(format!("http://{}/", listener.local_addr().unwrap()));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (metadata, keys)
}

#[tokio::test]
async fn the_role_s_keys_are_fetched_once_and_never_shown() {
    let (metadata, keys) = serve(Metadata {
        lasts_s: 6 * 3600,
        ..Metadata::default()
    })
    .await;
    // Also of many who ask at once.
    let other = keys.clone();
    let (first, second, _) = tokio::join!(keys.get(), keys.get(), other.get());
    let first = first.unwrap();
    assert_eq!((first.access_key_id(), first.secret_access_key()), ("key-1", SECRET));
    assert_eq!(first.session_token(), Some("session"));
    assert_eq!(second.unwrap().access_key_id(), "key-1");
    assert_eq!(metadata.given.load(Ordering::SeqCst), 1);
    assert!(!format!("{keys:?} {first:?}").contains(SECRET));
}

#[tokio::test]
async fn keys_are_renewed_before_they_run_out_and_used_until_then_if_they_cannot_be() {
    let (metadata, keys) = serve(Metadata {
        lasts_s: 4 * 60,
        ..Metadata::default()
    })
    .await;
    assert_eq!(keys.get().await.unwrap().access_key_id(), "key-1");
    assert_eq!(keys.get().await.unwrap().access_key_id(), "key-2");
    metadata.broken.store(u32::MAX, Ordering::SeqCst);
    assert_eq!(keys.get().await.unwrap().access_key_id(), "key-2");
}

#[tokio::test]
async fn an_answer_that_fails_now_and_then_is_asked_for_again_and_one_that_always_does_is_named() {
    let metadata = |broken| Metadata {
        lasts_s: 3600,
        broken: AtomicU32::new(broken),
        ..Metadata::default()
    };
    let (_, keys) = serve(metadata(2)).await;
    assert_eq!(keys.get().await.unwrap().access_key_id(), "key-1");
    let (_, keys) = serve(metadata(u32::MAX)).await;
    let error = keys.get().await.unwrap_err();
    assert!(matches!(error, AwsError::Refused { status: 500, .. }), "{error}");
}

#[tokio::test]
async fn a_service_that_hangs_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let keys = Keys::of_instance(format!("http://{}", listener.local_addr().unwrap()));
    let since = std::time::Instant::now();
    let error = keys.get().await.unwrap_err().to_string();
    assert!(
        error.contains("metadata service") && error.contains("nothing within 2 s"),
        "{error}"
    );
    assert!(since.elapsed() < Duration::from_secs(15));
}
