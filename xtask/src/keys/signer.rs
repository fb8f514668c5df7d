//! Whoever signs makes sure first that hosts can know the key.

use crate::failure::{Exit, Failure, OrFail, Result};
use channel::{Channel, PublishError};
use contract::{Desired, Envelope, KeyChain, SigningKey};

/// A signing key, the newest set of keys that holds it, and how trust passed on to that.
#[derive(Debug)]
pub struct Signer {
    key: SigningKey,
    set: u32,
    chain: KeyChain,
}

impl Signer {
    pub fn new(key: SigningKey, set: u32, chain: KeyChain) -> Self {
        Self { key, set, chain }
    }

    /// Of a key that was never rotated.
    pub fn first(key: SigningKey) -> Self {
        Self::new(key, 1, KeyChain::default())
    }

    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    pub fn set(&self) -> u32 {
        self.set
    }

    pub fn seal(&self, desired: &Desired) -> Result<Envelope, serde_json::Error> {
        self.key.seal(desired)
    }

    /// Brings the sets of keys into a channel that lacks the newest: before anything that this key signed is published
    /// there, whichever profile the keys were rotated under.
    pub async fn introduce(&self, channel: &Channel) -> Result<()> {
        let failed = || "the key sets of the channel cannot be brought up to date".to_owned();
        let found = channel.read_keys().await.or_fail(failed)?;
        let (found, revision) = found.map_or((None, None), |(chain, revision)| (Some(chain), Some(revision)));
        let theirs = found.unwrap_or_default().newest().or_fail(failed)?;
        let ours = self.chain.newest().or_fail(failed)?;
        if theirs == ours {
            return Ok(());
        }
        if let Some(theirs) = theirs.filter(|set| ours.as_ref().is_none_or(|ours| ours.version <= set.version)) {
            let version = theirs.version;
            return Err(Failure::bad_input(format!(
                "hosts are told of another key set {version}; the newest here is {}",
                self.set
            ))
            .why("keys were rotated from another machine")
            .next("copy the folder `keys` of its `.release` to here"));
        }
        match channel.publish_keys(&self.chain, revision.as_ref()).await {
            Ok(()) => Ok(()),
            Err(conflict @ PublishError::Conflict(_)) => Err(Failure::new(Exit::Locked, failed())
                .why(conflict.to_string())
                .next("run the command again")),
            Err(PublishError::Failed(error)) => Err(error).or_fail(failed),
        }
    }
}
