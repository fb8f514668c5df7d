//! Access tokens: JWT signed with HS512, and no other algorithm in this binary at all.

use crate::app::App;
use crate::hs512::HS512;
use crate::keys::Keys;
use crate::members::MemberId;
use crate::problem::{Code, Problem};
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::header;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub const LIFETIME: Duration = Duration::from_secs(15 * 60);

const ISSUER: &str = "instagram";
const AUDIENCE: &str = "instagram-api";
/// Hosts' clocks differ a little.
const CLOCK_LEEWAY_SECS: u64 = 5;

pub struct Tokens {
    /// The first signs.
    keys: Vec<TokenKey>,
    validation: Validation,
}

struct TokenKey {
    id: Option<String>,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    exp: u64,
    nbf: u64,
    iat: u64,
    jti: String,
}

impl Tokens {
    pub fn new(keys: &Keys) -> Tokens {
        // Fails only when it has been installed already, which is as good.
        HS512.install_default().ok();
        let mut validation = Validation::new(Algorithm::HS512);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        validation.validate_nbf = true;
        validation.leeway = CLOCK_LEEWAY_SECS;
        let keys = keys.iter().map(|key| TokenKey {
            id: key.id.clone(),
            encoding: EncodingKey::from_secret(key.secret.as_bytes()),
            decoding: DecodingKey::from_secret(key.secret.as_bytes()),
        });
        Tokens {
            keys: keys.collect(),
            validation,
        }
    }

    pub fn issue(&self, member: MemberId) -> Result<String, Problem> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_err(|error| Problem::internal(&error))?;
        self.issue_at(member, now.as_secs())
    }

    fn issue_at(&self, member: MemberId, now: u64) -> Result<String, Problem> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: member.0.to_string(),
            exp: now + LIFETIME.as_secs(),
            nbf: now,
            iat: now,
            jti: URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>()),
        };
        let key = self
            .keys
            .first()
            .ok_or_else(|| Problem::internal(&"no key to sign with"))?;
        let header = Header {
            kid: key.id.clone(),
            ..Header::new(Algorithm::HS512)
        };
        jsonwebtoken::encode(&header, &claims, &key.encoding).map_err(|error| Problem::internal(&error))
    }

    /// By the key that the token names; one that names none was signed by a plain key, which may be any by now.
    fn verify(&self, token: &str) -> Result<MemberId, Problem> {
        self.verify_until(token).map(|(member, _)| member)
    }

    /// With the time the token expires, in seconds since 1970: for what outlasts a request.
    pub fn verify_until(&self, token: &str) -> Result<(MemberId, u64), Problem> {
        let named = jsonwebtoken::decode_header(token)
            .map_err(|_| Problem::new(Code::InvalidToken))?
            .kid;
        let mut refusal = Code::InvalidToken;
        for key in self.keys.iter().filter(|key| named.is_none() || key.id == named) {
            match jsonwebtoken::decode::<Claims>(token, &key.decoding, &self.validation) {
                Ok(decoded) => return Ok((decoded.claims.member()?, decoded.claims.exp)),
                // Found only after the signature was found right.
                Err(error) if *error.kind() == ErrorKind::ExpiredSignature => refusal = Code::ExpiredToken,
                Err(_) => {}
            }
        }
        Err(Problem::new(refusal))
    }
}

impl Claims {
    fn member(&self) -> Result<MemberId, Problem> {
        self.sub
            .parse()
            .map(MemberId)
            .map_err(|_| Problem::new(Code::InvalidToken))
    }
}

/// The member who sent the request; taking it as an argument is what makes a route need signing in.
#[derive(Debug, Clone, Copy)]
pub struct SignedIn(pub MemberId);

impl FromRequestParts<App> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<SignedIn, Problem> {
        let Some(credentials) = parts.headers.get(header::AUTHORIZATION) else {
            return Err(Problem::new(Code::SignInNeeded));
        };
        let token = credentials
            .to_str()
            .ok()
            .and_then(|credentials| credentials.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| Problem::new(Code::InvalidToken))?;
        app.tokens.verify(token).map(SignedIn)
    }
}

/// For routes that show a member more than a stranger: no token is no member, but a wrong one is refused as anywhere.
impl OptionalFromRequestParts<App> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<SignedIn>, Problem> {
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            return Ok(None);
        }
        <SignedIn as FromRequestParts<App>>::from_request_parts(parts, app)
            .await
            .map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;
    use ring::hmac;
    use serde_json::{Value, json};

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const OTHER_KEY: &str = "ffffffffffffffffffffffffffffffff";
    const ALICE: MemberId = MemberId(7);

    fn with_keys(keys: &str) -> Tokens {
        Tokens::new(&Keys::parse(Some(keys.to_owned())).unwrap_or_else(|error| panic!("{error}")))
    }

    fn now() -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970")
            .as_secs()
    }

    fn code(outcome: Result<MemberId, Problem>) -> String {
        let problem: Value =
            serde_json::from_str(&outcome.expect_err("refused").render("test", Language::English)).expect("JSON");
        problem["code"].as_str().expect("code").to_owned()
    }

    /// A token with these claims, signed by the right key under whatever header.
    fn forge(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA512, KEY.as_bytes()), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn claims() -> Value {
        json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "7", "exp": now() + 60, "nbf": now(), "iat": now(), "jti": "x" })
    }

    #[test]
    fn a_token_names_its_member_until_it_expires() {
        let tokens = with_keys(KEY);
        assert_eq!(tokens.verify(&tokens.issue(ALICE).expect("issued")).ok(), Some(ALICE));

        let long_ago = now() - LIFETIME.as_secs() - CLOCK_LEEWAY_SECS - 1;
        assert_eq!(
            code(tokens.verify(&tokens.issue_at(ALICE, long_ago).expect("issued"))),
            "EXPIRED_TOKEN"
        );
        let not_yet = now() + CLOCK_LEEWAY_SECS + 60;
        assert_eq!(
            code(tokens.verify(&tokens.issue_at(ALICE, not_yet).expect("issued"))),
            "INVALID_TOKEN"
        );
    }

    #[test]
    fn a_token_of_another_key_algorithm_issuer_or_audience_is_refused() {
        let tokens = with_keys(KEY);
        let header = json!({ "alg": "HS512", "typ": "JWT" });
        assert_eq!(
            tokens.verify(&forge(&header, &claims())).ok(),
            Some(ALICE),
            "the forge itself is right"
        );

        let of_other_key = with_keys(OTHER_KEY).issue(ALICE).expect("issued");
        assert_eq!(code(tokens.verify(&of_other_key)), "INVALID_TOKEN");
        for algorithm in ["none", "HS256", "HS384", "RS256", "ES256", "EdDSA"] {
            let token = forge(&json!({ "alg": algorithm, "typ": "JWT" }), &claims());
            assert_eq!(code(tokens.verify(&token)), "INVALID_TOKEN", "{algorithm}");
        }
        for (claim, value) in [
            ("iss", json!("other")),
            ("aud", json!("other")),
            ("sub", json!("x")),
            ("exp", Value::Null),
        ] {
            let mut claims = claims();
            claims[claim] = value;
            assert_eq!(
                code(tokens.verify(&forge(&header, &claims))),
                "INVALID_TOKEN",
                "{claim}"
            );
        }
    }

    #[test]
    fn a_key_is_replaced_without_signing_anybody_out() {
        let plain = with_keys(KEY);
        let named = with_keys(&format!("a:{KEY}"));
        let both = with_keys(&format!("a:{KEY},b:{OTHER_KEY}"));
        let turned = with_keys(&format!("b:{OTHER_KEY},a:{KEY}"));
        let rotated = with_keys(&format!("b:{OTHER_KEY}"));
        let verifies = |verifier: &Tokens, signer: &Tokens| {
            let token = signer.issue(ALICE).expect("issued");
            verifier.verify(&token).is_ok()
        };
        for (verifier, signer) in [
            (&named, &plain),
            (&both, &plain),
            (&both, &named),
            (&both, &turned),
            (&turned, &both),
            (&turned, &plain),
            (&rotated, &turned),
        ] {
            assert!(verifies(verifier, signer));
        }
        assert!(!verifies(&rotated, &both), "a key taken away verifies nothing");
        assert!(!verifies(&rotated, &plain), "a key taken away verifies nothing");
    }

    #[test]
    fn a_token_is_verified_by_no_key_but_the_one_it_names() {
        let tokens = with_keys(&format!("b:{OTHER_KEY},a:{KEY}"));
        let named = |id: Value| forge(&json!({ "alg": "HS512", "typ": "JWT", "kid": id }), &claims());
        assert_eq!(tokens.verify(&named(json!("a"))).ok(), Some(ALICE));
        for id in [
            json!("b"),
            json!("c"),
            json!(""),
            json!("../a"),
            json!("a' OR '1'='1"),
            json!(5),
        ] {
            assert_eq!(code(tokens.verify(&named(id.clone()))), "INVALID_TOKEN", "{id}");
        }
        // A key that comes with the token is nobody's.
        for (header, value) in [
            ("jwk", json!({ "kty": "oct", "k": "AAAA" })),
            ("jku", json!("http://127.0.0.1/")),
        ] {
            let header = json!({ "alg": "HS512", "typ": "JWT", "kid": "b", header: value });
            assert_eq!(code(tokens.verify(&forge(&header, &claims()))), "INVALID_TOKEN");
        }
    }
}
