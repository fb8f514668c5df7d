//! Asks a container over loopback whether it is ready and alive.

use crate::reach::Reach;
use crate::readings::{Outcome, Reading};
use contract::HealthGate;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How much of a bad answer is kept for people.
const EXCERPT_BYTES: usize = 200;
/// A gate without an interval must not become a busy loop.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);

/// Probes until the receiver is gone; one round at a time, so that a slow container is not asked twice at once.
pub async fn watch(
    reach: Arc<dyn Reach>,
    address: SocketAddr,
    gate: HealthGate,
    mut note: impl AsyncFnMut(Reading) -> bool,
) {
    let interval = Duration::from_millis(gate.interval_ms).max(SHORTEST_INTERVAL);
    let mut rounds = tokio::time::interval(interval);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let timeout = Duration::from_millis(gate.timeout_ms.max(1));
    loop {
        rounds.tick().await;
        let (ready, live) = tokio::join!(
            probe(&*reach, address, &gate.ready_path, timeout),
            probe(&*reach, address, &gate.live_path, timeout)
        );
        if !note(Reading { ready, live }).await {
            return;
        }
    }
}

pub async fn probe(reach: &dyn Reach, address: SocketAddr, path: &str, timeout: Duration) -> Outcome {
    let url = format!("GET http://{address}{path}");
    let late = || Outcome {
        passed: false,
        answered: false,
        text: format!("{url}: no answer within {} ms", timeout.as_millis()),
    };
    let outcome = async {
        match ask(reach, address, path).await {
            Ok(response) => read(&url, response).await,
            Err(why) => Outcome {
                passed: false,
                answered: false,
                text: format!("{url}: {why}"),
            },
        }
    };
    tokio::time::timeout(timeout, outcome).await.unwrap_or_else(|_| late())
}

async fn ask(reach: &dyn Reach, address: SocketAddr, path: &str) -> Result<Response<Incoming>, String> {
    let stream = reach.container(address).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    // Ends by itself when the exchange does, or when this future is dropped and `sender` with it.
    tokio::spawn(connection);
    let request = Request::get(path)
        .header("host", address.to_string())
        .header("connection", "close");
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("`{path}` is no path: {error}"))?;
    sender.send_request(request).await.map_err(|error| chain(&error))
}

async fn read(url: &str, response: Response<Incoming>) -> Outcome {
    let (status, mut body) = (response.status(), response.into_body());
    if status.is_success() {
        return Outcome {
            passed: true,
            answered: true,
            text: format!("{url}: {status}"),
        };
    }
    let mut excerpt = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        excerpt.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        if excerpt.len() >= EXCERPT_BYTES {
            break;
        }
    }
    excerpt.truncate(EXCERPT_BYTES);
    Outcome {
        passed: false,
        answered: true,
        text: describe(url, status, &String::from_utf8_lossy(&excerpt)),
    }
}

fn describe(url: &str, status: StatusCode, body: &str) -> String {
    match body.split_whitespace().collect::<Vec<_>>().join(" ") {
        body if body.is_empty() => format!("{url}: {status}"),
        body => format!("{url}: {status}: {body}"),
    }
}

/// "connection closed before message completed" says more than hyper's outermost words.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reach::ThisHost;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    fn this_host() -> ThisHost {
        ThisHost::new(&crate::world::tests::config())
    }

    /// What the probe says of a server that answers with these bytes and then keeps the connection open.
    async fn probed(answer: &'static [u8]) -> Outcome {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(answer).await;
            let _ = stream.read(&mut [0; 1024]).await;
        });
        let mut outcome = probe(&this_host(), address, "/readyz", Duration::from_millis(500)).await;
        server.abort();
        outcome.text = outcome.text.replace(&address.to_string(), "HOST");
        outcome
    }

    #[tokio::test]
    async fn a_good_answer_passes() {
        let outcome = probed(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let text = "GET http://HOST/readyz: 200 OK".to_owned();
        assert_eq!(
            outcome,
            Outcome {
                passed: true,
                answered: true,
                text
            }
        );
    }

    #[tokio::test]
    async fn a_bad_answer_is_quoted() {
        let outcome = probed(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 12\r\n\r\nno\ndatabase\n").await;
        let text = "GET http://HOST/readyz: 503 Service Unavailable: no database".to_owned();
        assert_eq!(
            outcome,
            Outcome {
                passed: false,
                answered: true,
                text
            }
        );
    }

    #[tokio::test]
    async fn what_never_answers_is_given_up_in_time() {
        let outcome = probed(b"").await;
        let text = "GET http://HOST/readyz: no answer within 500 ms".to_owned();
        assert_eq!(
            outcome,
            Outcome {
                passed: false,
                answered: false,
                text
            }
        );
    }

    #[tokio::test]
    async fn a_closed_port_is_no_answer() {
        let unused = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let outcome = probe(&this_host(), unused, "/readyz", Duration::from_millis(500)).await;
        assert!(
            !outcome.answered && outcome.text.contains("refused"),
            "{}",
            outcome.text
        );
    }
}
