#[cfg(test)]
mod tests;

use crate::{Runtime, Timer, scratch::with_scratch};
use ::hyper::rt::{Read, ReadBufCursor, Sleep, Write};
use futures_io::{AsyncRead, AsyncWrite};
use std::{
    fmt,
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

/// Adapts a futures-io stream to hyper.
#[derive(Debug)]
pub struct HyperIo<S> {
    stream: S,
    vectored: bool,
}

impl<S> HyperIo<S> {
    /// Wraps a stream with real vectored writes, such as any [`Runtime::Stream`].
    pub fn new(stream: S) -> Self {
        Self { stream, vectored: true }
    }

    /// Wraps a stream whose vectored writes write only the first slice: hyper then joins small pieces before writing. This is
    /// also the better choice for TLS, where each write makes a record.
    pub fn without_vectored_writes(stream: S) -> Self {
        Self { stream, vectored: false }
    }

    /// Returns the wrapped stream.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> Read for HyperIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // hyper's buffer is not initialised; only copying fills it safely.
        with_scratch(buf.remaining().min(READ_MAX), |scratch| {
            let len = ready!(Pin::new(&mut self.stream).poll_read(cx, scratch))?;
            let (filled, _) = scratch.split_at(len);
            buf.put_slice(filled);
            Poll::Ready(Ok(()))
        })
    }
}

impl<S: AsyncWrite + Unpin> Write for HyperIo<S> {
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

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}

/// Adapts the seam's clock and timers to hyper.
#[derive(Clone, Debug)]
pub struct HyperTimer<R> {
    runtime: R,
}

impl<R: Runtime> HyperTimer<R> {
    /// Wraps the timers of `runtime`.
    pub fn new(runtime: R) -> Self {
        Self { runtime }
    }
}

impl<R: Runtime> ::hyper::rt::Timer for HyperTimer<R> {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.runtime.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let mut timer = self.runtime.timer();
        timer.reset(deadline);
        Box::pin(HyperSleep { timer })
    }

    fn now(&self) -> Instant {
        self.runtime.now()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, new_deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<HyperSleep<R::Timer>>() {
            Some(sleep) => sleep.get_mut().timer.reset(new_deadline),
            None => *sleep = self.sleep_until(new_deadline),
        }
    }
}

struct HyperSleep<T> {
    timer: T,
}

impl<T: Timer> Future for HyperSleep<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.poll(cx)
    }
}

impl<T: Timer> Sleep for HyperSleep<T> {}

impl<T> fmt::Debug for HyperSleep<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HyperSleep")
    }
}

/// The maximum number of bytes read at once.
const READ_MAX: usize = 64 * 1024;
