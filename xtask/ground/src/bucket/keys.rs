//! The store's one pair of keys: a file of two lines that only its owner can read.

use anyhow::{Context, Result, bail};
use rand::RngExt;
use rand::distr::Alphanumeric;
use std::fs::{OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

const ACCESS_KEY_LENGTH: usize = 20;
const SECRET_KEY_LENGTH: usize = 40;

/// No `Debug`: a secret is not to be printed.
pub struct Keys {
    pub access: String,
    pub secret: String,
}

impl Keys {
    pub fn load_or_create(path: &Path) -> Result<Self> {
        let shown = path.display();
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
                bail!("others can read the keys in `{shown}`; type `chmod 600 {shown}`")
            }
            Ok(_) => {
                let text =
                    std::fs::read_to_string(path).with_context(|| format!("cannot read the keys in `{shown}`"))?;
                Self::parse(&text).with_context(|| format!("`{shown}` holds no keys; remove it to get new ones"))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let keys = Self::random();
                keys.save(path)
                    .with_context(|| format!("cannot write new keys to `{shown}`"))?;
                Ok(keys)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read the keys in `{shown}`")),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines();
        match (lines.next(), lines.next(), lines.next()) {
            (Some(access), Some(secret), None) if !access.is_empty() && !secret.is_empty() => Ok(Self {
                access: access.to_owned(),
                secret: secret.to_owned(),
            }),
            _ => bail!("expected two lines, access key and secret key"),
        }
    }

    fn random() -> Self {
        let text = |length| {
            rand::rng()
                .sample_iter(Alphanumeric)
                .take(length)
                .map(char::from)
                .collect::<String>()
        };
        Self {
            access: text(ACCESS_KEY_LENGTH).to_uppercase(),
            secret: text(SECRET_KEY_LENGTH),
        }
    }

    /// Never readable by others, not even for an instant, and never half written.
    fn save(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        let fresh = path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        writeln!(file, "{}\n{}", self.access, self.secret)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_keys_are_kept_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets/keys");
        let first = Keys::load_or_create(&path).unwrap();
        let second = Keys::load_or_create(&path).unwrap();
        assert_eq!(
            (first.access.len(), first.secret.len()),
            (ACCESS_KEY_LENGTH, SECRET_KEY_LENGTH)
        );
        assert_eq!((first.access, first.secret), (second.access, second.secret));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn keys_that_others_can_read_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        std::fs::write(&path, "ACCESS\nsecret\n").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let error = Keys::load_or_create(&path).err().unwrap().to_string();
        assert!(error.contains("chmod 600") && !error.contains("secret"), "{error}");
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(Keys::load_or_create(&path).unwrap().secret, "secret");
    }

    #[test]
    fn a_file_of_another_shape_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        Keys::random().save(&path).unwrap();
        std::fs::write(&path, "one line\n").unwrap();
        let error = format!("{:#}", Keys::load_or_create(&path).err().unwrap());
        assert!(
            error.contains("holds no keys") && error.contains("two lines"),
            "{error}"
        );
    }
}
