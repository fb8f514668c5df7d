//! A secret in the Parameter Store of Systems Manager, by its version.

use crate::{AwsError, Keys, Service};
use serde_json::json;

/// One region's Parameter Store.
#[derive(Debug, Clone)]
pub struct Parameters(Service);

impl Parameters {
    /// Asked at `endpoint` or at `AWS_ENDPOINT_URL_SSM`, where either is given.
    pub fn of(region: &str, endpoint: Option<String>, keys: Keys) -> Self {
        let elsewhere = || std::env::var("AWS_ENDPOINT_URL_SSM").ok().filter(|url| !url.is_empty());
        let suffix = if region.starts_with("cn-") {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        let endpoint = endpoint.or_else(elsewhere);
        Self(Service {
            name: "ssm",
            prefix: "AmazonSSM",
            region: region.to_owned(),
            endpoint: endpoint.unwrap_or_else(|| format!("https://ssm.{region}.{suffix}")),
            keys,
        })
    }

    /// This version and no other. The value is in no error.
    pub async fn get(&self, name: &str, version: u32) -> Result<String, AwsError> {
        let input = json!({ "Name": format!("{name}:{version}"), "WithDecryption": true });
        let answer = self.0.call("GetParameter", &input).await?;
        let parameter = &answer["Parameter"];
        let value = parameter["Value"].as_str();
        let is_asked_for = parameter["Version"].as_u64() == Some(u64::from(version));
        value
            .filter(|_| is_asked_for)
            .map(str::to_owned)
            .ok_or_else(|| AwsError::Strange {
                who: format!("`GetParameter` of ssm at `{}`", self.0.endpoint),
                why: format!("expected version {version} of `{name}`"),
            })
    }
}
