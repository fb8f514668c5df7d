//! Bodies on their way through: never held whole, watched as they pass.

use crate::access_log::Entry;
use crate::connection::InRequest;
use crate::counters::Attempt;
use crate::limits::SLOWEST_UPLOAD;
use crate::pool::Lease;
use bytes::Bytes;
use contract::ReleaseId;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// A request's body, from the client to a backend.
#[derive(Debug)]
pub struct Upload {
    /// `None`: nothing is to be sent.
    incoming: Option<Incoming>,
    progress: Arc<Progress>,
    /// What it may still hold.
    allowed: u64,
}

/// Why an upload ends before its end.
#[derive(Debug, thiserror::Error)]
pub enum Cut {
    #[error(transparent)]
    Client(#[from] hyper::Error),
    #[error("the body is larger than it may be")]
    TooLarge,
}

/// How an upload is getting on, for those who wait for the answer.
#[derive(Debug)]
pub struct Progress {
    began: Instant,
    last_byte_ms: AtomicU64,
    bytes: AtomicU64,
    client_failed: AtomicBool,
    is_too_large: AtomicBool,
    awaits_client: AtomicBool,
}

impl Upload {
    pub fn new(incoming: Incoming, allowed: u64) -> (Self, Arc<Progress>) {
        let progress = Arc::new(Progress {
            began: Instant::now(),
            last_byte_ms: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            client_failed: AtomicBool::new(false),
            is_too_large: AtomicBool::new(false),
            awaits_client: AtomicBool::new(false),
        });
        let upload = Self {
            incoming: Some(incoming),
            progress: progress.clone(),
            allowed,
        };
        (upload, progress)
    }

    pub fn empty(progress: Arc<Progress>) -> Self {
        Self {
            incoming: None,
            progress,
            allowed: 0,
        }
    }
}

impl Progress {
    pub fn last_byte(&self) -> Instant {
        self.began + Duration::from_millis(self.last_byte_ms.load(Relaxed))
    }

    /// So slowly that it would hold its place for ever.
    pub fn trickles(&self) -> bool {
        let expected = self.began.elapsed().as_secs().saturating_mul(SLOWEST_UPLOAD);
        self.awaits_client() && self.bytes.load(Relaxed) < expected
    }

    pub fn is_too_large(&self) -> bool {
        self.is_too_large.load(Relaxed)
    }

    /// The client broke off in the middle of its body.
    pub fn client_failed(&self) -> bool {
        self.client_failed.load(Relaxed)
    }

    /// The next byte has to come from the client; else the backend has all there is, or does not take more.
    pub fn awaits_client(&self) -> bool {
        self.awaits_client.load(Relaxed)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(incoming).poll_frame(cx);
        self.progress.awaits_client.store(polled.is_pending(), Relaxed);
        let frame = ready!(polled);
        let length = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len) as u64,
            _ => 0,
        };
        let progress = &self.progress;
        let ms = u64::try_from(progress.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        progress.last_byte_ms.store(ms, Relaxed);
        progress.bytes.fetch_add(length, Relaxed);
        if let Some(Err(_)) = &frame {
            progress.client_failed.store(true, Relaxed);
        }
        let Some(left) = self.allowed.checked_sub(length) else {
            progress.is_too_large.store(true, Relaxed);
            return Poll::Ready(Some(Err(Cut::TooLarge)));
        };
        self.allowed = left;
        Poll::Ready(frame.map(|frame| Ok(frame?)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

/// An answer's body, to the client.
#[derive(Debug)]
pub struct Download {
    content: Content,
    /// Written down when this is dropped.
    entry: Option<Entry>,
    /// The connection and everything else that is occupied until the last byte is out.
    _in_request: InRequest,
}

#[derive(Debug)]
enum Content {
    /// Written by the router itself.
    Own(Option<Bytes>),
    Passing(Box<Passing>),
}

#[derive(Debug)]
struct Passing {
    release: ReleaseId,
    incoming: Incoming,
    attempt: Attempt,
    progress: Arc<Progress>,
    lease: Option<Lease>,
    ended: bool,
}

impl Download {
    pub fn own(text: &'static str, in_request: InRequest) -> Self {
        let text = (!text.is_empty()).then(|| Bytes::from_static(text.as_bytes()));
        Self {
            content: Content::Own(text),
            entry: None,
            _in_request: in_request,
        }
    }

    pub fn passing(release: ReleaseId, sent: Sent, incoming: Incoming, in_request: InRequest) -> Self {
        let Sent {
            attempt,
            progress,
            lease,
        } = sent;
        let passing = Passing {
            release,
            incoming,
            attempt,
            progress,
            lease: Some(lease),
            ended: false,
        };
        Self {
            content: Content::Passing(Box::new(passing)),
            entry: None,
            _in_request: in_request,
        }
    }

    /// Lets the access log know how it ends.
    pub fn note_in(&mut self, mut entry: Entry) {
        if let Content::Passing(passing) = &self.content {
            entry.release = Some(passing.release);
        }
        self.entry = Some(entry);
    }
}

/// A request that a backend has begun to answer.
#[derive(Debug)]
pub struct Sent {
    pub attempt: Attempt,
    pub progress: Arc<Progress>,
    pub lease: Lease,
}

impl Body for Download {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(match &mut self.content {
            Content::Own(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Content::Passing(passing) => passing.poll_frame(cx),
        });
        if let Some(entry) = &mut self.entry {
            match &frame {
                Some(Ok(frame)) => entry.bytes += frame.data_ref().map_or(0, Bytes::len) as u64,
                Some(Err(_)) => {}
                None => entry.is_whole = true,
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Own(text) => text.is_none(),
            Content::Passing(passing) => passing.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Own(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Content::Passing(passing) => passing.incoming.size_hint(),
        }
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        // Of a body of known length the end is never polled.
        let is_over = self.is_end_stream();
        if let Some(entry) = &mut self.entry {
            entry.is_whole |= is_over;
        }
    }
}

impl Passing {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        match &frame {
            Some(Ok(_)) => (),
            Some(Err(_)) if self.progress.client_failed() => self.attempt.void(),
            Some(Err(_)) => self.attempt.broke(),
            None => self.ended = true,
        }
        Poll::Ready(frame)
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        if self.ended || self.incoming.is_end_stream() {
            self.lease.take().into_iter().for_each(Lease::finish);
        }
    }
}
