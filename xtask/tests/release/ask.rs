//! Questions over HTTP, as a user's browser or a script would put them.

use serde_json::Value;
use std::io::Read as _;
use std::time::Duration;

/// Status and text; status 0 where nobody answered.
pub fn get(url: &str) -> (u16, String) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .build()
            .unwrap();
        match client.get(url).send().await {
            Ok(response) => (
                response.status().as_u16(),
                plain(&response.bytes().await.unwrap_or_default()),
            ),
            Err(error) => (0, format!("{error:?}")),
        }
    })
}

/// As a browser would read it: what is published is compressed.
fn plain(bytes: &[u8]) -> String {
    let mut text = String::new();
    match flate2::read::GzDecoder::new(bytes).read_to_string(&mut text) {
        Ok(_) => text,
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

pub fn json(url: &str) -> Value {
    let (status, body) = get(url);
    assert_eq!(status, 200, "{url}: {body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{url}: {error}: {body}"))
}
