use crate::scratch::with_scratch;
use bytes::{Buf, BytesMut};
use futures_io::{AsyncRead, AsyncWrite};
use prometheus_rsocket_protocol::Machine;
use prometheus_rsocket_protocol::rsocket::framing;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

/// A stream with the input that was read and not yet taken, and the output that is yet to be written.
///
/// Nothing is allocated while both are empty, as most connections are idle most of the time.
#[derive(Debug)]
pub(super) struct Pipe<S> {
    stream: S,
    pub(super) input: BytesMut,
    pub(super) output: BytesMut,
    /// Whether `input` begins with frames that the machine did not take when it saw them.
    held: bool,
    /// Whether something was written since the last flush.
    unflushed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Pipe<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            held: false,
            unflushed: false,
        }
    }

    /// Takes frames from the machine until `high_water` is reached. Returns whether there were any.
    pub(super) fn refill<M: Machine>(
        &mut self,
        now: Instant,
        machine: &mut M,
        high_water: usize,
    ) -> bool {
        let mut any = false;
        while self.output.len() < high_water && machine.poll_transmit(now, &mut self.output) {
            any = true;
        }
        any
    }

    /// Writes once, or flushes if everything is written.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> io::Result<Written> {
        let stream = Pin::new(&mut self.stream);
        if !self.output.is_empty() {
            return match stream.poll_write(cx, &self.output) {
                Poll::Pending => Ok(Written::Blocked),
                Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(len)) => {
                    self.output.advance(len);
                    self.unflushed = true;
                    Ok(Written::Some)
                }
                Poll::Ready(Err(error)) => Err(error),
            };
        }
        if self.unflushed {
            match stream.poll_flush(cx) {
                Poll::Pending => return Ok(Written::Blocked),
                Poll::Ready(result) => result?,
            }
            self.unflushed = false;
        }
        Ok(Written::All)
    }

    /// Passes the machine the frames that it did not take before, or else reads once and passes that.
    pub(super) fn read<M: Machine>(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        machine: &mut M,
        len_max: usize,
    ) -> Poll<io::Result<Input>> {
        if !self.held {
            let (stream, input) = (Pin::new(&mut self.stream), &mut self.input);
            let read = with_scratch(len_max, |scratch| {
                stream.poll_read(cx, scratch).map_ok(|len| {
                    framing::append(input, scratch.split_at(len).0);
                    len
                })
            });
            match read {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(Input::Eof)),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
        self.hand_over(now, machine);
        Poll::Ready(Ok(Input::Some))
    }

    /// Reads once and discards what was read. Returns its length.
    pub(super) fn discard(
        &mut self,
        cx: &mut Context<'_>,
        len_max: usize,
    ) -> Poll<io::Result<usize>> {
        with_scratch(len_max, |scratch| Pin::new(&mut self.stream).poll_read(cx, scratch))
    }

    /// Ends our direction of the stream.
    pub(super) fn close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }

    pub(super) fn drop_input(&mut self) {
        self.input = BytesMut::new();
        self.held = false;
    }

    pub(super) fn drop_output(&mut self) {
        self.output = BytesMut::new();
        self.unflushed = false;
    }

    /// Frees what an idle connection does not need.
    pub(super) fn release(&mut self) {
        if self.output.is_empty() {
            self.output = BytesMut::new();
        }
    }

    /// Bytes that wait in either direction, including the rest of a frame that has begun.
    pub(super) fn held_bytes(&self) -> usize {
        let rest = if self.input.is_empty() { 0 } else { framing::missing(&self.input) };
        self.input.len() + rest + self.output.len()
    }

    fn hand_over<M: Machine>(&mut self, now: Instant, machine: &mut M) {
        let before = self.input.len();
        machine.handle_input(now, &mut self.input);
        self.held = !self.input.is_empty() && !machine.wants_input();
        // The rest shares its memory with the frames that were taken, so each would keep the other alive. It is part of a frame and no longer
        // than the last read. Held frames stay where they are, since taking them one by one must not copy the rest each time.
        if self.input.is_empty() {
            self.input = BytesMut::new();
        } else if !self.held && self.input.len() < before {
            self.input = BytesMut::from(&self.input[..]);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Nothing is left.
    All,
    /// The stream takes nothing now; it wakes us when it does.
    Blocked,
    /// There was progress, and there may be more.
    Some,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Eof,
    Some,
}
