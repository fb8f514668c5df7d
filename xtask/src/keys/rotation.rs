//! From one signing key to the next. Cut off anywhere, the same command goes on where it was:
//!
//! 1. `next.key`: the key to come, which signs nothing yet.
//! 2. `chain.json`: the set that holds it, signed by the key in force.
//! 3. Every channel of the profile has that set. (Others get it before anything is published there.)
//! 4. `trusted.json`, for hosts that are set up from now on, and those of the ground.
//! 5. `next.key` becomes `signing.key`.

use super::{chain, chain_path, load, read_key, signing_key_path, trusted, trusted_path};
use crate::failure::{Failure, OrFail, Result};
use crate::files;
use crate::keys::Signer;
use crate::project::Project;
use channel::Channel;
use contract::{KeyChain, KeySet, PublicKey, SigningKey};
use std::fs::File;
use std::path::PathBuf;

/// What signs now, and what hosts trust.
#[derive(Debug)]
pub struct Rotated {
    pub key: PublicKey,
    pub set: KeySet,
}

fn next_path(project: &Project) -> PathBuf {
    project.keys().join("next.key")
}

/// A new key signs from now on; the one before is still trusted, any earlier one is not.
pub async fn rotate(project: &Project, channels: &[Channel]) -> Result<Rotated> {
    let signer = load(project)?;
    let next = next_key(project)?;
    let set = publish(project, channels, &signer, vec![signer.key().public(), next.public()]).await?;
    let failed = || "the next signing key cannot take the place of the one before".to_owned();
    std::fs::rename(next_path(project), signing_key_path(project)).or_fail(failed)?;
    File::open(project.keys())
        .and_then(|folder| folder.sync_all())
        .or_fail(failed)?;
    Ok(Rotated {
        key: next.public(),
        set,
    })
}

/// Only the key that signs is trusted from now on.
pub async fn retire(project: &Project, channels: &[Channel]) -> Result<Rotated> {
    if next_path(project).exists() {
        return Err(Failure::bad_input("a rotation was begun and is not at its end").next("cargo xtask keys rotate"));
    }
    let signer = load(project)?;
    let key = signer.key().public();
    let set = publish(project, channels, &signer, vec![key.clone()]).await?;
    Ok(Rotated { key, set })
}

fn next_key(project: &Project) -> Result<SigningKey> {
    let path = next_path(project);
    if let Some(begun) = read_key(&path)? {
        return Ok(begun);
    }
    let key = SigningKey::from_seed(rand::random());
    let written = files::write_secret(&path, key.to_base64().as_bytes());
    written.or_fail(|| format!("the next signing key `{}` cannot be written", path.display()))?;
    Ok(key)
}

/// Makes these the keys that count, unless they are so already, and says so wherever hosts look.
async fn publish(project: &Project, channels: &[Channel], signer: &Signer, keys: Vec<PublicKey>) -> Result<KeySet> {
    let chain = chain(project)?;
    let trusted = trusted(project)?;
    let (chain, set) = with(&chain, &trusted, signer.key(), keys)?;
    let unwritten = || "the key sets cannot be written".to_owned();
    files::write_json(&chain_path(project), &chain).or_fail(unwritten)?;
    let signer = Signer::new(signer.key().clone(), set.version, chain);
    for channel in channels {
        signer.introduce(channel).await?;
    }
    files::write_json(&trusted_path(project), &set).or_fail(unwritten)?;
    Ok(set)
}

/// The chain that ends with a set of these keys, and that set. Pure.
fn with(chain: &KeyChain, trusted: &KeySet, by: &SigningKey, keys: Vec<PublicKey>) -> Result<(KeyChain, KeySet)> {
    let unreadable = || "the key sets cannot be read".to_owned();
    let newest = chain.newest().or_fail(unreadable)?.unwrap_or_else(|| trusted.clone());
    if newest.keys == keys {
        return Ok((chain.clone(), newest));
    }
    let version = newest.version.max(trusted.version) + 1;
    let set = KeySet { version, keys };
    let link = by.seal(&set).or_fail(unreadable)?;
    Ok((chain.extended(link), set))
}

#[cfg(test)]
mod tests;
