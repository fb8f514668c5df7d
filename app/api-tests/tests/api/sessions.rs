use crate::client::{Client, send, sign_up, text, unique, with};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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
    let [header, claims, signature]: [&str; 3] = member
        .token
        .split('.')
        .collect::<Vec<_>>()
        .try_into()
        .expect("three parts");
    let later = with(&decoded(claims), &[("exp", json!(4_000_000_000_u64))]);
    let other = with(&decoded(claims), &[("sub", json!("1"))]);
    let expired = with(&decoded(claims), &[("exp", json!(1))]);
    let none = encoded(&json!({ "alg": "none", "typ": "JWT" }));
    let rs256 = encoded(&json!({ "alg": "RS256", "typ": "JWT" }));
    let named = encoded(&json!({ "alg": "HS512", "typ": "JWT", "kid": "../../dev/null" }));
    let own_key = encoded(&json!({ "alg": "HS512", "typ": "JWT", "jwk": { "kty": "oct", "k": "AAAA" } }));
    let hs256 = encoded(&json!({ "alg": "HS256", "typ": "JWT" }));
    for (what, token) in [
        ("a longer life", format!("{header}.{}.{signature}", encoded(&later))),
        ("another member", format!("{header}.{}.{signature}", encoded(&other))),
        (
            "a life that is over",
            format!("{header}.{}.{signature}", encoded(&expired)),
        ),
        ("no algorithm", format!("{none}.{claims}.")),
        ("no algorithm, signed", format!("{none}.{claims}.{signature}")),
        ("a weaker algorithm", format!("{hs256}.{claims}.{signature}")),
        ("a public key's algorithm", format!("{rs256}.{claims}.{signature}")),
        ("a key that is not there", format!("{named}.{claims}.{signature}")),
        ("a key of its own", format!("{own_key}.{claims}.{signature}")),
        ("no signature", format!("{header}.{claims}.")),
        ("a cut signature", member.token[..member.token.len() - 8].to_owned()),
        ("nonsense", "nonsense".to_owned()),
        ("nothing", String::new()),
    ] {
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

fn decoded(part: &str) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}
