use super::{
    WebSocketConfig,
    decode::{Decoded, Decoder},
    encode::Encoder,
    violation::Violation,
};
use async_tungstenite::tungstenite::protocol::Role;
use bytes::{Buf, Bytes};
use futures_io::{AsyncRead, AsyncWrite};
use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A WebSocket that reads and writes like a TCP connection of RSocket: frames, each after a 24-bit length.
///
/// - Reading answers pings, even while nothing is written; of several pings read together, only the last. Pongs are ignored.
/// - A close frame is answered. Reading then returns the end, 0 bytes, and writing fails with
///   [`BrokenPipe`](io::ErrorKind::BrokenPipe). An end without a close frame, as rsocket-java makes it, is an end, too, but
///   within a message it is [`UnexpectedEof`](io::ErrorKind::UnexpectedEof).
/// - Text messages, messages over the limit and anything else that RFC 6455 forbids are refused by a close frame that says why. Further input is
///   then read and discarded until the peer ends the connection, so that it sees that frame; at most 32 MiB. Then reading fails with
///   [`InvalidData`](io::ErrorKind::InvalidData), and writing fails so at once. The time limit is up to the reader.
/// - `poll_close` sends the written frames, a close frame with code 1000, and the end of the stream. Reading continues.
/// - An empty message becomes an empty frame; refusing it is up to the reader.
///
/// One task must poll both directions: reading may have to write, and only the last task to poll is woken.
pub struct WebSocket<S> {
    source: Source<S>,
    decoder: Decoder,
    encoder: Encoder,
    reading: Reading,
    /// Whether a pong or close frame is on its way, which reading sends.
    urgent: bool,
    /// Whether our direction of the stream was ended.
    shut: bool,
}

#[derive(Clone, Copy, Debug)]
enum Reading {
    Open,
    /// The peer has sent its last message.
    Ended,
    /// The peer violated the protocol; this many bytes were discarded since.
    Failed(Violation, usize),
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// The server's side of `stream`, after the handshake. `already_read` is what was read beyond the client's request.
    pub fn server(stream: S, already_read: Bytes, config: &WebSocketConfig) -> Self {
        Self::new(stream, already_read, Role::Server, config)
    }

    pub(super) fn client(stream: S, already_read: Bytes, config: &WebSocketConfig) -> Self {
        Self::new(stream, already_read, Role::Client, config)
    }

    fn new(stream: S, already_read: Bytes, role: Role, config: &WebSocketConfig) -> Self {
        // An empty slice would still keep its whole buffer.
        let early = if already_read.is_empty() { Bytes::new() } else { already_read };
        Self {
            source: Source { stream, early },
            decoder: Decoder::new(role, config),
            encoder: Encoder::new(role),
            reading: Reading::Open,
            urgent: false,
            shut: false,
        }
    }

    /// Whether anything is on the heap, if `already_read` was alone in its buffer.
    #[cfg(test)]
    pub(super) fn holds_memory(&mut self) -> bool {
        // Static bytes have no unique owner.
        let early = self.source.early.is_unique();
        early || self.decoder.holds_memory() || self.encoder.holds_memory()
    }

    #[cfg(test)]
    pub(super) fn queued(&self) -> usize {
        self.encoder.output().len()
    }

    #[cfg(test)]
    pub(super) fn get_ref(&self) -> &S {
        &self.source.stream
    }

    fn poll_decoded(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        // A peer that endlessly sends input without output must not keep other tasks from running.
        for _ in 0..READS_MAX {
            match self.reading {
                Reading::Open => {}
                Reading::Ended => {
                    self.send_urgent(cx);
                    return Poll::Ready(Ok(0));
                }
                Reading::Failed(violation, _) => {
                    self.send_urgent(cx);
                    ready!(self.poll_forget(cx, buf));
                    return Poll::Ready(Err(violation.into()));
                }
            }
            let decoded = self.decoder.decode(buf);
            // Pings that arrive together get one answer, so a flood of them costs one write per read.
            if !matches!(decoded, Ok(Decoded::Ping(_))) {
                self.send_urgent(cx);
            }
            match decoded {
                Ok(Decoded::Bytes(len)) => return Poll::Ready(Ok(len)),
                Ok(Decoded::Close(code)) => {
                    tracing::debug!(code, "the peer closed the WebSocket");
                    self.encoder.close(code, "")?;
                    self.reading = Reading::Ended;
                    self.urgent = true;
                }
                Ok(Decoded::Ping(payload)) => {
                    self.encoder.pong(payload);
                    self.urgent = true;
                }
                Ok(Decoded::Starved) => match ready!(self.poll_fill(cx, buf))? {
                    Filled::Bytes(len) => return Poll::Ready(Ok(len)),
                    Filled::Eof => return Poll::Ready(self.on_eof()),
                    Filled::Some => {}
                },
                Err(violation) => {
                    self.encoder.refuse(violation)?;
                    self.reading = Reading::Failed(violation, 0);
                    self.urgent = true;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads once. A payload goes directly to its destination.
    fn poll_fill(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<Filled>> {
        let direct = self.decoder.direct().min(buf.len());
        let len = if direct > 0 {
            let (buf, _) = buf.split_at_mut(direct);
            ready!(self.source.poll_read(cx, buf))?
        } else {
            let len = ready!(self.source.poll_read(cx, self.decoder.space()))?;
            self.decoder.on_space(len);
            len
        };
        if len == 0 {
            return Poll::Ready(Ok(Filled::Eof));
        }
        if direct > 0 {
            let yielded = self.decoder.on_direct(buf.split_at_mut(len).0);
            if yielded > 0 {
                return Poll::Ready(Ok(Filled::Bytes(yielded)));
            }
        }
        Poll::Ready(Ok(Filled::Some))
    }

    fn on_eof(&mut self) -> io::Result<usize> {
        if self.decoder.is_between_messages() {
            self.reading = Reading::Ended;
            return Ok(0);
        }
        let what = "WebSocket: the connection ended in the middle of a message";
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, what))
    }

    /// Ready when the peer has had the chance to see why it is refused.
    fn poll_forget(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<()> {
        for _ in 0..READS_MAX {
            // If the close frame cannot be sent, it is omitted. Meanwhile the peer may have to write before it reads.
            if !self.shut && self.poll_shut(cx).is_ready() {
                self.shut = true;
            }
            match ready!(self.source.poll_read(cx, buf)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(len) => {
                    if let Reading::Failed(_, forgotten) = &mut self.reading {
                        *forgotten += len;
                        if *forgotten > FORGET_MAX {
                            return Poll::Ready(());
                        }
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Sends pongs and close frames while reading. Errors are left for writing to report: what the peer sent before is yet to be read.
    fn send_urgent(&mut self, cx: &mut Context<'_>) {
        if self.urgent && !self.shut && self.poll_sent(cx).is_ready() {
            self.urgent = false;
        }
    }

    /// Ready when everything queued was sent and flushed.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.source.stream).poll_flush(cx)
    }

    /// Ready when everything queued was written.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.encoder.queue_controls()?;
        while !self.encoder.output().is_empty() {
            let stream = Pin::new(&mut self.source.stream);
            let len = ready!(stream.poll_write(cx, self.encoder.output()))?;
            if len == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.encoder.on_sent(len)?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(cx))?;
        Pin::new(&mut self.source.stream).poll_close(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.poll_decoded(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Reading::Failed(violation, _) = self.reading {
            return Poll::Ready(Err(violation.into()));
        }
        if self.encoder.is_closed() {
            let what = "WebSocket: a close frame was sent, nothing may follow";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::BrokenPipe, what)));
        }
        if self.encoder.is_full()
            && let Poll::Ready(result) = self.poll_drain(cx)
        {
            result?;
        }
        let len = self.encoder.encode(buf)?;
        if len == 0 && !buf.is_empty() {
            return Poll::Pending;
        }
        if self.encoder.is_full()
            && let Poll::Ready(result) = self.poll_drain(cx)
        {
            result?;
        }
        Poll::Ready(Ok(len))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.shut { Poll::Ready(Ok(())) } else { self.poll_sent(cx) }
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.shut {
            return Poll::Ready(Ok(()));
        }
        if !self.encoder.is_between_frames() {
            let what = "WebSocket: closed in the middle of a frame";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidInput, what)));
        }
        self.encoder.close(Some(NORMAL), "")?;
        ready!(self.poll_shut(cx))?;
        self.shut = true;
        Poll::Ready(Ok(()))
    }
}

impl<S> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the buffers, which hold payload.
        f.debug_struct("WebSocket").field("reading", &self.reading).finish_non_exhaustive()
    }
}

/// The result of a read.
enum Filled {
    /// The number of bytes of frames in the buffer.
    Bytes(usize),
    Eof,
    /// The decoder has new input.
    Some,
}

/// A stream, and what was read from it before.
struct Source<S> {
    stream: S,
    early: Bytes,
}

impl<S: AsyncRead + Unpin> Source<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let len = self.early.len().min(buf.len());
        if len == 0 {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        self.early.copy_to_slice(buf.split_at_mut(len).0);
        if self.early.is_empty() {
            self.early = Bytes::new();
        }
        Poll::Ready(Ok(len))
    }
}

/// The close code for a normal closure (RFC 6455, section 7.4.1).
const NORMAL: u16 = 1000;

/// The number of reads without output before other tasks run.
const READS_MAX: usize = 32;

/// The number of bytes to read and discard from a refused peer: more than the longest message, which may be on its way.
const FORGET_MAX: usize = 32 * 1024 * 1024;
