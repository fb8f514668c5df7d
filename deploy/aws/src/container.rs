//! The role of a container, from the service that runs it (ECS, CodeBuild, EKS): one request.

use crate::AwsError;
use crate::http::{self, Answer};
use ::http::{Request, Uri};
use aws_credential_types::Credentials;
use aws_smithy_types::body::SdkBody;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

const ENDPOINT: &str = "http://169.254.170.2";
/// Besides this machine: where keys may be asked for without TLS.
const TRUSTED: [&str; 3] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];
const WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Container {
    url: String,
    authorization: Authorization,
}

enum Authorization {
    None,
    Given(String),
    /// Read anew each time: it is exchanged while this runs.
    File(PathBuf),
}

impl std::fmt::Debug for Authorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authorization(…)")
    }
}

impl Container {
    pub fn find(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, AwsError> {
        let relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|path| format!("{ENDPOINT}{path}"));
        let Some(url) = relative.or_else(|| variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")) else {
            return Ok(None);
        };
        if !may_be_asked(&url) {
            return Err(AwsError::Misset {
                variable: "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                why: "expected `https://…`, or an address of this machine".to_owned(),
            });
        }
        let file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        let given = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
        let authorization = match (file, given) {
            (Some(path), _) => Authorization::File(path.into()),
            (None, Some(token)) => Authorization::Given(token),
            (None, None) => Authorization::None,
        };
        Ok(Some(Self { url, authorization }))
    }

    pub async fn keys(&self) -> Result<Credentials, AwsError> {
        let who = format!("the container's credential service at `{}`", self.url);
        let misset = |variable, why: String| AwsError::Misset { variable, why };
        let mut request = Request::builder().uri(&self.url);
        match &self.authorization {
            Authorization::None => {}
            Authorization::Given(token) => request = request.header("authorization", token),
            Authorization::File(path) => {
                let token = std::fs::read_to_string(path)
                    .map_err(|error| misset("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", error.to_string()))?;
                request = request.header("authorization", token.trim());
            }
        }
        let request = request.body(SdkBody::empty());
        let request = request.map_err(|error| misset("AWS_CONTAINER_CREDENTIALS_FULL_URI", error.to_string()))?;
        let connector = match self.url.starts_with("http://") {
            true => http::direct(),
            false => http::outward(&self.url)?,
        };
        let answer = http::ask(&connector, request, WITHIN, &who).await?;
        Role::read(text(answer, &who)?.as_bytes(), &who)
    }
}

fn may_be_asked(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default();
    uri.scheme_str() == Some("https") || outside::is_here(host) || TRUSTED.contains(&host)
}

/// Of an answer that is a good one. What a bad one says may be anything, and is not repeated.
pub fn text(answer: Answer, who: &str) -> Result<String, AwsError> {
    if answer.status != 200 {
        return Err(AwsError::Refused {
            who: who.to_owned(),
            status: answer.status,
            why: "no keys".to_owned(),
        });
    }
    String::from_utf8(answer.body).map_err(|_| AwsError::Strange {
        who: who.to_owned(),
        why: "not UTF-8 text".to_owned(),
    })
}

/// A role's keys, as both services write them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Role {
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: jiff::Timestamp,
}

impl Role {
    /// Not the parser's error: it may hold what stands there.
    pub fn read(bytes: &[u8], who: &str) -> Result<Credentials, AwsError> {
        let role: Self = serde_json::from_slice(bytes).map_err(|_| AwsError::Strange {
            who: who.to_owned(),
            why: "expected AccessKeyId, SecretAccessKey, Token and Expiration as JSON".to_owned(),
        })?;
        let expiry = SystemTime::from(role.expiration);
        Ok(Credentials::new(
            role.access_key_id,
            role.secret_access_key,
            Some(role.token),
            Some(expiry),
            "role",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_asked_for_in_the_open_only_where_nobody_listens() {
        for good in [
            "https://creds.example",
            "http://127.0.0.1:80/x",
            "http://169.254.170.23/v1",
            "http://localhost/",
        ] {
            assert!(may_be_asked(good), "{good}");
        }
        for bad in [
            "http://creds.example",
            "http://169.254.169.254/",
            "creds",
            "file:///etc/passwd",
        ] {
            assert!(!may_be_asked(bad), "{bad}");
        }
    }

    #[test]
    fn an_answer_that_is_not_understood_is_not_repeated() {
        let error = Role::read(br#"{"AccessKeyId": "ann", "SecretAccessKey": hunter2"#, "it").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
