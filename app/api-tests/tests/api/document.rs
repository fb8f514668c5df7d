//! The document that the API serves of itself, and what it is to say.

use crate::client::{Client, send};
use reqwest::{Method, StatusCode};
use serde_json::json;

/// What a route asks of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    Needed,
    /// A member is shown more than a stranger.
    Taken,
    Ignored,
}

/// Every operation, as `GET /api/posts/{id}`, and what it asks of a token.
pub async fn operations(client: &Client) -> Vec<(String, Token)> {
    let document = client.get("/api/openapi.json").await.expect(StatusCode::OK);
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("methods").iter();
        methods.map(move |(method, operation)| {
            let token = match operation["security"].as_array() {
                None => Token::Ignored,
                Some(ways) if ways.contains(&json!({})) => Token::Taken,
                Some(_) => Token::Needed,
            };
            (format!("{} {path}", method.to_uppercase()), token)
        })
    });
    operations.collect()
}

#[tokio::test]
async fn the_document_is_not_sent_again_to_who_knows_it() {
    let client = Client::new();
    let first = client.get("/api/openapi.json").await;
    assert_eq!(first.header("content-type"), "application/json");
    let etag = first.header("etag").to_owned();
    let known = |etag: &str| {
        let request = client.request(Method::GET, "/api/openapi.json");
        send(request.header("if-none-match", etag))
    };
    let (again, other) = (known(&etag).await, known("\"other\"").await);
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    assert_eq!(other.expect(StatusCode::OK), first.expect(StatusCode::OK));
}

#[tokio::test]
async fn the_document_is_shown_by_pages_that_run_nothing_of_elsewhere() {
    let client = Client::new();
    for base in ["/swagger-ui", "/api/swagger-ui"] {
        for (file, kind) in [
            ("", "text/html"),
            ("swagger-ui.css", "text/css"),
            ("swagger-ui-bundle.js", "text/javascript"),
        ] {
            let answer = client.request(Method::GET, &format!("{base}/{file}")).send().await;
            let answer = answer.expect("an answer");
            assert_eq!(answer.status(), StatusCode::OK, "{base}/{file}");
            assert_eq!(answer.headers()["content-type"], kind, "{base}/{file}");
            let policy = answer.headers()["content-security-policy"].to_str().expect("text");
            assert!(policy.contains("script-src 'self';"), "{policy}");
        }
        let missing = client.get(&format!("{base}/..%2f..%2fetc%2fpasswd")).await;
        missing.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_ROUTE", &[]);
    }
    let start = client.get("/api/swagger-ui/swagger-initializer.js").await;
    assert!(start.text.contains(r#""url": "/api/openapi.json""#), "{}", start.text);
}

#[tokio::test]
async fn a_limit_of_the_document_is_the_limit_of_the_api() {
    let client = Client::new();
    let document = client.get("/api/openapi.json").await.expect(StatusCode::OK);
    let most = document["components"]["schemas"]["PostText"]["maxLength"].as_u64();
    let most = usize::try_from(most.expect("a limit")).expect("small");
    let member = client.new_member().await;
    for (length, status) in [(most, 201), (most + 1, 422)] {
        let body = member.draft(&client, &"글".repeat(length)).await;
        let answer = client.post_as(&member.token, "/api/posts", &body).await;
        assert_eq!(answer.status, status, "{length}: {}", answer.text);
    }
}
