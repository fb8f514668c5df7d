//! Passwords at rest: argon2id, off the async threads and a few at a time.

use crate::names::Password;
use crate::problem::{Code, Problem};
use anyhow::Context;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long a request waits for its turn before it is told to come back.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// A hash that no password matches, checked for names that nobody has, so that how long a refusal takes does not tell
/// which names exist. Its cost is that of `Params::DEFAULT`.
const NOBODYS_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm9ib2R5$\
                            AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// One hash takes a core for some tens of milliseconds and 19 MiB: as many at once as there are cores.
pub struct Passwords {
    turns: Arc<Semaphore>,
    memories: Arc<Mutex<Vec<Memory>>>,
}

/// What one hash works in, kept for the next: given back to the allocator each time, it would stay with whichever
/// thread had it, and the process would grow by 19 MiB a thread and more.
type Memory = Vec<Block>;

impl Passwords {
    pub fn new() -> Passwords {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Passwords {
            turns: Arc::new(Semaphore::new(cores)),
            memories: Arc::default(),
        }
    }

    pub async fn hash(&self, password: Password) -> Result<String, Problem> {
        self.in_turn(move |memory| hash(&password, memory)).await
    }

    /// `hash` is `None` for a member that does not exist.
    pub async fn verify(&self, password: Password, hash: Option<String>) -> Result<bool, Problem> {
        self.in_turn(move |memory| verify(&password, hash.as_deref().unwrap_or(NOBODYS_HASH), memory))
            .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> anyhow::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = tokio::time::timeout(TURN_TIMEOUT, self.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(Problem::new(Code::Busy));
        };
        let memories = self.memories.clone();
        // The turn ends with the work and not with the request: a client that gives up must not let another hash start.
        let work = move || {
            let _turn = turn;
            let kept = memories.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut memory = kept.unwrap_or_default();
            let outcome = work(&mut memory);
            memories.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
            outcome
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(error)) => Err(Problem::internal(&error)),
            Err(panic) => Err(Problem::internal(&panic)),
        }
    }
}

fn hash(password: &Password, memory: &mut Memory) -> anyhow::Result<String> {
    let argon2 = Argon2::default();
    let salt = Salt::generate();
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(argon2.params())?,
        salt: Some(salt),
        hash: Some(derive(&argon2, password, &salt, memory)?),
    };
    Ok(hash.to_string())
}

/// With the parameters that the hash was made with, which may not be today's.
fn verify(password: &Password, hash: &str, memory: &mut Memory) -> anyhow::Result<bool> {
    let hash = PasswordHash::new(hash)?;
    let algorithm = Algorithm::try_from(hash.algorithm.as_str())?;
    let version = hash.version.map(Version::try_from).transpose()?.unwrap_or_default();
    let argon2 = Argon2::new(algorithm, version, Params::try_from(&hash)?);
    let salt = hash.salt.context("a stored hash has no salt")?;
    // Two outputs are compared in constant time.
    Ok(hash.hash == Some(derive(&argon2, password, &salt, memory)?))
}

fn derive(argon2: &Argon2<'_>, password: &Password, salt: &Salt, memory: &mut Memory) -> anyhow::Result<Output> {
    memory.resize(argon2.params().block_count(), Block::default());
    let mut output = [0; Output::MAX_LENGTH];
    let output = &mut output[..argon2.params().output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN)];
    argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, memory)?;
    Ok(Output::new(output)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::password_hash::PasswordHasher;

    fn password(text: &str) -> Password {
        Password::parse(text).unwrap_or_else(|error| panic!("{text} {error}"))
    }

    #[tokio::test]
    async fn a_password_matches_its_own_argon2id_hash_only() {
        let passwords = Passwords::new();
        let hash = passwords.hash(password("correct horse")).await.expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        for (attempt, matches) in [("correct horse", true), ("wrong horse", false)] {
            let verified = passwords
                .verify(password(attempt), Some(hash.clone()))
                .await
                .expect("verified");
            assert_eq!(verified, matches, "{attempt}");
        }
    }

    #[test]
    fn a_hash_made_elsewhere_with_other_parameters_is_verified_with_its_own() {
        let params = Params::new(8 * 1024, 1, 2, Some(24)).expect("parameters");
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let made_elsewhere = argon2.hash_password(b"correct horse").expect("hashed").to_string();
        let mut memory = Memory::new();
        assert!(verify(&password("correct horse"), &made_elsewhere, &mut memory).expect("verified"));
        assert!(!verify(&password("wrong horse"), &made_elsewhere, &mut memory).expect("verified"));
    }

    #[tokio::test]
    async fn nobodys_hash_is_checked_in_full_and_matches_nothing() {
        assert!(PasswordHash::new(NOBODYS_HASH).is_ok());
        assert!(
            !Passwords::new()
                .verify(password("correct horse"), None)
                .await
                .expect("verified")
        );
    }
}
