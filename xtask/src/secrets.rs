//! Secrets of the local ground: made up at random once, kept in files only their owner can read.
//!
//! A file is named `NAME@version`, which is also how documents refer to it. What is in it goes to the one host or service
//! that needs it and nowhere else: not to arguments, logs, labels or the journal.

use crate::failure::{Failure, OrFail, Result};
use crate::files;
use crate::redact;
use contract::{EnvironmentName, SecretName, SecretRef};
use services::Secret;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What the ground makes up stays: a database would no longer know its own password.
const OWN_VERSION: u32 = 1;

/// The secrets of one environment.
#[derive(Debug, Clone)]
pub struct Vault {
    environment: EnvironmentName,
    folder: PathBuf,
}

impl Vault {
    pub fn new(environment: EnvironmentName, folder: PathBuf) -> Self {
        Self { environment, folder }
    }

    /// Makes up those that never existed. One that existed and is gone is not made up again: a database would no longer
    /// know its own password.
    pub fn complete(&self, names: &[SecretName]) -> Result<()> {
        let index_path = self.folder.join("index.json");
        let failed = || {
            format!(
                "the secrets of `{}` cannot be kept in `{}`",
                self.environment,
                self.folder.display()
            )
        };
        let mut index: BTreeSet<SecretName> = files::read_json(&index_path).or_fail(failed)?.unwrap_or_default();
        for name in names {
            if index.contains(name) {
                self.read(name)?;
                continue;
            }
            let secret = Secret::random();
            redact::learn(secret.expose());
            files::write_secret(&self.path(name), secret.expose().as_bytes()).or_fail(failed)?;
            index.insert(name.clone());
            files::write_json(&index_path, &index).or_fail(failed)?;
        }
        Ok(())
    }

    pub fn read(&self, name: &SecretName) -> Result<Secret> {
        let path = self.path(name);
        std::fs::read_to_string(&path)
            .map(|text| {
                redact::learn(text.trim_end());
                Secret::new(text.trim_end().to_owned())
            })
            .map_err(|error| {
                Failure::bad_input(format!("secret `{name}` of `{}` is missing", self.environment))
                    .why(format!("expected in `{}`: {error}", path.display()))
                    .next(format!(
                        "put it back into that file, or begin anew with `{}`",
                        "cargo xtask local down --purge"
                    ))
            })
    }

    /// Those that existed and are gone.
    pub fn lost(&self) -> Vec<Failure> {
        let index: BTreeSet<SecretName> = files::read_json(&self.folder.join("index.json"))
            .ok()
            .flatten()
            .unwrap_or_default();
        index.iter().filter_map(|name| self.read(name).err()).collect()
    }

    pub fn path(&self, name: &SecretName) -> PathBuf {
        self.folder.join(format!("{name}@{OWN_VERSION}"))
    }
}

/// One of the ground's own, whichever version pipeline.yaml names elsewhere.
pub fn own(name: SecretName) -> SecretRef {
    SecretRef {
        name,
        version: OWN_VERSION,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn vault(folder: &tempfile::TempDir) -> Vault {
        Vault::new(EnvironmentName::parse("staging").unwrap(), folder.path().to_owned())
    }

    #[test]
    fn a_secret_is_made_once_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let name = SecretName::parse("DB_PASSWORD").unwrap();
        vault(&folder).complete(std::slice::from_ref(&name)).unwrap();
        let first = vault(&folder).read(&name).unwrap().expose().to_owned();
        vault(&folder).complete(std::slice::from_ref(&name)).unwrap();
        assert_eq!(vault(&folder).read(&name).unwrap().expose(), first);
        let mode = std::fs::metadata(folder.path().join("DB_PASSWORD@1"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_lost_secret_is_named_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let name = SecretName::parse("DB_PASSWORD").unwrap();
        vault(&folder).complete(std::slice::from_ref(&name)).unwrap();
        std::fs::remove_file(folder.path().join("DB_PASSWORD@1")).unwrap();
        let failure = vault(&folder).complete(&[name]).unwrap_err();
        assert!(
            failure
                .to_string()
                .contains("secret `DB_PASSWORD` of `staging` is missing"),
            "{failure}"
        );
    }
}
