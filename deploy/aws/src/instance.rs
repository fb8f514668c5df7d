//! The role of an EC2 instance, from its metadata service: version 2 of its protocol only, which asks for a token first, so
//! that whoever can make this host fetch a URL does not get its keys.

use crate::AwsError;
use crate::container::{self, Role};
use crate::http::{self, Answer};
use ::http::{Method, Request};
use aws_credential_types::Credentials;
use aws_smithy_types::body::SdkBody;
use std::time::Duration;

const ENDPOINT: &str = "http://169.254.169.254";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
const TOKEN_TTL_S: &str = "300";
/// It is one hop away.
const WITHIN: Duration = Duration::from_secs(2);
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(300);

#[derive(Debug)]
pub struct Instance {
    endpoint: String,
}

impl Instance {
    pub fn at(endpoint: Option<String>) -> Self {
        let endpoint = endpoint.unwrap_or_else(|| ENDPOINT.to_owned());
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
        }
    }

    pub async fn keys(&self) -> Result<Credentials, AwsError> {
        let token = self.ask(Method::PUT, "/latest/api/token", None).await?;
        let roles = self.ask(Method::GET, ROLES, Some(&token)).await?;
        let role = roles.lines().next().map(str::trim).unwrap_or_default();
        let fits = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
        if role.is_empty() || role.len() > 128 || !role.chars().all(fits) {
            return Err(AwsError::Strange {
                who: self.who(),
                why: "it names no role".to_owned(),
            });
        }
        let keys = self.ask(Method::GET, &format!("{ROLES}{role}"), Some(&token)).await?;
        Role::read(keys.as_bytes(), &self.who())
    }

    async fn ask(&self, method: Method, path: &str, token: Option<&str>) -> Result<String, AwsError> {
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            let answer = self.ask_once(method.clone(), path, token).await;
            let may_pass = match &answer {
                Err(AwsError::Silent { .. }) => true,
                Ok(answer) => answer.status >= 500 || answer.status == 429,
                Err(_) => false,
            };
            if !may_pass || left == 0 {
                return container::text(answer?, &self.who());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn ask_once(&self, method: Method, path: &str, token: Option<&str>) -> Result<Answer, AwsError> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.endpoint));
        let request = match token {
            Some(token) => request.header("x-aws-ec2-metadata-token", token),
            None => request.header("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_TTL_S),
        };
        let request = request.body(SdkBody::empty()).map_err(|error| AwsError::Misset {
            variable: "AWS_EC2_METADATA_SERVICE_ENDPOINT",
            why: error.to_string(),
        })?;
        http::ask(&http::direct(), request, WITHIN, &self.who()).await
    }

    fn who(&self) -> String {
        format!("the instance's metadata service at `{}`", self.endpoint)
    }
}
