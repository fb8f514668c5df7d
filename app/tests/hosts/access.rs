//! Tokens that are signed by the right key and wrong all the same, at every route that needs or takes one. The routes are
//! those of the document; of what else a route wants it is given nothing, since who is not let in is told that first.

use crate::database::Database;
use crate::host::{self, Host, Member, claims, signed, token};
use ring::hmac;
use serde_json::{Value, json};
use std::time::Duration;

/// The method and the path of each.
async fn routes(host: &Host) -> Vec<(String, String)> {
    let (status, document) = host.ask("GET", "/api/openapi.json", "", &Value::Null).await;
    assert_eq!(status, 200);
    let paths = document["paths"].as_object().expect("paths");
    let secured = paths.iter().flat_map(|(path, item)| {
        let parts = path
            .split('/')
            .map(|part| if part.starts_with('{') { "1" } else { part });
        let path = parts.collect::<Vec<_>>().join("/");
        let methods = item.as_object().expect("methods").iter();
        methods
            .filter(|(_, operation)| operation["security"].is_array())
            .map(move |(method, _)| (method.to_uppercase(), path.clone()))
    });
    secured.collect()
}

/// What is wrong, the token, and the code that it is refused with.
fn refused(member: &Member) -> Vec<(&'static str, String, &'static str)> {
    let good = claims(member.id, Duration::from_secs(60));
    let with = |claim: &str, value: Value| {
        let mut claims = good.clone();
        claims[claim] = value;
        signed("HS512", hmac::HMAC_SHA512, &claims)
    };
    let long_ago = json!(host::now() - 3_600);
    vec![
        ("one that has expired", with("exp", long_ago), "EXPIRED_TOKEN"),
        (
            "one that is not good yet",
            with("nbf", json!(host::now() + 3_600)),
            "INVALID_TOKEN",
        ),
        ("another issuer's", with("iss", json!("other")), "INVALID_TOKEN"),
        ("one for another audience", with("aud", json!("other")), "INVALID_TOKEN"),
        (
            "one of HS256",
            signed("HS256", hmac::HMAC_SHA256, &good),
            "INVALID_TOKEN",
        ),
        (
            "one of HS384",
            signed("HS384", hmac::HMAC_SHA384, &good),
            "INVALID_TOKEN",
        ),
        (
            "one that says it is none's",
            signed("none", hmac::HMAC_SHA512, &good),
            "INVALID_TOKEN",
        ),
        (
            "one that says it is RS256's",
            signed("RS256", hmac::HMAC_SHA512, &good),
            "INVALID_TOKEN",
        ),
        (
            "one that says it is RS256's, of HS256",
            signed("RS256", hmac::HMAC_SHA256, &good),
            "INVALID_TOKEN",
        ),
    ]
}

#[tokio::test]
async fn no_route_takes_a_token_that_has_expired_or_is_of_another_algorithm() {
    let database = Database::new().await;
    let host = Host::start(&database, &[]).await;
    let member = host.member().await;
    let good = token(member.id, Duration::from_secs(60));
    assert_eq!(
        host.ask("GET", "/api/me", &good, &Value::Null).await.0,
        200,
        "the key is the right one"
    );
    let routes = routes(&host).await;
    assert!(routes.len() > 20, "only {} routes", routes.len());
    let mut wrongs = Vec::new();
    for (method, path) in &routes {
        for (what, token, code) in refused(&member) {
            let (status, problem) = host.ask(method, path, &token, &Value::Null).await;
            if (status, problem["code"].as_str()) != (401, Some(code)) {
                wrongs.push(format!("{method} {path} to {what}: {status} {problem}"));
            }
        }
    }
    assert!(
        wrongs.is_empty(),
        "{} wrong answers:\n{}",
        wrongs.len(),
        wrongs.join("\n")
    );
    drop(host);
    database.drop().await;
}
