use crate::client::{Client, send, sign_up, text, unique, with};
use crate::forgery::{decoded, forged};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn a_member_signs_in_by_email_nickname_or_telephone_number() {
    let client = Client::new();
    let sign_up = sign_up();
    let member = client.post("/api/members", &sign_up).await.expect(StatusCode::CREATED);
    for field in ["email", "nickname", "phone"] {
        let answer = client.sign_in(text(&sign_up, field), text(&sign_up, "password")).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        let session = answer.expect(StatusCode::CREATED);
        assert_eq!(
            (&session["token_type"], &session["expires_in"]),
            (&json!("Bearer"), &json!(900))
        );
        let me = client
            .get_as(text(&session, "access_token"), "/api/me")
            .await
            .expect(StatusCode::OK);
        assert_eq!(me, member, "signed in by {field}");
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_are_answered_alike() {
    let client = Client::new();
    let member = client.new_member().await;
    for (name, password) in [
        (member.nickname().to_owned(), "wrong horse"),
        (unique("nobody"), "correct horse battery"),
        (format!("{}@example.com", unique("nobody")), "correct horse battery"),
        ("01000000000".to_owned(), "correct horse battery"),
    ] {
        let answer = client.sign_in(&name, password).await;
        answer.expect_problem(StatusCode::UNAUTHORIZED, "WRONG_CREDENTIALS", &[]);
    }
}

#[tokio::test]
async fn a_malformed_sign_in_is_refused_by_field() {
    let client = Client::new();
    let member = client.new_member().await;
    let right = json!({ "name": member.nickname(), "password": "correct horse battery" });
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("a".repeat(10_000))),
        ("name", json!("nul\0byte")),
        ("name", json!("' OR '1'='1")),
        ("name", Value::Null),
        ("password", json!("")),
        ("password", json!("x".repeat(10_000))),
        ("password", Value::Null),
        ("remember", json!(true)),
    ] {
        let answer = client.post("/api/sessions", &with(&right, &[(field, value)])).await;
        answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &[field]);
    }
}

#[tokio::test]
async fn the_access_token_is_hs512_and_says_who_for_whom_and_until_when() {
    let member = Client::new().new_member().await;
    let parts: Vec<Value> = member.token.split('.').take(2).map(decoded).collect();
    assert_eq!(parts[0]["alg"], "HS512");
    let claims = &parts[1];
    for claim in ["iss", "aud", "sub", "jti"] {
        assert!(!text(claims, claim).is_empty(), "{claim} in {claims}");
    }
    let seconds = |claim: &str| claims[claim].as_u64().unwrap_or_else(|| panic!("{claim} in {claims}"));
    assert_eq!(seconds("exp") - seconds("iat"), 900);
    assert!(seconds("nbf") <= seconds("iat"));
}

#[tokio::test]
async fn without_a_token_nobody_is_let_in() {
    let client = Client::new();
    let me = client.get("/api/me").await;
    assert_eq!(me.header("www-authenticate"), "Bearer");
    me.expect_problem(StatusCode::UNAUTHORIZED, "SIGN_IN_NEEDED", &[]);
    let post = client.post("/api/posts", &json!({ "text": "hello" })).await;
    post.expect_problem(StatusCode::UNAUTHORIZED, "SIGN_IN_NEEDED", &[]);
}

#[tokio::test]
async fn a_forged_token_lets_nobody_in() {
    let client = Client::new();
    let member = client.new_member().await;
    for (what, token) in forged(&member.token) {
        for path in ["/api/me", "/api/posts"] {
            let answer = match path {
                "/api/me" => client.get_as(&token, path).await,
                _ => client.post_as(&token, path, &json!({ "text": "forged" })).await,
            };
            assert_eq!(answer.status, 401, "{what} at {path}: {}", answer.text);
            answer.expect_problem(StatusCode::UNAUTHORIZED, "INVALID_TOKEN", &[]);
        }
    }
}

#[tokio::test]
async fn credentials_of_another_scheme_are_refused() {
    let client = Client::new();
    let answer = send(
        client
            .request(Method::GET, "/api/me")
            .basic_auth("user", Some("password")),
    )
    .await;
    answer.expect_problem(StatusCode::UNAUTHORIZED, "INVALID_TOKEN", &[]);
}
