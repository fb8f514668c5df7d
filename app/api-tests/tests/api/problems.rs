use crate::client::{Client, send};
use reqwest::{Method, StatusCode};
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn other_routes_are_missing_in_the_same_envelope() {
    let client = Client::new();
    for path in [
        "/",
        "/api",
        "/api/nothing",
        "/api/posts/1/nothing",
        "/etc/passwd",
        "/api/../../etc/passwd",
        "/%00",
    ] {
        client
            .get(path)
            .await
            .expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_ROUTE", &[]);
    }
}

#[tokio::test]
async fn a_method_that_a_route_lacks_is_refused_and_the_right_ones_listed() {
    let answer = send(Client::new().request(Method::DELETE, "/api/posts")).await;
    assert_eq!(answer.header("allow"), "GET,HEAD,POST");
    answer.expect_problem(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", &[]);
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused() {
    let client = Client::new();
    for (body, status, code) in [
        ("", 400, "INVALID_JSON"),
        ("{", 400, "INVALID_JSON"),
        ("{\"name\":\"a\",}", 400, "INVALID_JSON"),
        ("{\"name\":\"a\",\"password\":\"b\"} {}", 400, "INVALID_JSON"),
        ("null", 422, "INVALID_FIELDS"),
        ("\"text\"", 422, "INVALID_FIELDS"),
        ("[\"name\",\"password\"]", 422, "INVALID_FIELDS"),
    ] {
        let request = client
            .request(Method::POST, "/api/sessions")
            .header("content-type", "application/json");
        let answer = send(request.body(body)).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
        assert_eq!(answer.json()["code"], code, "{body}");
    }
}

#[tokio::test]
async fn half_a_surrogate_pair_is_no_text() {
    let request = Client::new()
        .request(Method::POST, "/api/sessions")
        .header("content-type", "application/json");
    let answer = send(request.body(r#"{"name":"\ud83c","password":"x"}"#)).await;
    answer.expect_problem(StatusCode::BAD_REQUEST, "INVALID_JSON", &["name"]);
}

#[tokio::test]
async fn a_body_of_another_type_is_refused() {
    let request = Client::new()
        .request(Method::POST, "/api/sessions")
        .header("content-type", "text/plain");
    let answer = send(request.body(r#"{"name":"a","password":"b"}"#)).await;
    answer.expect_problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "NOT_JSON", &[]);
}

#[tokio::test]
async fn a_body_over_64_kib_is_refused_and_its_sender_gets_to_know() {
    let client = Client::new();
    for size in [65_537, 300_000] {
        let body = json!({ "name": "a".repeat(size), "password": "b" });
        let answer = client.post("/api/sessions", &body).await;
        answer.expect_problem(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", &[]);
    }
}

#[tokio::test]
async fn a_request_keeps_the_id_it_came_with_unless_that_is_no_word() {
    let client = Client::new();
    let given = send(
        client
            .request(Method::GET, "/api/nothing")
            .header("x-request-id", "abc-123"),
    )
    .await;
    assert_eq!(given.header("x-request-id"), "abc-123");
    let forged = send(
        client
            .request(Method::GET, "/api/nothing")
            .header("x-request-id", "a b \"c\""),
    )
    .await;
    assert_ne!(forged.header("x-request-id"), "a b \"c\"");
    forged.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_ROUTE", &[]);
}

#[tokio::test]
async fn a_problem_is_told_in_korean_or_english_as_the_client_accepts() {
    let client = Client::new();
    let (korean, english) = ("게시글이 존재하지 않습니다", "There is no such post");
    for (accepted, language, title) in [
        ("ko", "ko", korean),
        ("ko-KR,ko;q=0.9,en;q=0.8", "ko", korean),
        ("fr, en;q=0.2, ko;q=0.3", "ko", korean),
        ("en-US,en;q=0.9,ko;q=0.8", "en", english),
        ("ko;q=0", "en", english),
        ("fr", "en", english),
        ("*", "en", english),
        ("", "en", english),
        (";q=;;,ko;q=x", "en", english),
    ] {
        let request = client.request(Method::GET, "/api/posts/0");
        let answer = send(request.header("accept-language", accepted)).await;
        assert_eq!(answer.header("content-language"), language, "{accepted}");
        assert_eq!(answer.header("vary"), "accept-language", "{accepted}");
        assert_eq!(answer.json()["title"], title, "{accepted}");
        answer.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_POST", &[]);
    }
}

/// A proxy sends a head as soon as it has it, and the body when that comes.
#[tokio::test]
async fn a_request_that_is_refused_by_its_head_is_answered_after_its_body_and_the_connection_goes_on() {
    let base_url = std::env::var("BASE_URL").expect("BASE_URL");
    let address = base_url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).await.expect("connected");
    for body in ["{}", "", "{\"text\":\"late\"}"] {
        let length = body.len();
        let head = format!(
            "POST /api/posts HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.write_all(body.as_bytes()).await.expect("sent");
        let mut answer = vec![0; 4_096];
        let read = stream.read(&mut answer).await.expect("an answer");
        let answer = String::from_utf8_lossy(&answer[..read]);
        assert!(answer.starts_with("HTTP/1.1 401 "), "{body:?}: {answer}");
    }
}
