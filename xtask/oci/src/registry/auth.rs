//! Answering a registry that asks who we are: with a password, or with a token fetched for the purpose.

use super::challenge::{self, Challenge};
use super::transport::{Transport, expect, read_body, shown};
use super::{CredentialSource, Login, Problem, RegistryError, Repository, Result, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const TOKEN_MAX_BYTES: u64 = 256 * 1024;
/// What a token lasts when its server does not say (the protocol's own default).
const TOKEN_LIFE: Duration = Duration::from_secs(60);
/// What we call ourselves to token servers that want a name.
const CLIENT_ID: &str = "xtask";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Access {
    Pull,
    Push,
}

/// Answers found so far, by whom they were for.
pub(super) struct Auth {
    source: CredentialSource,
    answers: Mutex<HashMap<(Repository, Access), Answer>>,
}

struct Answer {
    header: HeaderValue,
    /// A password does not expire.
    expires: Option<Instant>,
}

impl Auth {
    pub(super) fn new(source: CredentialSource) -> Self {
        Self {
            source,
            answers: Mutex::default(),
        }
    }

    /// What to send without having been asked again.
    pub(super) fn known(&self, repository: &Repository, access: Access) -> Option<HeaderValue> {
        let answers = self.answers();
        let answer = answers.get(&(repository.clone(), access))?;
        answer
            .expires
            .is_none_or(|expires| Instant::now() < expires)
            .then(|| answer.header.clone())
    }

    /// The answer to a 401. `None`: it asks for something we cannot give.
    pub(super) async fn answer(
        &self,
        transport: &Transport,
        (repository, access): (&Repository, Access),
        headers: &HeaderMap,
    ) -> Result<Option<HeaderValue>> {
        let failed = |problem| RegistryError::new(repository, "log in", problem);
        let Some(challenge) = challenge::read(headers) else {
            return Ok(None);
        };
        let login = self.source.login(repository.host()).await;
        let login = login.map_err(|unusable| failed(Problem::Credentials(unusable)))?;
        let answer = match (challenge, login) {
            (Challenge::Basic, Some(Login::Password { username, password })) => Answer {
                header: basic(&username, &password).map_err(failed)?,
                expires: None,
            },
            (Challenge::Basic, _) => return Ok(None),
            (Challenge::Bearer { realm, service, scope }, login) => {
                let realm = safe_realm(&realm).map_err(failed)?;
                let asked = TokenRequest {
                    scopes: scopes(repository, access, scope),
                    service,
                    login,
                };
                let token = asked.send(transport, &realm).await;
                token.map_err(|problem| failed(problem).at_token_server(&realm))?
            }
        };
        let header = answer.header.clone();
        self.answers().insert((repository.clone(), access), answer);
        Ok(Some(header))
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<(Repository, Access), Answer>> {
        // Nothing panics while holding it, and a map is whole between calls.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct TokenRequest {
    service: Option<String>,
    scopes: Vec<String>,
    login: Option<Login>,
}

impl TokenRequest {
    async fn send(self, transport: &Transport, realm: &Url) -> std::result::Result<Answer, Problem> {
        let mut fields: Vec<(&str, &str)> = self
            .service
            .iter()
            .map(|service| ("service", service.as_str()))
            .collect();
        let request = match &self.login {
            // The token is a password of sorts, so it goes in a body, not into an address.
            Some(Login::IdentityToken(token)) => {
                let scope = self.scopes.join(" ");
                fields.extend([
                    ("grant_type", "refresh_token"),
                    ("client_id", CLIENT_ID),
                    ("scope", &scope),
                ]);
                fields.push(("refresh_token", token.reveal()));
                transport
                    .request(Method::POST, realm, 0)?
                    .body(form(realm, &fields))
                    .header("content-type", "application/x-www-form-urlencoded")
            }
            login => {
                fields.extend(self.scopes.iter().map(|scope| ("scope", scope.as_str())));
                let mut url = realm.clone();
                url.query_pairs_mut().extend_pairs(&fields);
                let request = transport.request(Method::GET, &url, 0)?;
                match login {
                    Some(Login::Password { username, password }) => {
                        request.header(AUTHORIZATION, basic(username, password)?)
                    }
                    _ => request,
                }
            }
        };
        let response = request.send().await.map_err(Problem::transport)?;
        let response = expect(response, &[StatusCode::OK]).await?;
        read_token(&read_body(response, TOKEN_MAX_BYTES).await?)
    }
}

fn read_token(body: &[u8]) -> std::result::Result<Answer, Problem> {
    #[derive(Deserialize)]
    struct Token {
        token: Option<String>,
        access_token: Option<String>,
        expires_in: Option<u64>,
    }
    let malformed = || Problem::Malformed {
        why: "no token in its token server's answer".into(),
    };
    let answer: Token = serde_json::from_slice(body).map_err(|_| malformed())?;
    let token = answer
        .token
        .or(answer.access_token)
        .filter(|token| !token.is_empty())
        .ok_or_else(malformed)?;
    let life = answer
        .expires_in
        .map_or(TOKEN_LIFE, Duration::from_secs)
        .min(Duration::from_secs(24 * 3600));
    // Renewed a little early, so that it does not run out on the way.
    Ok(Answer {
        header: sensitive(format!("Bearer {token}"))?,
        expires: Some(Instant::now() + life * 4 / 5),
    })
}

/// The right we need, and what else the registry wants named.
fn scopes(repository: &Repository, access: Access, asked: Option<String>) -> Vec<String> {
    let actions = match access {
        Access::Pull => "pull",
        Access::Push => "pull,push",
    };
    let own = format!("repository:{}:{actions}", repository.path());
    let other = asked.filter(|scope| !scope.is_empty() && !scope.starts_with("repository:"));
    std::iter::once(own).chain(other).collect()
}

/// Passwords go there, so it must be encrypted or on this machine.
fn safe_realm(realm: &str) -> std::result::Result<Url, Problem> {
    let url = Url::parse(realm).map_err(|_| Problem::Malformed {
        why: "its token server's address is not a URL".into(),
    })?;
    let here = url.scheme() == "http" && url.host_str().is_some_and(outside::is_here);
    if url.scheme() == "https" || here {
        Ok(url)
    } else {
        Err(Problem::UnsafeUrl {
            what: "token server",
            url: shown(&url),
        })
    }
}

fn basic(username: &str, password: &Secret) -> std::result::Result<HeaderValue, Problem> {
    sensitive(format!(
        "Basic {}",
        BASE64.encode(format!("{username}:{}", password.reveal()))
    ))
}

/// A header value that does not show itself in logs.
fn sensitive(text: String) -> std::result::Result<HeaderValue, Problem> {
    let malformed = |_| Problem::Malformed {
        why: "its token has characters no header may have".into(),
    };
    let mut header = HeaderValue::try_from(text).map_err(malformed)?;
    header.set_sensitive(true);
    Ok(header)
}

/// A form's body is written as a URL's query is.
fn form(realm: &Url, fields: &[(&str, &str)]) -> String {
    let mut scratch = realm.clone();
    scratch.set_query(None);
    scratch.query_pairs_mut().extend_pairs(fields);
    scratch.query().unwrap_or_default().to_owned()
}
