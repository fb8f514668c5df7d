//! Secrets of this host: one file `NAME@version` each, for the owner's eyes only.

use anyhow::{Context as _, Result, bail, ensure};
use contract::SecretRef;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

const MAX_BYTES: u64 = 64 * 1024;

/// The environment variables these secrets make. Their values appear in no error.
pub fn read_all(folder: &Path, secrets: &[SecretRef]) -> Result<BTreeMap<String, String>> {
    secrets
        .iter()
        .map(|secret| Ok((secret.name.to_string(), read(folder, secret)?)))
        .collect()
}

fn read(folder: &Path, secret: &SecretRef) -> Result<String> {
    let path = folder.join(format!("{}@{}", secret.name, secret.version));
    let name = path.display();
    let file = File::open(&path).with_context(|| format!("the secret `{name}` cannot be opened"))?;
    let found = file
        .metadata()
        .with_context(|| format!("the secret `{name}` cannot be looked at"))?;
    ensure!(found.is_file(), "the secret `{name}` is not a file");
    if found.mode() & 0o077 != 0 {
        let mode = found.mode() & 0o777;
        bail!("the secret `{name}` may be read by others (mode {mode:04o}, expected 0600): `chmod 600` it");
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("the secret `{name}` cannot be read"))?;
    ensure!(
        bytes.len() as u64 <= MAX_BYTES,
        "the secret `{name}` is larger than {MAX_BYTES} bytes"
    );
    // Not the error of the conversion: it would hold the bytes.
    let Ok(mut value) = String::from_utf8(bytes) else {
        bail!("the secret `{name}` is not UTF-8 text")
    };
    ensure!(
        !value.contains('\0'),
        "the secret `{name}` holds a zero byte, which no environment variable can"
    );
    // Editors and `echo` end a file with a newline; passwords do not end with one.
    if value.ends_with('\n') {
        value.pop();
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::SecretName;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    fn secret() -> SecretRef {
        SecretRef {
            name: SecretName::parse("DB_PASSWORD").unwrap(),
            version: 3,
        }
    }

    /// What reading gives for a file of this content and mode.
    fn check(content: &[u8], mode: u32) -> Result<String, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("DB_PASSWORD@3");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let read = read_all(dir.path(), &[secret()]).map_err(|error| format!("{error:#}"));
        Ok(read?["DB_PASSWORD"].clone())
    }

    #[test]
    fn a_secret_is_read_without_its_last_newline() {
        assert_eq!(check(b"hunter2\n", 0o600), Ok("hunter2".to_owned()));
        assert_eq!(check(b" two\nlines", 0o400), Ok(" two\nlines".to_owned()));
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        for mode in [0o644, 0o640, 0o604, 0o660] {
            let error = check(b"hunter2", mode).unwrap_err();
            assert!(
                error.contains("DB_PASSWORD@3") && error.contains("chmod 600"),
                "{error}"
            );
        }
    }

    #[test]
    fn no_error_repeats_the_secret() {
        for bad in [&b"hunter2\xff"[..], b"hunter2\0"] {
            let error = check(bad, 0o600).unwrap_err();
            assert!(error.contains("DB_PASSWORD@3") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_missing_secret_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = read_all(dir.path(), &[secret()]).unwrap_err().to_string();
        assert!(error.contains("DB_PASSWORD@3"), "{error}");
    }
}
