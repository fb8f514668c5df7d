//! How often a password may be tried: for one account, and from one address. Counted in the database, so that it holds
//! for all hosts together, and before the password is looked at, so that it holds for guesses made at once.
//!
//! Only wrong passwords are counted in the end: an attempt that turns out right is given back.

use crate::address::ClientAddress;
use crate::database::{Pool, despite_deadlocks};
use crate::members::MemberId;
use crate::names::Password;
use crate::password::Passwords;
use crate::problem::{Code, Problem};
use ring::digest;
use std::time::Duration;

/// Starts with the first wrong password; when it ends, all is forgotten.
const WINDOW: Duration = Duration::from_secs(15 * 60);
const MOST_PER_ACCOUNT: u64 = 10;
/// Many members may share one address.
const MOST_PER_ADDRESS: u64 = 100;

/// What is guessed at, or who guesses. Names that nobody has count like those of members, so that being refused tells
/// nothing about them.
#[derive(Debug)]
pub enum Subject {
    Member(MemberId),
    Name(String),
    Address(ClientAddress),
}

impl Subject {
    fn most(&self) -> u64 {
        match self {
            Subject::Member(_) | Subject::Name(_) => MOST_PER_ACCOUNT,
            Subject::Address(_) => MOST_PER_ADDRESS,
        }
    }

    /// The database needs no list of who signs in from where.
    fn hash(&self) -> Vec<u8> {
        let text = match self {
            Subject::Member(id) => format!("member {}", id.0),
            Subject::Name(name) => format!("name {}", name.to_lowercase()),
            Subject::Address(address) => format!("address {address}"),
        };
        digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec()
    }
}

/// Attempts that have been counted and whose outcome is not known yet.
pub struct Attempt<'a> {
    pool: &'a Pool,
    counted: Vec<Subject>,
}

impl<'a> Attempt<'a> {
    pub fn new(pool: &'a Pool) -> Attempt<'a> {
        Attempt {
            pool,
            counted: Vec::new(),
        }
    }

    /// Counts one more for this subject, and refuses if that is one too many.
    pub async fn count(&mut self, subject: Subject) -> Result<(), Problem> {
        let attempts = despite_deadlocks(|| add(self.pool, &subject)).await?;
        if attempts <= subject.most() {
            self.counted.push(subject);
            return Ok(());
        }
        let wait_secs = seconds_left(self.pool, &subject).await?;
        self.counted.push(subject);
        self.give_back().await?;
        Err(Problem::new(Code::TooManyAttempts).with_retry_after_secs(wait_secs))
    }

    /// Whether the password is right. `hash` is `None` for a member that does not exist.
    pub async fn verify(
        mut self,
        passwords: &Passwords,
        password: Password,
        hash: Option<String>,
    ) -> Result<bool, Problem> {
        let outcome = passwords.verify(password, hash).await;
        if !matches!(outcome, Ok(false)) {
            self.give_back().await?;
        }
        outcome
    }

    async fn give_back(&mut self) -> sqlx::Result<()> {
        for subject in self.counted.drain(..) {
            despite_deadlocks(|| subtract(self.pool, &subject)).await?;
        }
        Ok(())
    }
}

/// Adds one and says which it is. `LAST_INSERT_ID(…)` brings the count back with the answer: read in a second
/// statement, it could already include others.
async fn add(pool: &Pool, subject: &Subject) -> sqlx::Result<u64> {
    let window_secs = WINDOW.as_secs();
    let added = sqlx::query(
        "INSERT INTO sign_in_attempts (subject, attempts, window_ends_at) VALUES (?, 1, NOW(6) + INTERVAL ? SECOND) \
         ON DUPLICATE KEY UPDATE \
         attempts = LAST_INSERT_ID(IF(window_ends_at <= NOW(6), 1, attempts + 1)), \
         window_ends_at = IF(window_ends_at <= NOW(6), NOW(6) + INTERVAL ? SECOND, window_ends_at)",
    )
    .bind(subject.hash())
    .bind(window_secs)
    .bind(window_secs)
    .execute(pool)
    .await?;
    // The database says 1 for a row inserted and 2 for one updated.
    Ok(match added.rows_affected() {
        1 => 1,
        _ => added.last_insert_id(),
    })
}

async fn subtract(pool: &Pool, subject: &Subject) -> sqlx::Result<()> {
    sqlx::query("UPDATE sign_in_attempts SET attempts = attempts - 1 WHERE subject = ? AND attempts > 0")
        .bind(subject.hash())
        .execute(pool)
        .await
        .map(drop)
}

async fn seconds_left(pool: &Pool, subject: &Subject) -> sqlx::Result<u64> {
    let left: Option<i64> = sqlx::query_scalar(
        "SELECT TIMESTAMPDIFF(SECOND, NOW(6), window_ends_at) FROM sign_in_attempts WHERE subject = ?",
    )
    .bind(subject.hash())
    .fetch_optional(pool)
    .await?;
    // Whole seconds were rounded down, and 0 would say to come back at once.
    Ok(left.and_then(|secs| u64::try_from(secs).ok()).unwrap_or(0) + 1)
}
