//! A request body that several attempts may carry, as long as none of them has begun to read it.

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

#[derive(Clone)]
pub struct SharedBody {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    body: Incoming,
    begun: bool,
}

impl SharedBody {
    pub fn new(body: Incoming) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner { body, begun: false })),
        }
    }

    /// Once begun, the bytes read are gone with the attempt that read them.
    pub fn has_begun(&self) -> bool {
        self.lock().begun
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for SharedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut inner = self.lock();
        inner.begun = true;
        Pin::new(&mut inner.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.lock().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().body.size_hint()
    }
}
