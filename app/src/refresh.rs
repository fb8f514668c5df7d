//! Refresh tokens: each works once and gives the next. One that has been used before has been stolen, from the member
//! or by the member's own doing; since nobody can tell which of the two asks, the whole session ends.
//!
//! That holds for two requests at once as well: at most one of them gets the next token, and the session is over.

use crate::database::Pool;
use crate::members::MemberId;
use crate::problem::{Code, Problem};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use sqlx::{Executor, MySql};
use std::time::Duration;

/// Since the last refresh.
pub const LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

const SESSION_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;

/// A session's id and a secret, together in one word. No `Debug`: whoever has it is the member.
pub struct RefreshToken {
    session: [u8; SESSION_BYTES],
    secret: [u8; SECRET_BYTES],
}

impl RefreshToken {
    fn first() -> RefreshToken {
        RefreshToken {
            session: rand::random(),
            secret: rand::random(),
        }
    }

    fn next(&self) -> RefreshToken {
        RefreshToken {
            session: self.session,
            secret: rand::random(),
        }
    }

    pub fn parse(token: &str) -> Result<RefreshToken, Problem> {
        let bytes = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
        bytes
            .split_at_checked(SESSION_BYTES)
            .and_then(|(session, secret)| {
                Some(RefreshToken {
                    session: session.try_into().ok()?,
                    secret: secret.try_into().ok()?,
                })
            })
            .ok_or_else(refused)
    }

    pub fn render(&self) -> String {
        URL_SAFE_NO_PAD.encode([&self.session[..], &self.secret[..]].concat())
    }

    /// The secret is random and long: a plain hash of it cannot be guessed back.
    fn hash(&self) -> Vec<u8> {
        digest::digest(&digest::SHA256, &self.secret).as_ref().to_vec()
    }
}

/// A new session, if `password_hash` is still the member's: a session that begins while the password is being changed
/// must not outlive that.
pub async fn start(pool: &Pool, member: MemberId, password_hash: &str) -> sqlx::Result<Option<RefreshToken>> {
    let token = RefreshToken::first();
    let inserted = sqlx::query(
        "INSERT INTO sessions (id, member_id, token_hash, expires_at) \
         SELECT ?, id, ?, NOW(6) + INTERVAL ? SECOND FROM members WHERE id = ? AND password_hash = ?",
    )
    .bind(&token.session[..])
    .bind(token.hash())
    .bind(LIFETIME.as_secs())
    .bind(member)
    .bind(password_hash)
    .execute(pool)
    .await?;
    Ok((inserted.rows_affected() > 0).then_some(token))
}

/// The next token for this one. Who is first with it is decided by one statement.
pub async fn rotate(pool: &Pool, token: &RefreshToken) -> Result<(MemberId, RefreshToken), Problem> {
    let next = token.next();
    let rotated = sqlx::query(
        "UPDATE sessions SET token_hash = ?, expires_at = NOW(6) + INTERVAL ? SECOND \
         WHERE id = ? AND token_hash = ? AND expires_at > NOW(6)",
    )
    .bind(next.hash())
    .bind(LIFETIME.as_secs())
    .bind(&token.session[..])
    .bind(token.hash())
    .execute(pool)
    .await?;
    if rotated.rows_affected() == 0 {
        end(pool, token).await?;
        return Err(refused());
    }
    let member = sqlx::query_scalar("SELECT member_id FROM sessions WHERE id = ?")
        .bind(&token.session[..])
        .fetch_optional(pool)
        .await?;
    // Gone again when the same token has been used once more in between.
    Ok((member.ok_or_else(refused)?, next))
}

/// Any token that the session ever had ends it.
pub async fn end(pool: &Pool, token: &RefreshToken) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM sessions WHERE id = ?")
        .bind(&token.session[..])
        .execute(pool)
        .await
        .map(drop)
}

pub async fn end_all<'c>(executor: impl Executor<'c, Database = MySql>, member: MemberId) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM sessions WHERE member_id = ?")
        .bind(member)
        .execute(executor)
        .await
        .map(drop)
}

fn refused() -> Problem {
    Problem::new(Code::InvalidRefreshToken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_survives_its_trip_through_the_client() {
        let token = RefreshToken::first();
        let parsed = RefreshToken::parse(&token.render()).unwrap_or_else(|_| panic!("refused"));
        assert_eq!((parsed.session, parsed.secret), (token.session, token.secret));
        let too_long = format!("{}AAAA", token.render());
        for bad in ["", "AAAA", "' OR 1=1", &token.render()[1..], &too_long] {
            assert!(RefreshToken::parse(bad).is_err(), "accepted {bad:?}");
        }
    }

    #[test]
    fn the_next_token_is_of_the_same_session_and_shares_no_secret() {
        let token = RefreshToken::first();
        let next = token.next();
        assert_eq!(next.session, token.session);
        assert_ne!(next.hash(), token.hash());
    }
}
