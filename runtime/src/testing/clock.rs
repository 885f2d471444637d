use super::Duplex;
use crate::{JobLost, Listener, Runtime, Timer};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::{Future, ready},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

/// A runtime without a network and with a clock that is moved by hand.
#[derive(Clone)]
pub(crate) struct Virtual(Arc<Mutex<Clock>>);

struct Clock {
    now: Instant,
    armed: BTreeMap<usize, (Instant, Option<Waker>)>,
    timers: usize,
    resets: usize,
    random: u64,
}

impl Virtual {
    #[expect(clippy::disallowed_methods, reason = "an origin; there is no other way to make one")]
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(Clock {
            now,
            armed: BTreeMap::new(),
            timers: 0,
            resets: 0,
            random: 0,
        })))
    }

    /// Enables randomness from a seed, which must not be 0.
    pub(crate) fn seed(&self, seed: u64) {
        self.lock().random = seed;
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut clock = self.lock();
        clock.now += by;
        let now = clock.now;
        for (deadline, waker) in clock.armed.values_mut() {
            if *deadline <= now
                && let Some(waker) = waker.take()
            {
                waker.wake();
            }
        }
    }

    /// How often a timer was armed.
    pub(crate) fn resets(&self) -> usize {
        self.lock().resets
    }

    fn lock(&self) -> MutexGuard<'_, Clock> {
        self.0.lock().unwrap()
    }
}

impl Runtime for Virtual {
    type Stream = Duplex;
    type Listener = NoListener;
    type Timer = VirtualTimer;

    fn now(&self) -> Instant {
        self.lock().now
    }

    fn timer(&self) -> VirtualTimer {
        let mut clock = self.lock();
        clock.timers += 1;
        VirtualTimer { id: clock.timers, runtime: self.clone() }
    }

    fn spawn(&self, _: impl Future<Output = ()> + Send + 'static) {
        panic!("tests poll their tasks themselves")
    }

    fn unblock<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, JobLost>> + Send + 'static {
        ready(Ok(job()))
    }

    /// Fails unless a seed was set.
    fn fill_random(&self, bytes: &mut [u8]) -> io::Result<()> {
        let mut clock = self.lock();
        if clock.random == 0 {
            return Err(io::ErrorKind::Unsupported.into());
        }
        for byte in bytes {
            // Xorshift.
            clock.random ^= clock.random << 13;
            clock.random ^= clock.random >> 7;
            clock.random ^= clock.random << 17;
            *byte = clock.random as u8;
        }
        Ok(())
    }

    async fn connect(&self, _: &str, _: u16) -> io::Result<Duplex> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn bind(&self, _: SocketAddr) -> io::Result<NoListener> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

pub(crate) struct VirtualTimer {
    id: usize,
    runtime: Virtual,
}

impl Timer for VirtualTimer {
    fn reset(&mut self, deadline: Instant) {
        let mut clock = self.runtime.lock();
        clock.resets += 1;
        clock.armed.insert(self.id, (deadline, None));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut clock = self.runtime.lock();
        let now = clock.now;
        match clock.armed.get_mut(&self.id) {
            Some((deadline, _)) if *deadline <= now => Poll::Ready(()),
            Some((_, waker)) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for VirtualTimer {
    fn drop(&mut self) {
        self.runtime.lock().armed.remove(&self.id);
    }
}

pub(crate) struct NoListener(Infallible);

impl Listener for NoListener {
    type Stream = Duplex;

    async fn accept(&self) -> io::Result<(Duplex, SocketAddr)> {
        match self.0 {}
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        match self.0 {}
    }
}
