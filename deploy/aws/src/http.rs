//! One question, one answer, both bounded.

use crate::AwsError;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http::Request;
use http_body_util::{BodyExt as _, Limited};
use std::time::Duration;

const MOST_BYTES: usize = 256 * 1024;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// To this machine, or to a service of its own network that no proxy knows.
pub fn direct() -> Connector {
    Connector::builder().build_http()
}

/// Through the proxies that the environment names, but to this machine directly.
pub fn outward(url: &str) -> Result<Connector, AwsError> {
    outside::check_for(url)?;
    if outside::is_url_plainly_here(url) {
        return Ok(direct());
    }
    let proxies = match outside::is_url_here(url) {
        true => ProxyConfig::disabled(),
        false => ProxyConfig::from_env(),
    };
    let connector = Connector::builder().tls_provider(tls::Provider::Rustls(CryptoMode::Ring));
    Ok(connector.proxy_config(proxies).build())
}

/// `who` is for people.
pub async fn ask(
    connector: &Connector,
    request: Request<SdkBody>,
    within: Duration,
    who: &str,
) -> Result<Answer, AwsError> {
    let silent = |why: String| AwsError::Silent {
        who: who.to_owned(),
        why,
    };
    let request = HttpRequest::try_from(request).map_err(|error| silent(error.to_string()))?;
    let exchange = async {
        let answer = connector.call(request).await;
        let answer = answer.map_err(|error| silent(in_full(&error)))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
        let body = body.map_err(|error| silent(error.to_string()))?.to_bytes().to_vec();
        Ok(Answer { status, body })
    };
    match tokio::time::timeout(within, exchange).await {
        Ok(answer) => answer,
        Err(_) => Err(silent(format!("nothing within {} s", within.as_secs_f64()))),
    }
}

/// The causes say what happened.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
