//! Questions over HTTP, as a user's browser or a script would put them.

use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use std::time::Duration;

/// Runs to its end, on this thread, what speaks HTTP.
pub fn complete<T>(conversation: impl Future<Output = T>) -> T {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(conversation)
}

/// Status and text of the answer.
pub fn request(build: impl FnOnce(&Client) -> RequestBuilder) -> reqwest::Result<(u16, String)> {
    complete(async {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build()?;
        let response = build(&client).send().await?;
        Ok((response.status().as_u16(), response.text().await?))
    })
}

/// Status 0 where nobody answered.
pub fn get(url: &str) -> (u16, String) {
    request(|client| client.get(url)).unwrap_or_else(|error| (0, format!("{error:?}")))
}

pub fn json(url: &str) -> Value {
    let (status, body) = get(url);
    assert_eq!(status, 200, "{url}: {body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{url}: {error}: {body}"))
}
