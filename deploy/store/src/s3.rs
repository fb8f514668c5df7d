//! The one S3 client: for the channel, the front end and the edge's origin.

use anyhow::Result;
use aws::Keys;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Region, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use std::time::Duration;

/// Where a bucket is, and who asks.
#[derive(Debug, Clone)]
pub struct S3Access {
    pub region: String,
    /// Anything but AWS itself: an embedded or compatible server. Addressed path-style.
    pub endpoint: Option<String>,
    pub keys: Keys,
}

impl S3Access {
    /// With the keys of this process, container or instance. What the environment says of the way there is in order then.
    pub fn from_env(region: String, endpoint: Option<String>) -> Result<Self> {
        let keys = Keys::of_this_host()?;
        let access = Self { region, endpoint, keys };
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
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(Duration::from_secs(60))
            .build();
        let mut config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(self.keys.clone())
            .timeout_config(timeouts)
            .http_client(self.http());
        if let Some(endpoint) = &self.endpoint {
            config = config.endpoint_url(endpoint).force_path_style(true);
        }
        aws_sdk_s3::Client::from_conf(config.build())
    }
}
