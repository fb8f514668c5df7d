//! Fetches what users get and compares it with what was to be published.

use crate::cdn::causes;
use crate::content::content_type;
use crate::manifest::Manifest;
use crate::site::Site;
use contract::Digest;
use flate2::read::GzDecoder;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::redirect::Policy;
use std::io::Read as _;
use std::time::Duration;

const PARALLEL_REQUESTS: usize = 16;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// For answers that say nothing of the site: no connection, a 5xx of the edge.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);

/// More than the expected bytes, to tell an answer that is too long from one that never ends.
const SLACK_BYTES: u64 = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    pub files: usize,
    /// As users see them, so after decoding.
    pub bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("`{url}` cannot be fetched: {why}")]
    Fetch { url: String, why: String },
    #[error("`{url}` answers with other bytes: expected digest `{expected}`, found `{found}` ({found_bytes} bytes)")]
    Bytes {
        url: String,
        expected: Digest,
        found: Digest,
        found_bytes: u64,
    },
    #[error("`{url}` answers with another content type: expected `{expected}`, found `{found}`")]
    ContentType {
        url: String,
        expected: String,
        found: String,
    },
}

struct Expected {
    url: String,
    sha256: Digest,
    size: u64,
    content_type: String,
}

/// The entry document and every asset, through the site's own URL (`http://127.0.0.1:8080`).
pub async fn verify(site: &Site, base_url: &str) -> Result<Verified, VerifyError> {
    let base = base_url.trim_end_matches('/');
    let client = client(base).map_err(|why| VerifyError::Fetch {
        url: base.to_owned(),
        why,
    })?;
    let expected = expected(site.manifest(), base);
    let files = expected.len();
    let bytes = stream::iter(expected)
        .map(|expected| check(&client, expected))
        .buffer_unordered(PARALLEL_REQUESTS)
        .try_fold(0, |sum, bytes| async move { Ok(sum + bytes) })
        .await?;
    Ok(Verified { files, bytes })
}

fn client(base: &str) -> Result<reqwest::Client, String> {
    let url = reqwest::Url::parse(base).map_err(|error| error.to_string())?;
    let mut builder = reqwest::Client::builder()
        .timeout(REQUEST_TIMEOUT)
        .redirect(Policy::none());
    // A proxy knows the world, but nothing of this machine's own addresses.
    if outside::is_url_here(url.as_str()) {
        builder = builder.no_proxy();
    }
    if outside::is_url_plainly_here(url.as_str()) {
        builder = builder.tls_certs_only([]);
    }
    outside::check_for(url.as_str()).map_err(|misset| misset.to_string())?;
    builder.build().map_err(|error| causes(&error))
}

fn expected(manifest: &Manifest, base: &str) -> Vec<Expected> {
    let assets = manifest.assets.iter().map(|asset| Expected {
        url: format!("{base}/{}", asset.key),
        sha256: asset.sha256,
        size: asset.size,
        content_type: asset.content_type.clone(),
    });
    let (sha256, size) = (manifest.entry.sha256, manifest.entry.size);
    let entry = Expected {
        url: format!("{base}/"),
        sha256,
        size,
        content_type: content_type(&manifest.entry.path).to_owned(),
    };
    std::iter::once(entry).chain(assets).collect()
}

async fn check(client: &reqwest::Client, expected: Expected) -> Result<u64, VerifyError> {
    let Expected {
        url,
        sha256,
        size,
        content_type,
    } = expected;
    let mut attempt = 1;
    let answer = loop {
        match fetch(client, &url, size + SLACK_BYTES).await {
            Ok(answer) => break answer,
            Err(Failed { why, again }) if !again || attempt == ATTEMPTS => return Err(VerifyError::Fetch { url, why }),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
        attempt += 1;
    };
    let found = Digest::of(&answer.bytes);
    let found_bytes = answer.bytes.len() as u64;
    if found != sha256 {
        return Err(VerifyError::Bytes {
            url,
            expected: sha256,
            found,
            found_bytes,
        });
    }
    // Browsers refuse a module script or a stylesheet of another type, so its bytes alone prove too little.
    if essence(&answer.content_type) != essence(&content_type) {
        return Err(VerifyError::ContentType {
            url,
            expected: content_type,
            found: answer.content_type,
        });
    }
    Ok(found_bytes)
}

struct Answer {
    bytes: Vec<u8>,
    content_type: String,
}

struct Failed {
    why: String,
    /// Whether asking again may help.
    again: bool,
}

async fn fetch(client: &reqwest::Client, url: &str, limit: u64) -> Result<Answer, Failed> {
    let again = |error: reqwest::Error| Failed {
        why: causes(&error),
        again: true,
    };
    let mut response = client
        .get(url)
        .header(ACCEPT_ENCODING, "gzip")
        .send()
        .await
        .map_err(again)?;
    let status = response.status();
    if !status.is_success() {
        return Err(Failed {
            why: format!("it answers {status}"),
            again: status.is_server_error(),
        });
    }
    let header = |name| {
        response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let content_type = header(CONTENT_TYPE).to_owned();
    let encoding = header(CONTENT_ENCODING).to_owned();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(again)? {
        body.extend_from_slice(&chunk);
        if body.len() as u64 > limit {
            break;
        }
    }
    let bytes = match encoding.as_str() {
        "" | "identity" => body,
        "gzip" => {
            let mut bytes = Vec::new();
            let decoded = GzDecoder::new(&body[..]).take(limit).read_to_end(&mut bytes);
            decoded.map_err(|error| Failed {
                why: format!("its gzip is broken: {error}"),
                again: false,
            })?;
            bytes
        }
        other => {
            return Err(Failed {
                why: format!("expected gzip, found encoding `{other}`"),
                again: false,
            });
        }
    };
    Ok(Answer { bytes, content_type })
}

fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}
