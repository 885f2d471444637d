use super::{Limits, body::Flushed};
use crate::observe::telemetry::ProbeKind;
use futures_io::{AsyncRead, AsyncWrite};
use prometheus_rsocket_runtime::{Runtime, Timer};
use std::{
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

/// A stream with two time limits that hyper does not have: hyper's own covers the wait for a request and its head
/// together, and none covers a peer that does not read its answer.
pub(super) struct Guarded<R: Runtime, S> {
    stream: S,
    runtime: R,
    phase: Phase,
    head: Limit<R::Timer>,
    stall: Limit<R::Timer>,
}

impl<R: Runtime, S> Guarded<R, S> {
    pub(super) fn new(stream: S, runtime: R, limits: &Limits, phase: Phase) -> Self {
        let limit = |timeout| Limit { timeout, timer: runtime.timer(), armed: false };
        let (head, stall) = (limit(limits.head_timeout), limit(limits.stall_timeout));
        Self { stream, runtime, phase, head, stall }
    }

    fn limit_write<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match written {
            Poll::Pending => self.stall.poll(&self.runtime, cx),
            Poll::Ready(written) => {
                // Within one answer the time goes on, or it could be taken byte by byte without an end.
                if !self.phase.is(ANSWERING) {
                    self.stall.armed = false;
                }
                Poll::Ready(written)
            }
        }
    }
}

impl<R: Runtime, S: AsyncRead + Unpin> AsyncRead for Guarded<R, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if let Poll::Ready(Ok(len @ 1..)) = read {
            this.phase.0.first.get_or_init(|| ProbeKind::of_first(buf.split_at(len).0));
        }
        match read {
            Poll::Pending if this.phase.is(HEAD) => this.head.poll(&this.runtime, cx),
            Poll::Ready(Ok(len)) if len > 0 && this.phase.on_bytes() => {
                this.head.arm(&this.runtime);
                this.stall.armed = false;
                Poll::Ready(Ok(len))
            }
            read => read,
        }
    }
}

impl<R: Runtime, S: AsyncWrite + Unpin> AsyncWrite for Guarded<R, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.limit_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.limit_write(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.phase.on_flushed();
        }
        self.limit_write(cx, flushed)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_close(cx);
        self.limit_write(cx, closed)
    }
}

// Nothing in it is pinned: streams and timers of the seam move freely.
impl<R: Runtime, S: Unpin> Unpin for Guarded<R, S> {}

struct Limit<T> {
    timeout: Duration,
    timer: T,
    armed: bool,
}

impl<T: Timer> Limit<T> {
    fn arm(&mut self, runtime: &impl Runtime) {
        self.timer.reset(runtime.now() + self.timeout);
        self.armed = true;
    }

    /// Pending, with a wake-up when the time is over; then an error.
    fn poll<O>(&mut self, runtime: &impl Runtime, cx: &mut Context<'_>) -> Poll<io::Result<O>> {
        if !self.armed {
            self.arm(runtime);
        }
        self.timer.poll(cx).map(|()| Err(ErrorKind::TimedOut.into()))
    }
}

/// Where a connection stands, as its stream and its service both see it.
#[derive(Clone, Debug, Default)]
pub(super) struct Phase(Arc<State>);

#[derive(Debug, Default)]
struct State {
    phase: AtomicU8,
    /// What came first.
    first: OnceLock<ProbeKind>,
    /// Whether there was a request.
    is_served: AtomicBool,
    /// Whom to tell when all that was written is flushed.
    awaiting_flush: Mutex<Option<Flushed>>,
}

impl Phase {
    /// A request's head is complete. The answer is over when what this returns is dropped.
    pub(super) fn answering(&self) -> Answering {
        self.0.is_served.store(true, Ordering::Relaxed);
        self.0.phase.store(ANSWERING, Ordering::Release);
        Answering(self.clone())
    }

    /// What the peer is, if it has made no request.
    pub(super) fn probe(&self) -> Option<ProbeKind> {
        let is_served = self.0.is_served.load(Ordering::Relaxed);
        (!is_served).then(|| self.0.first.get().copied().unwrap_or(ProbeKind::Empty))
    }

    /// Whether these bytes begin a request.
    fn on_bytes(&self) -> bool {
        self.0.phase.compare_exchange(IDLE, HEAD, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn is(&self, phase: u8) -> bool {
        self.0.phase.load(Ordering::Acquire) == phase
    }

    /// hyper flushes only what it has written before, so the flush that comes after the end of a body covers all of it.
    fn on_flushed(&self) {
        if let Some(flushed) = self.lock().take() {
            flushed.tell();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Flushed>> {
        self.0.awaiting_flush.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(super) struct Answering(Phase);

impl Answering {
    /// The end of the body was taken: tells when it is flushed.
    pub(super) fn tell_flushed(&self, flushed: Flushed) {
        *self.0.lock() = Some(flushed);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.phase.store(IDLE, Ordering::Release);
    }
}

/// Nothing of a request has come.
const IDLE: u8 = 0;
/// Some of a request's head has come.
const HEAD: u8 = 1;
/// A request is being answered.
const ANSWERING: u8 = 2;
