//! What goes on in one client connection: whether it waits, sends a head or is being answered, and for how long.

use crate::framing::Framing;
use crate::limits::{DRAIN_IDLE, HEAD_TIMEOUT, IDLE_TIMEOUT, SLOW_READER};
use crate::origin::Origin;
use contract::Network;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Who is at the other end.
#[derive(Debug)]
pub struct Client {
    pub origin: Origin,
    pub trusted_proxies: Arc<Vec<Network>>,
    pub watch: Arc<Watch>,
}

#[derive(Debug)]
pub struct Watch(Mutex<Watched>);

#[derive(Debug)]
struct Watched {
    framing: Framing,
    /// Being answered; HTTP/2 has several at once.
    requests: usize,
    /// The last request ended, or the connection began.
    quiet_since: Instant,
    head_since: Option<Instant>,
    /// What was written does not leave: the client takes nothing.
    stuck_since: Option<Instant>,
}

/// What to do with a connection whose time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// It waits for nothing: close it in peace.
    Idle,
    /// Its head does not come to an end.
    SlowHead,
    /// It does not read its answer.
    SlowReader,
}

impl Default for Watch {
    fn default() -> Self {
        let watched = Watched {
            framing: Framing::default(),
            requests: 0,
            quiet_since: Instant::now(),
            head_since: None,
            stuck_since: None,
        };
        Self(Mutex::new(watched))
    }
}

impl Watch {
    /// Takes in what the client sent.
    fn saw(&self, bytes: &[u8]) {
        let mut watched = self.lock();
        watched.framing.follow(bytes);
        watched.head_since = match watched.framing.is_inside_head() {
            true => watched.head_since.or_else(|| Some(Instant::now())),
            false => None,
        };
    }

    fn wrote(&self, is_stuck: bool) {
        let mut watched = self.lock();
        watched.stuck_since = match is_stuck {
            true => watched.stuck_since.or_else(|| Some(Instant::now())),
            false => None,
        };
    }

    pub fn overdue(&self, is_draining: bool) -> Option<Overdue> {
        let watched = self.lock();
        let is_over = |since: Instant, limit: Duration| since.elapsed() >= limit;
        if watched.stuck_since.is_some_and(|since| is_over(since, SLOW_READER)) {
            return Some(Overdue::SlowReader);
        }
        if watched.requests > 0 {
            return None;
        }
        if let Some(since) = watched.head_since {
            // One that came early, behind a request, has had no chance to be read on until that was answered.
            return is_over(since.max(watched.quiet_since), HEAD_TIMEOUT).then_some(Overdue::SlowHead);
        }
        let idle_timeout = if is_draining { DRAIN_IDLE } else { IDLE_TIMEOUT };
        is_over(watched.quiet_since, idle_timeout).then_some(Overdue::Idle)
    }

    /// The next request begins; returns why its head must be refused, if it must.
    fn begin_request(&self) -> Option<&'static str> {
        let mut watched = self.lock();
        watched.requests += 1;
        watched.framing.begin_request()
    }

    fn end_request(&self) {
        let mut watched = self.lock();
        watched.requests -= 1;
        watched.quiet_since = Instant::now();
    }

    pub fn begin_tunnel(&self) {
        self.lock().framing.leave();
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held for as long as a request occupies its connection, which is until the last byte of its answer.
#[derive(Debug)]
pub struct InRequest {
    watch: Arc<Watch>,
    in_flight: Arc<AtomicUsize>,
}

/// A request as it begins.
#[derive(Debug)]
pub struct Begun {
    pub in_request: InRequest,
    /// Why its head must be refused, if it must.
    pub flaw: Option<&'static str>,
    /// How many requests are in flight now, this one included.
    pub in_flight: usize,
}

impl InRequest {
    pub fn begin(watch: &Arc<Watch>, in_flight: &Arc<AtomicUsize>) -> Begun {
        let flaw = watch.begin_request();
        let now = in_flight.fetch_add(1, Relaxed) + 1;
        let in_request = Self {
            watch: watch.clone(),
            in_flight: in_flight.clone(),
        };
        Begun {
            in_request,
            flaw,
            in_flight: now,
        }
    }
}

impl Drop for InRequest {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(1, Relaxed);
        self.watch.end_request();
    }
}

/// The client's stream, with a watch on what is read, and on whether what is written leaves.
#[derive(Debug)]
pub struct WatchedStream<S> {
    pub stream: S,
    pub watch: Arc<Watch>,
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.watch.saw(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch.wrote(written.is_pending());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch.wrote(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
