//! Bodies that nobody has read. A request may be refused by its head alone, while its body is still being sent. If the
//! connection were closed on it then, whoever sends (a proxy, above all) might lose the answer, so that first the rest is
//! read and thrown away.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header;
use futures_util::future::poll_fn;
use hyper::body::{Body as _, Frame, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// Of more, or of what takes longer, the answer may be lost.
const MOST_BYTES: usize = 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Shared(Arc<Mutex<Body>>);

/// What will be left of a body; `None` if its sender waits to be asked for it.
pub struct Rest(Option<Shared>);

/// Lends the body to a handler.
pub fn lend(request: Request) -> (Request, Rest) {
    let is_asked_for = request.headers().contains_key(header::EXPECT);
    let (parts, body) = request.into_parts();
    let shared = Shared(Arc::new(Mutex::new(body)));
    let rest = Rest((!is_asked_for).then(|| shared.clone()));
    (Request::from_parts(parts, Body::new(shared)), rest)
}

impl Rest {
    /// After the handler has ended.
    pub async fn discard(self) {
        let Rest(Some(mut body)) = self else { return };
        let all = async {
            let mut seen = 0;
            while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
                seen += frame.data_ref().map_or(0, Bytes::len);
                if seen > MOST_BYTES {
                    return;
                }
            }
        };
        tokio::time::timeout(TIMEOUT, all).await.ok();
    }
}

impl Shared {
    /// Never waits: the handler has ended when the rest is read.
    fn body(&self) -> MutexGuard<'_, Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl hyper::body::Body for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut *self.body()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body().size_hint()
    }
}
