//! Tokens that somebody without the key makes out of a good one.

use crate::client::with;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// What was done, and the token.
pub fn forged(token: &str) -> Vec<(&'static str, String)> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature]: [&str; 3] = parts.try_into().expect("three parts");
    let claiming = |claim, value| {
        let claims = encoded(&with(&decoded(claims), &[(claim, value)]));
        format!("{header}.{claims}.{signature}")
    };
    let headed = |header: Value| format!("{}.{claims}.{signature}", encoded(&header));
    let of = |algorithm: &str| json!({ "alg": algorithm, "typ": "JWT" });
    let own_key = json!({ "alg": "HS512", "typ": "JWT", "jwk": { "kty": "oct", "k": "AAAA" } });
    vec![
        ("a longer life", claiming("exp", json!(4_000_000_000_u64))),
        ("another member", claiming("sub", json!("1"))),
        ("a life that is over", claiming("exp", json!(1))),
        ("no algorithm", format!("{}.{claims}.", encoded(&of("none")))),
        ("no algorithm, signed", headed(of("none"))),
        ("a weaker algorithm", headed(of("HS256"))),
        ("a public key's algorithm", headed(of("RS256"))),
        (
            "a key that is not there",
            headed(with(&of("HS512"), &[("kid", json!("../../dev/null"))])),
        ),
        ("a key of its own", headed(own_key)),
        ("no signature", format!("{header}.{claims}.")),
        ("a cut signature", token[..token.len() - 8].to_owned()),
        ("nonsense", "nonsense".to_owned()),
        ("nothing", String::new()),
    ]
}

pub fn decoded(part: &str) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}
