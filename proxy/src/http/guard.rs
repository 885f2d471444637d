use super::Limits;
use super::body::{Delivery, Flushed};
use super::pace::{Pace, TooSlow};
use super::places::{Place, Standing};
use crate::observe::telemetry::{HttpClosed, ProbeKind};
use futures_io::{AsyncRead, AsyncWrite};
use prometheus_rsocket_runtime::{Runtime, Timer};
use std::{
    collections::VecDeque,
    fmt,
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// A stream with two time limits that hyper lacks: hyper's own limit covers the wait for a request together with its head, and none covers a peer
/// that does not read its answer. The stream also tells the connection's place what the connection is doing.
pub(super) struct Guarded<R: Runtime, S> {
    stream: S,
    runtime: R,
    phase: Phase,
    head_timeout: Duration,
    head: R::Timer,
    pace: Pace,
    stall: R::Timer,
    /// When the timer expires.
    stall_at: Option<Instant>,
    /// The number of the answer that is being sent.
    answer: u64,
    /// How many bytes the peer has taken since it was last slow, if it has been.
    caught_up: Option<usize>,
}

impl<R: Runtime, S> Guarded<R, S> {
    /// Guards a connection that was just accepted.
    pub(super) fn new(stream: S, runtime: R, limits: &Limits, phase: Phase) -> Self {
        let (mut head, stall) = (runtime.timer(), runtime.timer());
        head.reset(runtime.now() + limits.head_timeout);
        Self {
            stream,
            runtime,
            phase,
            head_timeout: limits.head_timeout,
            head,
            pace: Pace::new(limits.stall_timeout),
            stall,
            stall_at: None,
            answer: 0,
            caught_up: None,
        }
    }

    /// Watches the result of a write or a flush. A write returns how many bytes were taken.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        let answer = self.phase.0.answers.load(Ordering::Relaxed);
        if answer != self.answer {
            self.answer = answer;
            self.pace.begin();
            self.caught_up = None;
        }
        match polled {
            Poll::Pending => self.on_blocked(cx),
            Poll::Ready(Ok(done)) => {
                self.on_taken(bytes(&done));
                Poll::Ready(Ok(done))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }

    fn on_blocked<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let now = self.runtime.now();
        if self.caught_up.is_none() {
            self.phase.0.place.stand(Standing::Stalled(now));
        }
        self.caught_up = Some(self.caught_up.unwrap_or(0));
        loop {
            let until = self.pace.blocked(now);
            if self.stall_at != Some(until) {
                self.stall.reset(until);
                self.stall_at = Some(until);
            }
            if self.stall.poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.stall_at = None;
            if let Err(slow) = self.pace.check(now) {
                self.phase.close(match slow {
                    TooSlow::Stalled => HttpClosed::Stalled,
                    TooSlow::Trickle => HttpClosed::Trickle,
                });
                return Poll::Ready(Err(ErrorKind::TimedOut.into()));
            }
        }
    }

    fn on_taken(&mut self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.pace.progressed(self.runtime.now(), bytes);
        self.caught_up = self.caught_up.map(|before| before + bytes);
        if self.caught_up.is_some_and(|bytes| bytes >= CAUGHT_UP) {
            self.on_caught_up();
        }
    }

    fn on_caught_up(&mut self) {
        if self.caught_up.take().is_some() {
            self.phase.0.place.stand(Standing::Busy);
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
        if let Poll::Ready(read) = &read {
            this.phase.on_read(read);
        }
        match read {
            Poll::Pending if this.phase.is(HEAD) => this.head.poll(cx).map(|()| {
                this.phase.close(HttpClosed::SlowHead);
                Err(ErrorKind::TimedOut.into())
            }),
            Poll::Ready(Ok(len)) if len > 0 && this.phase.on_bytes() => {
                this.head.reset(this.runtime.now() + this.head_timeout);
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
        self.watch(cx, written, |len| *len)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, written, |len| *len)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            // Everything that hyper had was taken.
            self.on_caught_up();
            self.phase.on_flushed(self.runtime.now());
        }
        self.watch(cx, flushed, |()| 0)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_close(cx);
        self.watch(cx, closed, |()| 0)
    }
}

// Nothing in it is pinned: streams and timers of the seam move freely.
impl<R: Runtime, S: Unpin> Unpin for Guarded<R, S> {}

/// The state of a connection, shared by its stream and its service.
#[derive(Clone, Debug)]
pub(super) struct Phase(Arc<State>);

#[derive(Debug)]
struct State {
    place: Place,
    phase: AtomicU8,
    /// How many answers have begun.
    answers: AtomicU64,
    /// What the first bytes look like.
    first: OnceLock<ProbeKind>,
    /// Whether there was a request.
    is_served: AtomicBool,
    /// Why a time limit ended the connection, if one did.
    closed: OnceLock<HttpClosed>,
    deliveries: Mutex<Deliveries>,
}

/// The deliveries to notify of what becomes of answers.
#[derive(Default)]
struct Deliveries {
    /// Notified when all that was written is flushed.
    awaiting_flush: Option<Flushed>,
    /// Notified when something is read after that. Only a peer that does not wait for answers before its next request has more than one.
    sent: VecDeque<Arc<dyn Delivery>>,
}

impl fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliveries").finish_non_exhaustive()
    }
}

impl Phase {
    /// A connection that waits for its first request.
    pub(super) fn new(place: Place) -> Self {
        Self(Arc::new(State {
            place,
            phase: AtomicU8::new(HEAD),
            answers: AtomicU64::new(0),
            first: OnceLock::new(),
            is_served: AtomicBool::new(false),
            closed: OnceLock::new(),
            deliveries: Mutex::default(),
        }))
    }

    /// A request's head is complete. The answer is over when the returned value is dropped.
    pub(super) fn answering(&self, now: Instant) -> Answering {
        let is_ordinary = self.0.place.begin_request(now);
        self.0.is_served.store(true, Ordering::Relaxed);
        self.0.answers.fetch_add(1, Ordering::Relaxed);
        self.0.phase.store(ANSWERING, Ordering::Release);
        Answering { phase: self.clone(), is_ordinary }
    }

    /// Returns what the peer is, if it has made no request.
    pub(super) fn probe(&self) -> Option<ProbeKind> {
        let is_served = self.0.is_served.load(Ordering::Relaxed);
        (!is_served).then(|| self.0.first.get().copied().unwrap_or(ProbeKind::Empty))
    }

    /// Resolves if the connection has to make room for another.
    pub(super) async fn evicted(&self) -> HttpClosed {
        self.0.place.evicted().await
    }

    /// Returns why a time limit has ended the connection, if one has.
    pub(super) fn closed(&self) -> Option<HttpClosed> {
        self.0.closed.get().copied()
    }

    fn close(&self, reason: HttpClosed) {
        let _ = self.0.closed.set(reason);
    }

    /// Whether these bytes begin a request.
    fn on_bytes(&self) -> bool {
        let begins = |phase| matches!(phase, IDLE | FLUSHING).then_some(HEAD);
        self.0.phase.fetch_update(Ordering::AcqRel, Ordering::Acquire, begins).is_ok()
    }

    fn is(&self, phase: u8) -> bool {
        self.0.phase.load(Ordering::Acquire) == phase
    }

    /// hyper flushes only what it has written before, so the flush after the end of a body covers all of the body.
    fn on_flushed(&self, now: Instant) {
        let change =
            self.0.phase.compare_exchange(FLUSHING, IDLE, Ordering::AcqRel, Ordering::Acquire);
        if change.is_ok() {
            self.0.place.stand(Standing::Idle(now));
        }
        // The connection is idle by the time of the notification.
        let flushed = self.lock().awaiting_flush.take();
        if let Some(flushed) = flushed {
            let sent = flushed.tell();
            let mut deliveries = self.lock();
            deliveries.sent.push_back(sent);
            let is_full = deliveries.sent.len() > MAX_SENT;
            let unread = if is_full { deliveries.sent.pop_front() } else { None };
            // Dropping it notifies the collector, which must not happen under this lock.
            drop(deliveries);
            drop(unread);
        }
    }

    /// What is read after an answer was flushed shows that the peer has read the answer, be it a request or the end of the connection. A socket that
    /// is closed with unread data ends in a reset instead. Some peers do not end TLS before the connection below.
    fn on_read(&self, read: &io::Result<usize>) {
        let is_read = match read {
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::UnexpectedEof,
        };
        let sent = std::mem::take(&mut self.lock().sent);
        if is_read {
            sent.iter().for_each(|delivery| delivery.delivered());
        }
    }

    /// Whether it is unknown if the last answer was read.
    pub(super) fn is_undecided(&self) -> bool {
        !self.lock().sent.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Deliveries> {
        self.0.deliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(super) struct Answering {
    phase: Phase,
    /// Whether the connection has an ordinary place.
    pub(super) is_ordinary: bool,
}

impl Answering {
    /// The number of the connection.
    pub(super) fn connection(&self) -> u64 {
        self.phase.0.place.id()
    }

    /// The end of the body was taken. `flushed` is notified once the end is flushed.
    pub(super) fn tell_flushed(&self, flushed: Flushed) {
        self.phase.lock().awaiting_flush = Some(flushed);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.phase.0.phase.store(FLUSHING, Ordering::Release);
    }
}

/// No byte of a request has arrived since the last answer.
const IDLE: u8 = 0;
/// The first request is awaited, or part of a request's head has arrived.
const HEAD: u8 = 1;
/// A request is being answered.
const ANSWERING: u8 = 2;
/// An answer is complete, but the transport has not taken all of it.
const FLUSHING: u8 = 3;

/// Answers of one connection of which it is unknown whether they were read. Beyond this number, the oldest counts as unread.
const MAX_SENT: usize = 16;

/// Bytes that a peer which was slow has to take before it no longer counts as stalled.
const CAUGHT_UP: usize = 64 * 1024;
