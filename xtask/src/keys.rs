//! The key that signs desired documents, and the sets of keys that hosts trust.

mod rotation;
mod signer;

pub use rotation::{Rotated, retire, rotate};
pub use signer::Signer;

use crate::failure::{Failure, OrFail, Result};
use crate::files;
use crate::project::Project;
use contract::{KeyChain, KeySet, SigningKey};
use std::path::{Path, PathBuf};

pub fn signing_key_path(project: &Project) -> PathBuf {
    project.keys().join("signing.key")
}

pub fn trusted_path(project: &Project) -> PathBuf {
    project.keys().join("trusted.json")
}

/// How trust passed from the first key to the one in force; there is none before the first rotation.
fn chain_path(project: &Project) -> PathBuf {
    project.keys().join("chain.json")
}

/// Makes a new signing key and the set of keys to trust. An existing key is never overwritten.
pub fn create(project: &Project) -> Result<Signer> {
    let path = signing_key_path(project);
    if path.exists() {
        return Err(
            Failure::bad_input(format!("there is a signing key already: `{}`", path.display()))
                .why("hosts that trust it would refuse documents signed by another")
                .next("cargo xtask keys rotate"),
        );
    }
    let failed = || format!("the signing key `{}` cannot be written", path.display());
    let key = SigningKey::from_seed(rand::random());
    let trusted = KeySet {
        version: 1,
        keys: vec![key.public()],
    };
    files::write_json(&trusted_path(project), &trusted).or_fail(failed)?;
    files::write_secret(&path, key.to_base64().as_bytes()).or_fail(failed)?;
    Ok(Signer::first(key))
}

pub fn load(project: &Project) -> Result<Signer> {
    let path = signing_key_path(project);
    let key = read_key(&path)?.ok_or_else(|| {
        Failure::bad_input(format!("there is no signing key `{}`", path.display())).next("cargo xtask keys new")
    })?;
    let trusted = trusted(project)?;
    let chain = chain(project)?;
    Ok(Signer::new(key, trusted.version, chain))
}

/// On the local ground nobody has to ask for a key first.
pub fn load_or_create(project: &Project) -> Result<Signer> {
    if signing_key_path(project).exists() {
        load(project)
    } else {
        create(project)
    }
}

fn read_key(path: &Path) -> Result<Option<SigningKey>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Failure::bad_input(format!(
                "the signing key `{}` cannot be read: {error}",
                path.display()
            )));
        }
    };
    let key = SigningKey::from_base64(&text).ok_or_else(|| {
        Failure::bad_input(format!("`{}` holds no signing key", path.display())).why("expected 32 bytes as base64")
    })?;
    Ok(Some(key))
}

/// The keys whose signatures count.
pub fn trusted(project: &Project) -> Result<KeySet> {
    let path = trusted_path(project);
    let found = files::read_json(&path).or_fail(|| "the keys that hosts trust are not known".to_owned())?;
    found.ok_or_else(|| {
        Failure::bad_input(format!("`{}` is not there", path.display()))
            .why("it lies beside the signing key, and was made with it")
            .next("bring it back from where the signing key came from")
    })
}

fn chain(project: &Project) -> Result<KeyChain> {
    let found = files::read_json(&chain_path(project)).or_fail(|| "the key sets are not known".to_owned())?;
    Ok(found.unwrap_or_default())
}
