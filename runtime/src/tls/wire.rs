use crate::scratch::with_scratch;
use futures_io::{AsyncRead, AsyncWrite};
use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

/// The stream below TLS, which does three things that the session above does not.
///
/// - During the handshake it takes all output, and sends it on [`poll_flush`](AsyncWrite::poll_flush) and before it reads: if
///   the handshake fails, the session is gone, but the alert that tells the peer why is still here.
/// - It knows where records end, and thus whether the stream ends between records.
/// - It remembers the first bytes, to tell what a peer without TLS speaks.
pub(super) struct Wire<S> {
    stream: S,
    /// The output of the handshake; `None` once that is over, when bytes pass straight through. Limited by our own messages and
    /// certificate chain.
    outgoing: Option<Vec<u8>>,
    head: Head,
    records: Records,
}

impl<S> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        let (head, records) = (Head::default(), Records::default());
        Self { stream, outgoing: Some(Vec::new()), head, records }
    }

    /// The handshake is over, and its output was flushed.
    pub(super) fn on_handshake_done(&mut self) {
        debug_assert!(self.outgoing.as_ref().is_some_and(Vec::is_empty));
        self.outgoing = None;
    }

    #[cfg(test)]
    pub(super) fn inner(&self) -> &S {
        &self.stream
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    /// Whether the input so far ends with a whole record, or is empty.
    pub(super) fn is_between_records(&self) -> bool {
        self.records.have == 0 && self.records.body == 0
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Closes after a failed handshake: sends the alert, ends the stream, and discards what arrives until then, since dropping
    /// a socket with unread input makes the kernel reset the connection, and the peer may lose the alert.
    ///
    /// Waits until the alert is taken, but not for further input: the reason for the failure is worth more than a perfect
    /// close. A peer that takes nothing and sends more than [`DISMISS_MAX`] is dropped immediately.
    pub(super) async fn dismiss(&mut self) {
        let mut forgotten = 0;
        let ended = poll_fn(|cx| {
            let ended = Pin::new(&mut *self).poll_close(cx);
            with_scratch(DISMISS_CHUNK, |scratch| {
                while forgotten < DISMISS_MAX
                    && let Poll::Ready(Ok(len)) = Pin::new(&mut *self).poll_read(cx, scratch)
                    && len > 0
                {
                    forgotten += len;
                }
            });
            if forgotten < DISMISS_MAX { ended } else { Poll::Ready(Ok(())) }
        });
        if let Err(error) = ended.await {
            tracing::trace!(%error, "the peer of a failed handshake has gone already");
        }
    }

    /// Writes the remaining output of the handshake.
    fn poll_outgoing(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(outgoing) = &mut self.outgoing else {
            return Poll::Ready(Ok(()));
        };
        while !outgoing.is_empty() {
            let len = ready!(Pin::new(&mut self.stream).poll_write(cx, outgoing))?;
            drop(outgoing.drain(..not_zero(len)?));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // The session flushes once after writing, and not again while it waits for input. If writing fails, what the peer has
        // sent may explain why.
        if self.outgoing.is_some() {
            let _ = self.as_mut().poll_flush(cx);
        }
        let len = ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let (read, _) = buf.split_at(len);
        self.head.add(read);
        self.records.add(read);
        Poll::Ready(Ok(len))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(outgoing) = &mut self.outgoing {
            bufs.iter().for_each(|buf| outgoing.extend_from_slice(buf));
            return Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()));
        }
        // With a stream that takes nothing, the session would retry for ever.
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs).map(|len| not_zero(len?))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_outgoing(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Flushes first, which the session does not do when it ends.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

fn not_zero(len: usize) -> io::Result<usize> {
    if len == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(len) }
}

/// The first bytes from the peer.
#[derive(Debug, Default)]
pub(super) struct Head {
    bytes: [u8; 8],
    len: usize,
}

impl Head {
    fn add(&mut self, bytes: &[u8]) {
        let (_, free) = self.bytes.split_at_mut(self.len);
        for (to, from) in free.iter_mut().zip(bytes) {
            *to = *from;
            self.len += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the first record has a type of TLS (RFC 8446, section 5.1).
    pub(super) fn is_tls(&self) -> bool {
        matches!(self.bytes(), [20..=23, ..])
    }

    /// Whether it begins with an HTTP method in the capitals of RFC 9110, or like a response.
    pub(super) fn is_http(&self) -> bool {
        HTTP.iter().any(|start| self.bytes().starts_with(start))
    }

    /// Whether it begins with a frame of less than 64 KiB on a stream with a small id, as every RSocket connection does.
    pub(super) fn is_rsocket(&self) -> bool {
        matches!(self.bytes(), [0, _, _, 0, 0, ..])
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.split_at(self.len).0
    }
}

/// Follows the framing of TLS records: type, version and length in five bytes, then the body.
#[derive(Debug, Default)]
struct Records {
    header: [u8; 5],
    /// The number of bytes of the next header that have arrived.
    have: usize,
    /// The number of bytes of a body that have not arrived.
    body: usize,
}

impl Records {
    fn add(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.body > 0 {
                let len = self.body.min(bytes.len());
                self.body -= len;
                (_, bytes) = bytes.split_at(len);
                continue;
            }
            self.header[self.have] = *first;
            self.have += 1;
            bytes = rest;
            if let ([_, _, _, high, low], 5) = (self.header, self.have) {
                self.have = 0;
                self.body = u16::from_be_bytes([high, low]).into();
            }
        }
    }
}

const HTTP: [&[u8]; 10] = [
    b"CONNECT ",
    b"DELETE ",
    b"GET ",
    b"HEAD ",
    b"HTTP/",
    b"OPTIONS ",
    b"PATCH ",
    b"POST ",
    b"PRI * ",
    b"PUT ",
];

/// The number of bytes read after a failed handshake: enough for a peer that sent its first request along.
const DISMISS_MAX: usize = 64 * 1024;
const DISMISS_CHUNK: usize = 4096;
