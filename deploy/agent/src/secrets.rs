//! Secrets of this host: one file `NAME@version` each, for the owner's eyes only, or parameters of AWS by their version.

use anyhow::{Context as _, Result, bail, ensure};
use aws::{Keys, Parameters};
use contract::{SecretRef, SecretsPlace, SsmPlace};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

const MAX_BYTES: u64 = 64 * 1024;

/// The environment variables these secrets make. Their values appear in no error.
pub async fn read_all(place: &SecretsPlace, secrets: &[SecretRef]) -> Result<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    if secrets.is_empty() {
        return Ok(values);
    }
    match place {
        SecretsPlace::Directory(folder) => {
            for secret in secrets {
                values.insert(secret.name.to_string(), read(folder, secret)?);
            }
        }
        SecretsPlace::Ssm { ssm } => {
            let keys = Keys::of_this_host().context("secrets cannot be asked for")?;
            let parameters = Parameters::of(&ssm.region, ssm.endpoint.clone(), keys);
            for secret in secrets {
                values.insert(secret.name.to_string(), ask(&parameters, ssm, secret).await?);
            }
        }
    }
    Ok(values)
}

async fn ask(parameters: &Parameters, ssm: &SsmPlace, secret: &SecretRef) -> Result<String> {
    let name = format!("{}/{}", ssm.prefix.trim_end_matches('/'), secret.name);
    let value = parameters.get(&name, secret.version).await;
    let value = value.with_context(|| format!("the secret `{name}:{}` cannot be read", secret.version))?;
    expect_no_zero(&value, &name)?;
    Ok(value)
}

fn expect_no_zero(value: &str, name: &dyn Display) -> Result<()> {
    ensure!(
        !value.contains('\0'),
        "the secret `{name}` holds a zero byte, which no environment variable can"
    );
    Ok(())
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
    expect_no_zero(&value, &name)?;
    // Editors and `echo` end a file with a newline; passwords do not end with one.
    if value.ends_with('\n') {
        value.pop();
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;
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
        read(dir.path(), &secret()).map_err(|error| format!("{error:#}"))
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
        let error = read(dir.path(), &secret()).unwrap_err().to_string();
        assert!(error.contains("DB_PASSWORD@3"), "{error}");
    }

    /// What is asked of a Parameter Store that has this answer.
    async fn asked(status: u16, answer: &'static str) -> (String, Result<String, String>) {
        let (told, mut heard) = tokio::sync::mpsc::channel(1);
        let answer = move |request: String| {
            let told = told.clone();
            async move {
                told.send(request).await.unwrap();
                (StatusCode::from_u16(status).unwrap(), answer)
            }
        };
        let app = axum::Router::new().route("/", axum::routing::post(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ssm = SsmPlace {
            prefix: "/shop/production/".to_owned(),
            region: "us-east-1".to_owned(),
            endpoint: Some(format!("http://{}", listener.local_addr().unwrap())),
        };
        tokio::spawn(async move { axum::serve(listener, app).await });
        let keys = Keys::given("access-key", "secret-key", None);
        let parameters = Parameters::of(&ssm.region, ssm.endpoint.clone(), keys);
        let value = ask(&parameters, &ssm, &secret()).await;
        let value = value.map_err(|error| format!("{error:#}"));
        (heard.recv().await.unwrap(), value)
    }

    #[tokio::test]
    async fn a_parameter_is_asked_for_by_its_version_and_another_is_not_taken() {
        let (asked, value) = asked(200, r#"{"Parameter":{"Value":"hunter2","Version":3}}"#).await;
        assert_eq!(
            asked,
            r#"{"Name":"/shop/production/DB_PASSWORD:3","WithDecryption":true}"#
        );
        assert_eq!(value, Ok("hunter2".to_owned()));
    }

    #[tokio::test]
    async fn no_error_about_a_parameter_repeats_what_came() {
        let answers = [
            (200, r#"{"Parameter":{"Value":"hunter2","Version":2}}"#),
            (200, r#"{"Parameter":{"Value":"hunter2\u0000","Version":3}}"#),
            (200, r#"{"Parameter":{"Value":"hunter2","#),
            (500, "hunter2"),
        ];
        for (status, answer) in answers {
            let error = asked(status, answer).await.1.unwrap_err();
            assert!(error.contains("DB_PASSWORD") && !error.contains("hunter2"), "{error}");
        }
    }
}
