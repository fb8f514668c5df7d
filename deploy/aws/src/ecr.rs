//! Who we are to a private registry of Amazon ECR: user `AWS`, and a password for half a day.

use crate::{AwsError, Keys, Service};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use std::fmt;
use std::time::{Duration, SystemTime};

/// `ACCOUNT.dkr.ecr.REGION.amazonaws.com`, or the same in China.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    pub region: String,
    suffix: &'static str,
}

/// `Debug` does not show it.
#[derive(Clone)]
pub struct Token {
    pub password: String,
    pub expires: SystemTime,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(…, until {:?})", self.expires)
    }
}

impl Registry {
    /// `None` for any other registry.
    pub fn of(host: &str) -> Option<Self> {
        let (host, suffix) = [".amazonaws.com.cn", ".amazonaws.com"]
            .into_iter()
            .find_map(|suffix| Some((host.strip_suffix(suffix)?, suffix)))?;
        let (account, region) = host.split_once(".dkr.ecr.")?;
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_region = (1..=32).contains(&region.len()) && region.bytes().all(fits);
        (is_account && is_region).then(|| Self {
            region: region.to_owned(),
            suffix,
        })
    }

    /// Asked at `AWS_ENDPOINT_URL_ECR`, where that is set.
    pub async fn token(&self, keys: Keys) -> Result<Token, AwsError> {
        let elsewhere = std::env::var("AWS_ENDPOINT_URL_ECR").ok().filter(|url| !url.is_empty());
        let endpoint = elsewhere.unwrap_or_else(|| format!("https://api.ecr.{}{}", self.region, self.suffix));
        self.token_from(keys, endpoint).await
    }

    pub async fn token_from(&self, keys: Keys, endpoint: String) -> Result<Token, AwsError> {
        let service = Service {
            name: "ecr",
            prefix: "AmazonEC2ContainerRegistry_V20150921",
            region: self.region.clone(),
            endpoint,
            keys,
        };
        let answer = service.call("GetAuthorizationToken", &json!({})).await?;
        read(&answer).ok_or_else(|| AwsError::Strange {
            who: format!("`GetAuthorizationToken` of ecr in `{}`", self.region),
            why: "expected base64 of `AWS:password` and when it expires".to_owned(),
        })
    }
}

fn read(answer: &Value) -> Option<Token> {
    let data = &answer["authorizationData"][0];
    let pair = String::from_utf8(BASE64.decode(data["authorizationToken"].as_str()?).ok()?).ok()?;
    let password = pair.strip_prefix("AWS:")?.to_owned();
    let expires = Duration::try_from_secs_f64(data["expiresAt"].as_f64()?).ok()?;
    let expires = SystemTime::UNIX_EPOCH.checked_add(expires)?;
    (!password.is_empty()).then_some(Token { password, expires })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_of_ecr_is_known_by_its_name() {
        let region = |host| Registry::of(host).map(|registry| registry.region);
        assert_eq!(
            region("123456789012.dkr.ecr.ap-northeast-2.amazonaws.com").as_deref(),
            Some("ap-northeast-2")
        );
        assert_eq!(
            region("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn").as_deref(),
            Some("cn-north-1")
        );
        for other in [
            "127.0.0.1:5000",
            "ghcr.io",
            "public.ecr.aws",
            "1234.dkr.ecr.us-east-1.amazonaws.com",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com.evil.example",
            "123456789012.dkr.ecr..amazonaws.com",
            "123456789012.dkr.ecr.us/east.amazonaws.com",
        ] {
            assert_eq!(region(other), None, "{other}");
        }
    }

    #[test]
    fn a_token_is_a_password_until_some_time_and_never_shown() {
        let answer = |token: &str| json!({ "authorizationData": [{ "authorizationToken": BASE64.encode(token), "expiresAt": 1.7e9 }] });
        let token = read(&answer("AWS:hunter2:x")).unwrap();
        assert_eq!(token.password, "hunter2:x");
        assert_eq!(
            token.expires,
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
        );
        assert!(!format!("{token:?}").contains("hunter2"));
        for bad in [answer("hunter2"), answer("AWS:"), json!({})] {
            assert!(read(&bad).is_none());
        }
    }
}
