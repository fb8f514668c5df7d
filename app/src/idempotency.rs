//! Creates that may be sent again. A request with an `Idempotency-Key` is carried out once: sent again with the same
//! body within a day it gets the same answer, and with another body it is refused.
//!
//! The key is claimed, the thing created and the answer kept in one transaction. So whoever sends the same key
//! meanwhile waits for the outcome, and a create that fails, or a process that dies, leaves the key as free as before.

use crate::body;
use crate::database::{Pool, Transaction, violated_unique_key};
use crate::interface::schema;
use crate::members::MemberId;
use crate::problem::{Code, Problem};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ring::digest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{FromRow, MySqlConnection};
use std::time::Duration;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};

pub const KEY: &str = "idempotency-key";
/// Set on an answer given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const KEY_MAX_BYTES: usize = 255;
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Of those who wait for a create that then fails, all but one are told of a deadlock each time.
const ATTEMPTS: usize = 30;

/// The JSON body of a create, and the key that came with it.
pub struct Create<T> {
    pub body: T,
    pub key: IdempotencyKey,
}

/// Perhaps none.
pub struct IdempotencyKey(Option<Given>);

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let key = schema::text(1..=KEY_MAX_BYTES).pattern(Some("^[!-~]+$"));
        let parameter = ParameterBuilder::new()
            .name(KEY)
            .parameter_in(ParameterIn::Header)
            .description(Some(
                "One word that makes the request safe to send again, such as a UUID",
            ))
            .schema(Some(key));
        vec![parameter.build()]
    }
}

struct Given {
    path: String,
    key: String,
    fingerprint: Vec<u8>,
}

pub enum Claim {
    New(Creating),
    Answered(Response),
}

/// A create under way: everything it writes goes in `transaction`, and counts from `finish` on.
pub struct Creating {
    transaction: Transaction,
    slot: Option<Vec<u8>>,
}

#[derive(FromRow)]
struct Kept {
    fingerprint: Vec<u8>,
    location: String,
    body: String,
}

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Create<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Create<T>, Problem> {
        let key = key_in(request.headers());
        let path = request.uri().path().to_owned();
        let bytes = body::json_bytes(request).await?;
        let given = key?.map(|key| Given {
            // With the key in it, of which only the slot's hash is kept, nobody can find a password out by trying.
            fingerprint: hash(&[b"body", key.as_bytes(), &bytes]),
            path,
            key,
        });
        Ok(Create {
            body: body::parse(&bytes)?,
            key: IdempotencyKey(given),
        })
    }
}

fn key_in(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    value
        .to_str()
        .ok()
        .filter(|key| (1..=KEY_MAX_BYTES).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()))
        .filter(|_| values.next().is_none())
        .map(|key| Some(key.to_owned()))
        .ok_or_else(|| {
            let detail = format!("must be one word of 1 to {KEY_MAX_BYTES} visible ASCII characters");
            Problem::new(Code::InvalidFields).with_field(KEY, detail)
        })
}

/// Runs the whole of a create again, from the claim on, where the database gave it up to end a deadlock: of that nothing
/// has happened.
pub async fn despite_deadlocks<F>(create: impl Fn() -> F) -> Result<Response, Problem>
where
    F: Future<Output = Result<Response, Problem>>,
{
    for _ in 1..ATTEMPTS {
        match create().await {
            Err(problem) if problem.is_busy() => {}
            outcome => return outcome,
        }
    }
    create().await
}

impl IdempotencyKey {
    /// The key means something only together with who sends it (nobody, at sign-up) and where to.
    pub async fn claim(&self, pool: &Pool, sender: Option<MemberId>) -> Result<Claim, Problem> {
        let mut transaction = pool.begin().await?;
        let Some(given) = &self.0 else {
            let slot = None;
            return Ok(Claim::New(Creating { transaction, slot }));
        };
        let slot = given.slot(sender);
        match insert(&mut transaction, &slot, &given.fingerprint).await {
            Ok(()) => {
                let slot = Some(slot);
                return Ok(Claim::New(Creating { transaction, slot }));
            }
            Err(error) if violated_unique_key(&error).is_some() => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(kept) = find(&mut transaction, &slot).await? {
            return kept.answer(&given.fingerprint).map(Claim::Answered);
        }
        // What was in the way has expired, and goes together with its replacement or not at all.
        delete_expired(&mut transaction, &slot).await?;
        insert(&mut transaction, &slot, &given.fingerprint).await?;
        let slot = Some(slot);
        Ok(Claim::New(Creating { transaction, slot }))
    }
}

impl Given {
    fn slot(&self, sender: Option<MemberId>) -> Vec<u8> {
        let sender = sender.map_or(0, |MemberId(id)| id);
        hash(&[
            b"slot",
            &sender.to_be_bytes(),
            self.path.as_bytes(),
            self.key.as_bytes(),
        ])
    }
}

impl Kept {
    fn answer(self, fingerprint: &[u8]) -> Result<Response, Problem> {
        if self.fingerprint != fingerprint {
            return Err(Problem::new(Code::ReusedIdempotencyKey));
        }
        let mut response = created(&self.location, self.body)?;
        let headers = response.headers_mut();
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(response)
    }
}

impl Creating {
    pub fn transaction(&mut self) -> &mut MySqlConnection {
        &mut self.transaction
    }

    /// Answers 201 with `body`, which `location` leads to. `owner` is the member whose withdrawal makes this forgotten.
    pub async fn finish(mut self, owner: MemberId, location: &str, body: &impl Serialize) -> Result<Response, Problem> {
        let body = serde_json::to_string(body).map_err(|error| Problem::internal(&error))?;
        if let Some(slot) = &self.slot {
            keep(&mut self.transaction, slot, owner, location, &body).await?;
        }
        self.transaction.commit().await?;
        created(location, body)
    }
}

fn created(location: &str, body: String) -> Result<Response, Problem> {
    let location = HeaderValue::from_str(location).map_err(|error| Problem::internal(&error))?;
    let headers = [
        (header::LOCATION, location),
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
    ];
    Ok((StatusCode::CREATED, headers, body).into_response())
}

/// The length before each part keeps two lists of parts from running into the same text.
fn hash(parts: &[&[u8]]) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

/// Waits for whoever has inserted the same slot and not committed yet.
async fn insert(connection: &mut MySqlConnection, slot: &[u8], fingerprint: &[u8]) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO idempotency_keys (slot, fingerprint, expires_at) VALUES (?, ?, NOW(6) + INTERVAL ? SECOND)",
    )
    .bind(slot)
    .bind(fingerprint)
    .bind(LIFETIME.as_secs())
    .execute(connection)
    .await
    .map(drop)
}

async fn find(connection: &mut MySqlConnection, slot: &[u8]) -> sqlx::Result<Option<Kept>> {
    // The lock is held since the failed insert. A plain read would fix, for the rest of the transaction, what it sees.
    sqlx::query_as(
        "SELECT fingerprint, location, body FROM idempotency_keys WHERE slot = ? AND expires_at > NOW(6) \
         LOCK IN SHARE MODE",
    )
    .bind(slot)
    .fetch_optional(connection)
    .await
}

async fn delete_expired(connection: &mut MySqlConnection, slot: &[u8]) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM idempotency_keys WHERE slot = ? AND expires_at <= NOW(6)")
        .bind(slot)
        .execute(connection)
        .await
        .map(drop)
}

async fn keep(
    connection: &mut MySqlConnection,
    slot: &[u8],
    owner: MemberId,
    location: &str,
    body: &str,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE idempotency_keys SET member_id = ?, location = ?, body = ? WHERE slot = ?")
        .bind(owner)
        .bind(location)
        .bind(body)
        .bind(slot)
        .execute(connection)
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_word_or_not_given_at_all() {
        let key = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(KEY, HeaderValue::from_bytes(value).expect("a value"));
            }
            key_in(&headers).ok()
        };
        assert_eq!(key(&[]), Some(None));
        assert_eq!(key(&[b"\"8e03978e-40d5\""]), Some(Some("\"8e03978e-40d5\"".to_owned())));
        for bad in [
            &[&b""[..]][..],
            &[b"a b"],
            &[&[b'a'; 256]],
            &["열쇠".as_bytes()],
            &[b"a", b"a"],
        ] {
            assert_eq!(key(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_is_hashed_together_cannot_be_parted_otherwise() {
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
        assert_eq!(hash(&[b"ab", b"c"]), hash(&[b"ab", b"c"]));
    }
}
