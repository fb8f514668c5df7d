//! Which protocol a connection speaks: told by its first bytes, which are then there to be read again.

use crate::framing::HTTP_2;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

/// A stream whose first bytes have been looked at.
#[derive(Debug)]
pub struct Recognised<S> {
    stream: S,
    first: Vec<u8>,
    given_back: usize,
}

/// Waits for as many bytes as it takes to tell, which is one unless it begins with a `P`.
pub async fn recognise<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<(Protocol, Recognised<S>)> {
    let mut first = Vec::with_capacity(HTTP_2.len());
    let protocol = loop {
        // No more is ever read than could belong to it, so that nothing has to be kept that long.
        let missing = (HTTP_2.len() - first.len()) as u64;
        let read = (&mut stream).take(missing).read_buf(&mut first).await?;
        if read == 0 || !HTTP_2.starts_with(&first) {
            break Protocol::Http1;
        }
        if first.len() == HTTP_2.len() {
            break Protocol::Http2;
        }
    };
    let recognised = Recognised {
        stream,
        first,
        given_back: 0,
    };
    Ok((protocol, recognised))
}

impl<S: AsyncRead + Unpin> AsyncRead for Recognised<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let left = &self.first[self.given_back..];
        if left.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let length = left.len().min(buf.remaining());
        buf.put_slice(&left[..length]);
        self.given_back += length;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Recognised<S> {
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
