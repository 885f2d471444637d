use futures_io::{AsyncRead, AsyncWrite};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A stream that records the first bytes that are read from it, since they show what the client takes this port for.
pub(super) struct Recording<S> {
    stream: S,
    first: [u8; FIRST_LEN],
    len: usize,
}

impl<S> Recording<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, first: [0; FIRST_LEN], len: 0 }
    }

    /// Returns the first bytes that were read, at most [`FIRST_LEN`].
    pub(super) fn first(&self) -> &[u8] {
        self.first.split_at(self.len).0
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Recording<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let len = ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let (_, room) = this.first.split_at_mut(this.len);
        for (to, from) in room.iter_mut().zip(buf.iter().take(len)) {
            *to = *from;
            this.len += 1;
        }
        Poll::Ready(Ok(len))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Recording<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// Enough for the prefix and the header of an RSocket frame over TCP, and for the signature of the PROXY protocol.
const FIRST_LEN: usize = 16;
