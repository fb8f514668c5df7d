//! Docker's `config.json`: passwords in it, or programs that keep them elsewhere.

use super::{Login, Secret, Unusable};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

const HELPER_TIMEOUT: Duration = Duration::from_secs(15);
const HELPER_ANSWER_MAX_BYTES: u64 = 64 * 1024;
const FILE_MAX_BYTES: u64 = 1024 * 1024;

/// What helpers call a token that stands for a password.
const TOKEN_USERNAME: &str = "<token>";

/// No `Debug`: it holds passwords.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DockerConfig {
    auths: BTreeMap<String, Entry>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    /// Base64 of `username:password`.
    auth: Option<String>,
    identitytoken: Option<String>,
}

impl DockerConfig {
    /// A file that is not there is an empty one, as for Docker.
    pub async fn read(path: &Path) -> Result<Self, Unusable> {
        let problem = |why: String| Unusable::new(format!("`{}`", path.display()), why);
        let mut text = Vec::new();
        match tokio::fs::File::open(path).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(problem(error.to_string())),
            Ok(file) => file
                .take(FILE_MAX_BYTES)
                .read_to_end(&mut text)
                .await
                .map_err(|error| problem(error.to_string()))?,
        };
        // Only where the mistake is: what stands there may be a password.
        serde_json::from_slice(&text).map_err(|error| {
            problem(format!(
                "not Docker's JSON at line {}, column {}",
                error.line(),
                error.column()
            ))
        })
    }

    /// A helper comes first, as for Docker; what it does not know may still stand in the file.
    pub async fn login(&self, host: &str) -> Result<Option<Login>, Unusable> {
        let own = self
            .cred_helpers
            .iter()
            .find(|(key, _)| names(key, host))
            .map(|(_, helper)| helper);
        if let Some(helper) = own.or(self.creds_store.as_ref())
            && let Some(login) = ask(helper, host).await?
        {
            return Ok(Some(login));
        }
        match self.auths.iter().find(|(key, _)| names(key, host)) {
            Some((key, entry)) => entry.login(key),
            None => Ok(None),
        }
    }
}

impl Entry {
    fn login(&self, key: &str) -> Result<Option<Login>, Unusable> {
        if let Some(token) = self.identitytoken.as_deref().filter(|token| !token.is_empty()) {
            return Ok(Some(Login::IdentityToken(Secret::new(token))));
        }
        let Some(auth) = self.auth.as_deref().filter(|auth| !auth.is_empty()) else {
            return Ok(None);
        };
        let decoded = BASE64.decode(auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = decoded
            .as_deref()
            .and_then(|text| text.trim_end_matches('\0').split_once(':'));
        let (username, password) = pair.ok_or_else(|| {
            Unusable::new(
                format!("the entry `{key}` of Docker's config"),
                "`auth` is not base64 of `username:password`",
            )
        })?;
        Ok(Some(Login::Password {
            username: username.to_owned(),
            password: Secret::new(password),
        }))
    }
}

/// Whether a key of the file is about this host. Keys of old are whole URLs.
fn names(key: &str, host: &str) -> bool {
    let key = key.trim_start_matches("https://").trim_start_matches("http://");
    let key = key.split('/').next().unwrap_or(key);
    key == host || (host == "docker.io" && matches!(key, "index.docker.io" | "registry-1.docker.io"))
}

/// Asks `docker-credential-HELPER get`, which reads the host on its standard input. `None`: it knows of none.
async fn ask(helper: &str, host: &str) -> Result<Option<Login>, Unusable> {
    let program = format!("docker-credential-{helper}");
    let problem = |why: String| Unusable::new(format!("`{program}`"), why);
    if !helper.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        return Err(problem("not a helper's name".into()));
    }
    ask_program(
        &program,
        if host == "docker.io" {
            "https://index.docker.io/v1/"
        } else {
            host
        },
    )
    .await
}

async fn ask_program(program: &str, server: &str) -> Result<Option<Login>, Unusable> {
    let problem = |why: String| Unusable::new(format!("`{program}`"), why);
    let (answer, succeeded) = match tokio::time::timeout(HELPER_TIMEOUT, run(program, server)).await {
        Ok(outcome) => outcome.map_err(|error| problem(error.to_string()))?,
        Err(_) => return Err(problem(format!("no answer within {} s", HELPER_TIMEOUT.as_secs()))),
    };
    if !succeeded {
        // Helpers say so in words, on standard output. Anything else is theirs to explain, but not in our log: a failing
        // helper's output may hold anything.
        let said = String::from_utf8_lossy(&answer).to_lowercase();
        return if said.contains("credentials not found") {
            Ok(None)
        } else {
            Err(problem("it failed".into()))
        };
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: String,
    }
    let answer: Answer =
        serde_json::from_slice(&answer).map_err(|_| problem("its answer is not a helper's JSON".into()))?;
    let secret = Secret::new(answer.secret);
    Ok(Some(match answer.username.as_str() {
        TOKEN_USERNAME => Login::IdentityToken(secret),
        _ => Login::Password {
            username: answer.username,
            password: secret,
        },
    }))
}

async fn run(program: &str, input: &str) -> std::io::Result<(Vec<u8>, bool)> {
    let mut command = Command::new(program);
    command
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not care to read its input is no failure yet.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let mut answer = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(HELPER_ANSWER_MAX_BYTES).read_to_end(&mut answer).await?;
    }
    Ok((answer, child.wait().await?.success()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> DockerConfig {
        serde_json::from_str(text).unwrap()
    }

    fn shown(login: Option<Login>) -> String {
        match login {
            None => "nobody".into(),
            Some(Login::Password { username, password }) => format!("{username}:{}", password.reveal()),
            Some(Login::IdentityToken(token)) => format!("token {}", token.reveal()),
        }
    }

    #[tokio::test]
    async fn an_entry_is_found_however_its_key_is_written() {
        let auth = BASE64.encode("ann:pass:word");
        for (key, host) in [
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("https://a.test/v1/", "a.test"),
            ("http://a.test", "a.test"),
            ("https://index.docker.io/v1/", "docker.io"),
        ] {
            let config = config(&format!(
                r#"{{"auths": {{"{key}": {{"auth": "{auth}"}}}}, "HttpHeaders": {{}}}}"#
            ));
            assert_eq!(shown(config.login(host).await.unwrap()), "ann:pass:word", "{key}");
            assert_eq!(shown(config.login("other.test").await.unwrap()), "nobody", "{key}");
        }
    }

    #[tokio::test]
    async fn an_identity_token_stands_before_a_password() {
        let config = config(r#"{"auths": {"a.test": {"auth": "YTpi", "identitytoken": "t0ken"}}}"#);
        assert_eq!(shown(config.login("a.test").await.unwrap()), "token t0ken");
    }

    #[tokio::test]
    async fn a_broken_entry_or_helper_is_named_and_its_content_is_not() {
        let broken = config(r#"{"auths": {"a.test": {"auth": "hunter2!"}}}"#)
            .login("a.test")
            .await
            .unwrap_err()
            .to_string();
        assert!(broken.contains("`a.test`") && !broken.contains("hunter2"), "{broken}");
        let missing = config(r#"{"credsStore": "no-such-helper"}"#)
            .login("a.test")
            .await
            .unwrap_err()
            .to_string();
        assert!(missing.contains("`docker-credential-no-such-helper`"), "{missing}");
        let path = config(r#"{"credsStore": "../../tmp/x"}"#)
            .login("a.test")
            .await
            .unwrap_err()
            .to_string();
        assert!(path.contains("not a helper's name"), "{path}");
    }

    /// A helper on disk, as a shell script that gets the server's name in `$server`.
    async fn with_helper(script: &str) -> Result<Option<Login>, Unusable> {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("docker-credential-test");
        std::fs::write(
            &path,
            format!("#!/bin/sh\nread -r server\n[ \"$1\" = get ] || exit 9\n{script}\n"),
        )
        .unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        ask_program(path.to_str().unwrap(), "a.test:5000").await
    }

    #[tokio::test]
    async fn a_helper_is_asked_on_its_standard_input() {
        let password =
            with_helper(r#"echo "{\"ServerURL\":\"x\",\"Username\":\"ann\",\"Secret\":\"of $server\"}""#).await;
        assert_eq!(shown(password.unwrap()), "ann:of a.test:5000");
        let token = with_helper(r#"echo '{"Username":"<token>","Secret":"t0ken"}'"#).await;
        assert_eq!(shown(token.unwrap()), "token t0ken");
        let unknown = with_helper("echo 'credentials not found in native keychain'; exit 1").await;
        assert_eq!(shown(unknown.unwrap()), "nobody");
        let broken = with_helper("echo 'hunter2'; exit 1").await.unwrap_err().to_string();
        assert!(
            broken.contains("docker-credential-test") && !broken.contains("hunter2"),
            "{broken}"
        );
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_knows_nobody_and_a_broken_one_says_where() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        assert_eq!(
            shown(DockerConfig::read(&path).await.unwrap().login("a.test").await.unwrap()),
            "nobody"
        );
        std::fs::write(&path, "{\n  \"auths\": hunter2 }").unwrap();
        let error = DockerConfig::read(&path).await.err().unwrap().to_string();
        assert!(
            error.contains("line 2, column 12") && !error.contains("hunter2"),
            "{error}"
        );
    }
}
