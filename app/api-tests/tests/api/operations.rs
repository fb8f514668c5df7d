use crate::client::{Client, unique};
use reqwest::StatusCode;

#[tokio::test]
async fn the_process_is_alive_and_ready() {
    let client = Client::new();
    assert_eq!(client.get("/healthz").await.expect(StatusCode::OK)["status"], "alive");
    assert_eq!(client.get("/readyz").await.expect(StatusCode::OK)["status"], "ready");
}

#[tokio::test]
async fn the_version_names_release_and_commit_for_the_site_too() {
    let client = Client::new();
    let version = client.get("/version").await.expect(StatusCode::OK);
    for field in ["release", "commit"] {
        assert!(version[field].is_string() || version[field].is_null(), "{version}");
    }
    assert!(version["version"].is_string(), "{version}");
    assert_eq!(client.get("/api/version").await.expect(StatusCode::OK), version);
}

#[tokio::test]
async fn requests_are_counted_by_route_and_never_by_path() {
    let client = Client::new();
    client.get("/api/posts/1").await;
    let made_up = unique("/made-up-");
    client.get(&made_up).await;
    let answer = client.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.header("content-type").starts_with("text/plain"),
        "{}",
        answer.header("content-type")
    );
    for part in [
        "http_requests_total{method=\"GET\",route=\"/api/posts/{id}\",status=",
        "http_requests_total{method=\"GET\",route=\"unmatched\",status=\"404\"}",
        "http_request_duration_seconds_bucket{route=\"/api/posts/{id}\",le=\"+Inf\"}",
        "db_pool_connections{state=\"idle\"}",
    ] {
        assert!(answer.text.contains(part), "{part} is not in:\n{}", answer.text);
    }
    assert!(
        !answer.text.contains(&made_up),
        "a path made up by a client has become a series"
    );
}
