//! Connections that stop speaking HTTP: WebSockets and the like. The two ends are joined and left to themselves.

use crate::counters::Attempt;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

/// A client's wish to speak another protocol.
#[derive(Debug)]
pub struct Wish {
    pub protocol: HeaderValue,
    client: OnUpgrade,
}

impl Wish {
    pub fn of(request: &mut Request<Incoming>) -> Option<Self> {
        let headers = request.headers();
        let connection = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let asks = connection
            .flat_map(|value| value.split(','))
            .any(|name| name.trim().eq_ignore_ascii_case("upgrade"));
        let protocol = headers.get(header::UPGRADE)?.clone();
        // HTTP/2 in clear text would pass the rest of the connection around all that is done here.
        let is_http = protocol
            .to_str()
            .is_ok_and(|names| names.to_ascii_lowercase().contains("h2c"));
        let is_possible = asks && !is_http && request.version() == Version::HTTP_11;
        is_possible.then(|| Self {
            protocol,
            client: hyper::upgrade::on(request),
        })
    }

    /// Passes bytes both ways until either end closes; the request is in flight until then.
    pub async fn join(self, backend: OnUpgrade, attempt: Attempt) {
        let (client, backend) = match tokio::try_join!(self.client, backend) {
            Ok(ends) => ends,
            Err(error) => return tracing::debug!(%error, "an upgrade fell through"),
        };
        let (mut client, mut backend) = (TokioIo::new(client), TokioIo::new(backend));
        if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut backend).await {
            tracing::debug!(%error, "an upgraded connection ended");
        }
        drop(attempt);
    }
}

/// Puts back the two headers that are taken from every message.
pub fn name_protocol(headers: &mut HeaderMap, protocol: Option<HeaderValue>) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    protocol.map(|protocol| headers.insert(header::UPGRADE, protocol));
}
