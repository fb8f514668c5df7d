//! The one S3 client: for the channel, the front end and the edge's origin.

use anyhow::{Context as _, Result};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use std::fmt;
use std::time::Duration;

/// Where a bucket is, and who asks.
#[derive(Clone)]
pub struct S3Access {
    pub region: String,
    /// Anything but AWS itself: an embedded or compatible server. Addressed path-style.
    pub endpoint: Option<String>,
    pub access_key: String,
    pub secret_key: String,
    pub session_token: Option<String>,
}

impl fmt::Debug for S3Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Access")
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl S3Access {
    /// Keys from `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, where it is set, `AWS_SESSION_TOKEN`. What else the
    /// environment says of the way there is in order then.
    pub fn from_env(region: String, endpoint: Option<String>) -> Result<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let key = |name| {
            variable(name).with_context(|| {
                format!("there are no keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; `{name}` is not set")
            })
        };
        let access = Self {
            region,
            endpoint,
            access_key: key("AWS_ACCESS_KEY_ID")?,
            secret_key: key("AWS_SECRET_ACCESS_KEY")?,
            session_token: variable("AWS_SESSION_TOKEN"),
        };
        match &access.endpoint {
            Some(endpoint) => outside::check_for(endpoint)?,
            None => outside::check()?,
        }
        Ok(access)
    }

    fn leads(&self, is_there: fn(&str) -> bool) -> bool {
        self.endpoint.as_deref().is_some_and(is_there)
    }

    /// Through the proxies that the environment names, but to this machine directly.
    fn http(&self) -> SharedHttpClient {
        if self.leads(outside::is_url_plainly_here) {
            return Builder::new().build_http();
        }
        let proxies = match self.leads(outside::is_url_here) {
            true => ProxyConfig::disabled(),
            false => ProxyConfig::from_env(),
        };
        Builder::new().build_with_connector_fn(move |settings, components| {
            let mut connector = Connector::builder()
                .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
                .proxy_config(proxies.clone());
            connector.set_connector_settings(settings.cloned());
            connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
            connector.build()
        })
    }

    pub fn client(&self) -> aws_sdk_s3::Client {
        let keys = Credentials::new(
            &self.access_key,
            &self.secret_key,
            self.session_token.clone(),
            None,
            "release-tool",
        );
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(Duration::from_secs(60))
            .build();
        let mut config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(keys)
            .timeout_config(timeouts)
            .http_client(self.http());
        if let Some(endpoint) = &self.endpoint {
            config = config.endpoint_url(endpoint).force_path_style(true);
        }
        aws_sdk_s3::Client::from_conf(config.build())
    }
}
