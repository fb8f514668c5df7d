//! HTTP: which connections are made, how long they may take, and what is trusted.

use super::{ClientOptions, Problem, Timeouts};
use reqwest::header::RETRY_AFTER;
use reqwest::{Certificate, ClientBuilder, Method, RequestBuilder, Response, StatusCode, Url, redirect};
use std::fs;
use std::path::Path;
use std::time::Duration;

const USER_AGENT: &str = concat!("xtask-oci/", env!("CARGO_PKG_VERSION"));
/// An error's body is read up to here.
const ERROR_MAX_BYTES: u64 = 16 * 1024;

pub(super) struct Transport {
    /// To this machine: never through a proxy, whatever the environment says of one.
    direct: reqwest::Client,
    /// To others: through HTTPS_PROXY and its kin where set.
    outside: reqwest::Client,
    /// What is wrong with those, where something is; whoever asks only this machine need not know.
    misset: Option<String>,
    timeouts: Timeouts,
}

impl Transport {
    pub(super) fn new(options: &ClientOptions) -> Result<Self, Problem> {
        let extra_roots = options.ca_file.as_deref().map_or_else(|| Ok(Vec::new()), read_roots)?;
        let builder = || {
            // Redirects are followed by hand, where a redirect makes sense, and never with credentials.
            reqwest::Client::builder()
                .user_agent(USER_AGENT)
                .connect_timeout(options.timeouts.connect)
                .redirect(redirect::Policy::none())
                .tls_certs_merge(extra_roots.clone())
        };
        let direct = build(|| builder().no_proxy())?;
        Ok(Self {
            direct,
            outside: build(builder)?,
            misset: outside::check().err().map(|misset| misset.to_string()),
            timeouts: options.timeouts,
        })
    }

    /// A request that may carry `body_bytes` either way.
    pub(super) fn request(&self, method: Method, url: &Url, body_bytes: u64) -> Result<RequestBuilder, Problem> {
        let client = match &self.misset {
            _ if url.host_str().is_some_and(outside::is_here) => &self.direct,
            None => &self.outside,
            Some(misset) => return Err(Problem::Local { why: misset.clone() }),
        };
        let transfer = Duration::from_secs(body_bytes / self.timeouts.min_bytes_per_second.max(1));
        let timeout = self.timeouts.answer + transfer;
        Ok(client.request(method, url.clone()).timeout(timeout))
    }
}

/// With the system's roots, which SSL_CERT_FILE and SSL_CERT_DIR replace. A machine that has none at all gets
/// Mozilla's, so that even a bare container can build a client.
fn build(builder: impl Fn() -> ClientBuilder) -> Result<reqwest::Client, Problem> {
    builder().build().or_else(|_| {
        let bundled = webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .filter_map(|root| Certificate::from_der(root).ok());
        builder().tls_certs_merge(bundled).build().map_err(Problem::transport)
    })
}

fn read_roots(path: &Path) -> Result<Vec<Certificate>, Problem> {
    let problem = |why: String| Problem::CaFile {
        path: path.to_owned(),
        why,
    };
    let pem = fs::read(path).map_err(|error| problem(error.to_string()))?;
    let roots = Certificate::from_pem_bundle(&pem)
        .map_err(|_| problem("expected PEM certificates, found something else".into()))?;
    if roots.is_empty() {
        Err(problem("expected PEM certificates, found none".into()))
    } else {
        Ok(roots)
    }
}

/// Where a server points to, seen from where it was asked. What follows may carry credentials or the image itself, so a
/// way off TLS, or from the network into this machine, is not taken.
pub(super) fn follow(from: &Url, location: &str, what: &'static str) -> Result<Url, Problem> {
    let malformed = |_| Problem::Malformed {
        why: format!("its {what} is not a URL"),
    };
    let mut to = from.join(location).map_err(malformed)?;
    // Registries behind a TLS proxy that forgets to say so give `http` for their own address.
    if from.scheme() == "https" && to.scheme() == "http" && to.host_str() == from.host_str() {
        let _ = to.set_scheme("https");
        let _ = to.set_port(from.port());
    }
    let from_here = from.host_str().is_some_and(outside::is_here);
    let stays_here = from_here && to.host_str().is_some_and(outside::is_here);
    match to.scheme() {
        "https" => Ok(to),
        "http" if stays_here => Ok(to),
        _ => Err(Problem::UnsafeUrl { what, url: shown(&to) }),
    }
}

/// A URL without what may be secret in it.
pub(super) fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!(
        "{}://{}{port}{}",
        url.scheme(),
        url.host_str().unwrap_or("?"),
        url.path()
    )
    .chars()
    .take(200)
    .collect()
}

/// The whole of a body that should not be longer than `limit_bytes`.
pub(super) async fn read_body(mut response: Response, limit_bytes: u64) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(Problem::transport)? {
        if (body.len() + piece.len()) as u64 > limit_bytes {
            return Err(Problem::TooLarge { limit_bytes });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// The answer, if it has one of these statuses; else what the server said.
pub(super) async fn expect(response: Response, statuses: &[StatusCode]) -> Result<Response, Problem> {
    if statuses.contains(&response.status()) {
        return Ok(response);
    }
    let seconds = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let status = response.status();
    let body = read_beginning(response).await;
    Err(Problem::refused(status, seconds.map(Duration::from_secs), &body))
}

/// As much of an error's body as is worth reading; one that is cut short is still an error.
async fn read_beginning(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() as u64 > ERROR_MAX_BYTES {
            break;
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_followed_only_where_it_is_safe() {
        let https = Url::parse("https://a.test:8443/v2/shop/blobs/uploads/").unwrap();
        let here = Url::parse("http://127.0.0.1:5000/v2/shop/blobs/uploads/").unwrap();
        for (from, location, to) in [
            (&https, "/v2/x?_state=1", Some("https://a.test:8443/v2/x?_state=1")),
            (&https, "http://a.test/v2/x", Some("https://a.test:8443/v2/x")),
            (&https, "https://b.test/x", Some("https://b.test/x")),
            (&https, "http://b.test/x", None),
            (&https, "http://127.0.0.1/x", None),
            (&https, "file:///etc/passwd", None),
            (&here, "x", Some("http://127.0.0.1:5000/v2/shop/blobs/uploads/x")),
            (&here, "http://localhost:1/x", Some("http://localhost:1/x")),
            (&here, "http://b.test/x", None),
        ] {
            let followed = follow(from, location, "upload address");
            assert_eq!(
                followed.as_ref().ok().map(Url::as_str),
                to,
                "{from} → {location}: {followed:?}"
            );
        }
    }

    #[test]
    fn what_is_shown_of_an_address_holds_no_secret() {
        let url = Url::parse("https://ann:hunter2@a.test:1/x?token=hunter2#hunter2").unwrap();
        assert_eq!(shown(&url), "https://a.test:1/x");
    }
}
