//! The key that signs desired documents, and the set that hosts trust.

use crate::failure::{Failure, OrFail, Result};
use crate::files;
use crate::project::Project;
use contract::{KeySet, SigningKey};
use std::path::PathBuf;

pub fn signing_key_path(project: &Project) -> PathBuf {
    project.keys().join("signing.key")
}

pub fn trusted_path(project: &Project) -> PathBuf {
    project.keys().join("trusted.json")
}

/// Makes a new signing key and the set of keys to trust. An existing key is never overwritten.
pub fn create(project: &Project) -> Result<SigningKey> {
    let path = signing_key_path(project);
    if path.exists() {
        return Err(
            Failure::bad_input(format!("there is a signing key already: `{}`", path.display()))
                .why("hosts that trust it would refuse documents signed by another")
                .next("cargo xtask status"),
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
    Ok(key)
}

pub fn load(project: &Project) -> Result<SigningKey> {
    let path = signing_key_path(project);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Failure::bad_input(format!("the signing key `{}` cannot be read: {error}", path.display()))
            .next("cargo xtask keys new")
    })?;
    SigningKey::from_base64(&text).ok_or_else(|| {
        Failure::bad_input(format!("`{}` holds no signing key", path.display())).why("expected 32 bytes as base64")
    })
}

/// On the local ground nobody has to ask for a key first.
pub fn load_or_create(project: &Project) -> Result<SigningKey> {
    if signing_key_path(project).exists() {
        load(project)
    } else {
        create(project)
    }
}
