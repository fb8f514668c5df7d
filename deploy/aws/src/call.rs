//! A signed call of one of the services that speak JSON 1.1.

use crate::http;
use crate::{AwsError, Keys};
use ::http::Request;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;
use std::time::{Duration, SystemTime};

const WITHIN: Duration = Duration::from_secs(10);
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// One service in one region.
#[derive(Debug, Clone)]
pub struct Service {
    /// As signatures name it: `ecr`.
    pub name: &'static str,
    /// What stands before an operation's name.
    pub prefix: &'static str,
    pub region: String,
    pub endpoint: String,
    pub keys: Keys,
}

impl Service {
    pub async fn call(&self, operation: &str, input: &Value) -> Result<Value, AwsError> {
        let who = format!("`{operation}` of {} at `{}`", self.name, self.endpoint);
        let strange = |why: &str| AwsError::Strange {
            who: who.clone(),
            why: why.to_owned(),
        };
        let request = self.signed(operation, input.to_string()).await?;
        let answer = http::ask(&http::outward(&self.endpoint)?, request, WITHIN, &who).await?;
        // Not the parser's error: it may hold what stands there.
        let parsed: Option<Value> = serde_json::from_slice(&answer.body).ok();
        if answer.status != 200 {
            return Err(AwsError::Refused {
                who,
                status: answer.status,
                why: explained(&parsed.unwrap_or_default()),
            });
        }
        parsed.ok_or_else(|| strange("not JSON"))
    }

    async fn signed(&self, operation: &str, body: String) -> Result<Request<SdkBody>, AwsError> {
        let unsigned = |why: String| AwsError::Strange {
            who: format!("a request to `{}`", self.endpoint),
            why,
        };
        let target = format!("{}.{operation}", self.prefix);
        let headers = [("content-type", CONTENT_TYPE), ("x-amz-target", target.as_str())];
        let url = format!("{}/", self.endpoint.trim_end_matches('/'));
        let keys = self.keys.get().await?.into();
        let params = v4::SigningParams::builder()
            .identity(&keys)
            .region(&self.region)
            .name(self.name)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| unsigned(error.to_string()))?;
        let signable = SignableRequest::new("POST", &*url, headers.into_iter(), SignableBody::Bytes(body.as_bytes()));
        let signature = signable.and_then(|signable| sign(signable, &params.into()));
        let (instructions, _) = signature.map_err(|error| unsigned(error.to_string()))?.into_parts();
        let mut request = Request::builder().method("POST").uri(&url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut request = request
            .body(SdkBody::from(body))
            .map_err(|error| unsigned(error.to_string()))?;
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}

/// An error's own code and words, kept short.
fn explained(error: &Value) -> String {
    let text = |name: &str| error[name].as_str();
    let code = text("__type").map(|code| code.rsplit('#').next().unwrap_or(code));
    let message = text("message").or_else(|| text("Message"));
    let parts: Vec<&str> = code.into_iter().chain(message).collect();
    match parts.is_empty() {
        true => "without a reason".to_owned(),
        false => parts.join(": ").chars().take(300).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_error_is_told_by_its_code_and_message() {
        let error = json!({ "__type": "com.amazon.coral#AccessDeniedException", "Message": "no" });
        assert_eq!(explained(&error), "AccessDeniedException: no");
        assert_eq!(explained(&Value::Null), "without a reason");
    }
}
