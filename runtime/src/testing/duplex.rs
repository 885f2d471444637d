use super::Random;
use futures_io::{AsyncRead, AsyncWrite};
use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

/// Two ends joined in memory. Each direction holds at most `capacity` bytes.
pub(crate) fn duplex(capacity: usize) -> (Duplex, Duplex) {
    let (there, back) = (Link::new(capacity), Link::new(capacity));
    (
        Duplex { incoming: back.clone(), outgoing: there.clone() },
        Duplex { incoming: there, outgoing: back },
    )
}

/// One end, which behaves like a TCP socket: dropping it with unread input resets the connection.
pub(crate) struct Duplex {
    pub(crate) incoming: Link,
    pub(crate) outgoing: Link,
}

impl Duplex {
    /// Makes both directions move bytes in random pieces, with random pauses.
    pub(crate) fn shake(&self, seed: u64) {
        self.incoming.lock().random = Some(Random::new(seed));
        self.outgoing.lock().random = Some(Random::new(seed + 1));
    }
}

impl Drop for Duplex {
    fn drop(&mut self) {
        let unread = !self.incoming.lock().bytes.is_empty();
        self.incoming.fail(io::ErrorKind::BrokenPipe);
        if unread {
            self.outgoing.fail(io::ErrorKind::ConnectionReset);
        } else {
            self.outgoing.end();
        }
    }
}

/// One direction of a connection.
#[derive(Clone)]
pub(crate) struct Link(Arc<Mutex<State>>);

struct State {
    bytes: VecDeque<u8>,
    /// Written, but not visible to the reader before a flush. Unused unless `buffering`.
    unflushed: Vec<u8>,
    buffering: bool,
    capacity: usize,
    ended: bool,
    failed: Option<io::ErrorKind>,
    reads: usize,
    random: Option<Random>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Link {
    fn new(capacity: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            bytes: VecDeque::new(),
            unflushed: Vec::new(),
            buffering: false,
            capacity,
            ended: false,
            failed: None,
            reads: 0,
            random: None,
            reader: None,
            writer: None,
        })))
    }

    /// Holds written bytes back until they are flushed, as TLS does.
    pub(crate) fn buffer(&self) {
        self.lock().buffering = true;
    }

    pub(crate) fn fail(&self, kind: io::ErrorKind) {
        let mut state = self.lock();
        state.failed.get_or_insert(kind);
        if kind == io::ErrorKind::ConnectionReset {
            state.bytes.clear();
        }
        state.wake();
    }

    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.wake();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    pub(crate) fn set_capacity(&self, capacity: usize) {
        let mut state = self.lock();
        state.capacity = capacity;
        state.wake();
    }

    /// Inserts bytes as if the writer had written them.
    pub(crate) fn push(&self, bytes: &[u8]) {
        let mut state = self.lock();
        state.bytes.extend(bytes);
        state.wake();
    }

    /// Takes all bytes as if the reader had read them.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut state = self.lock();
        state.wake();
        state.bytes.drain(..).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().bytes.len()
    }

    /// How often the reader was polled.
    pub(crate) fn reads(&self) -> usize {
        self.lock().reads
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }

    fn flush(&mut self) {
        if !self.unflushed.is_empty() {
            self.bytes.extend(self.unflushed.drain(..));
            self.wake();
        }
    }

    /// How many of `len` bytes to move now. `None` is a pause, after which the task is woken.
    fn piece(&mut self, cx: &Context<'_>, len: usize) -> Option<usize> {
        let Some(random) = &mut self.random else {
            return Some(len);
        };
        if random.below(3) == 0 {
            cx.waker().wake_by_ref();
            return None;
        }
        Some(1 + random.below(len.min(40)))
    }
}

impl AsyncRead for Duplex {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.incoming.lock();
        state.reads += 1;
        let len = state.bytes.len().min(buf.len());
        if len > 0 {
            let Some(len) = state.piece(cx, len) else {
                return Poll::Pending;
            };
            for (to, from) in buf.iter_mut().zip(state.bytes.drain(..len)) {
                *to = from;
            }
            state.wake();
            return Poll::Ready(Ok(len));
        }
        if let Some(kind) = state.failed {
            return Poll::Ready(Err(kind.into()));
        }
        if state.ended {
            return Poll::Ready(Ok(0));
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.outgoing.lock();
        if let Some(kind) = state.failed {
            return Poll::Ready(Err(kind.into()));
        }
        assert!(!state.ended, "written after the end");
        let held = state.bytes.len() + state.unflushed.len();
        let len = state.capacity.saturating_sub(held).min(buf.len());
        if len == 0 {
            state.flush();
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let Some(len) = state.piece(cx, len) else {
            return Poll::Pending;
        };
        if state.buffering {
            state.unflushed.extend(&buf[..len]);
        } else {
            state.bytes.extend(&buf[..len]);
            state.wake();
        }
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.lock().flush();
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let failed = self.outgoing.lock().failed;
        if failed == Some(io::ErrorKind::ConnectionReset) {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        }
        self.outgoing.end();
        Poll::Ready(Ok(()))
    }
}
