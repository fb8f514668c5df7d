//! What goes on in one client connection: whether it waits, sends a head or is being answered, and what its heads look
//! like before the parser has made them uniform.

use crate::head;
use crate::limits::{DRAIN_IDLE, HEAD_BYTES, HEAD_TIMEOUT, IDLE_TIMEOUT};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Who is at the other end.
#[derive(Debug)]
pub struct Client {
    pub peer: IpAddr,
    pub watch: Arc<Watch>,
}

#[derive(Debug)]
pub struct Watch(Mutex<Watched>);

#[derive(Debug)]
struct Watched {
    stage: Stage,
    since: Instant,
    /// What there is of a head that has not come whole.
    head: Vec<u8>,
    /// It has; what follows is the request's body, until the parser hands the request over.
    has_head: bool,
    flaw: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Head,
    Request,
    /// Whatever is spoken from here on, it is not HTTP.
    Tunnel,
}

/// What to do with a connection whose time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// It waits for nothing: close it in peace.
    Idle,
    /// Its head does not come to an end.
    SlowHead,
}

impl Default for Watch {
    fn default() -> Self {
        let watched = Watched {
            stage: Stage::Waiting,
            since: Instant::now(),
            head: Vec::new(),
            has_head: false,
            flaw: None,
        };
        Self(Mutex::new(watched))
    }
}

impl Watch {
    /// Looks at bytes the client sent. A head that came in one read with the request before it is not seen here; the
    /// parser's own rules hold for it, and what is forwarded is written anew in any case.
    fn saw(&self, mut bytes: &[u8]) {
        let mut watched = self.lock();
        if watched.stage == Stage::Waiting {
            // Empty lines before a request are allowed.
            bytes = bytes.trim_ascii_start();
            if bytes.is_empty() {
                return;
            }
            watched.enter(Stage::Head);
        }
        if watched.stage == Stage::Head && !watched.has_head {
            watched.inspect(bytes);
        }
    }

    pub fn overdue(&self, is_draining: bool) -> Option<Overdue> {
        let watched = self.lock();
        let idle_timeout = if is_draining { DRAIN_IDLE } else { IDLE_TIMEOUT };
        let is_over = |limit: Duration| watched.since.elapsed() >= limit;
        match watched.stage {
            Stage::Waiting if is_over(idle_timeout) => Some(Overdue::Idle),
            Stage::Head if is_over(HEAD_TIMEOUT) => Some(Overdue::SlowHead),
            _ => None,
        }
    }

    /// The next request begins; returns why its head must be refused, if it must.
    pub fn begin_request(&self) -> Option<&'static str> {
        let mut watched = self.lock();
        watched.enter(Stage::Request);
        watched.flaw.take()
    }

    pub fn begin_tunnel(&self) {
        self.lock().enter(Stage::Tunnel);
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn enter(&mut self, stage: Stage) {
        if self.stage != Stage::Tunnel {
            self.stage = stage;
        }
        self.since = Instant::now();
        self.head.clear();
        self.has_head = false;
    }

    fn inspect(&mut self, bytes: &[u8]) {
        // Most heads come whole and need no copy.
        if self.head.is_empty()
            && let Some(end) = head::end(bytes, 0)
        {
            self.flaw = head::flaw(&bytes[..end]);
            self.has_head = true;
            return;
        }
        // The parser refuses a head longer than this.
        if self.head.len() + bytes.len() > 2 * HEAD_BYTES {
            return;
        }
        let seen = self.head.len();
        self.head.extend_from_slice(bytes);
        if let Some(end) = head::end(&self.head, seen) {
            self.flaw = head::flaw(&self.head[..end]);
            self.has_head = true;
        }
    }
}

/// Held for as long as a request occupies its connection, which is until the last byte of its answer.
#[derive(Debug)]
pub struct InRequest {
    watch: Arc<Watch>,
    in_flight: Arc<AtomicUsize>,
}

impl InRequest {
    /// Also says how many requests are in flight now, this one included.
    pub fn begin(watch: &Arc<Watch>, in_flight: &Arc<AtomicUsize>) -> (Self, usize) {
        let now = in_flight.fetch_add(1, Relaxed) + 1;
        (
            Self {
                watch: watch.clone(),
                in_flight: in_flight.clone(),
            },
            now,
        )
    }
}

impl Drop for InRequest {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(1, Relaxed);
        self.watch.lock().enter(Stage::Waiting);
    }
}

/// The client's stream, with a watch on what is read.
#[derive(Debug)]
pub struct WatchedStream {
    pub stream: TcpStream,
    pub watch: Arc<Watch>,
}

impl AsyncRead for WatchedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.watch.saw(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn flaw_of(reads: &[&[u8]]) -> Option<&'static str> {
        let watch = Watch::default();
        reads.iter().for_each(|bytes| watch.saw(bytes));
        watch.begin_request()
    }

    #[test]
    fn a_head_is_judged_whole_however_it_arrives() {
        let head = b"\r\nPOST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        assert!(flaw_of(&[head]).is_some());
        for cut in 1..head.len() {
            assert!(flaw_of(&[&head[..cut], &head[cut..]]).is_some(), "cut at {cut}");
        }
        let byte_by_byte: Vec<&[u8]> = head.chunks(1).collect();
        assert!(flaw_of(&byte_by_byte).is_some());
    }

    #[test]
    fn a_body_is_not_taken_for_a_head() {
        let (head, body) = (
            b"POST / HTTP/1.1\r\nContent-Length: 30\r\n\r\n",
            b"a: b\n\nContent-Length: 1\r\n\r\n",
        );
        assert_eq!(flaw_of(&[head, body]), None);
        assert_eq!(flaw_of(&[&[head.as_slice(), body].concat()]), None);
    }
}
