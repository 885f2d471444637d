//! The connection that is kept between two scrapes.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1::{Connection, SendRequest};
use hyper::rt::{Read, Write};
use prometheus_rsocket_runtime::{Runtime, Timer};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

/// How long a connection without requests is kept, as in Prometheus.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// A connection on which no request is under way.
#[derive(Debug, Default)]
pub(super) struct Idle {
    slot: Arc<Slot>,
    next: AtomicU64,
}

/// At most one connection, and since when it has been idle.
type Slot = Mutex<Option<(Kept, Instant)>>;

/// A connection for requests. Dropping it closes the connection.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) sender: SendRequest<Empty<Bytes>>,
    /// Distinguishes connections to one endpoint; `None` if it goes to another one, and is not to be kept.
    number: Option<u64>,
}

impl Idle {
    pub(super) fn take(&self) -> Option<Kept> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).take().map(|(kept, _)| kept)
    }

    /// Keeps a connection whose last answer was read to its end.
    pub(super) fn keep(&self, kept: Kept, now: Instant) {
        if kept.number.is_some() {
            *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = Some((kept, now));
        }
    }

    /// Runs a connection until its sender is dropped, or it has been idle for too long.
    pub(super) fn run<R, I>(
        &self,
        runtime: &R,
        sender: SendRequest<Empty<Bytes>>,
        connection: Connection<I, Empty<Bytes>>,
        is_kept: bool,
    ) -> Kept
    where
        R: Runtime,
        I: Read + Write + Send + Unpin + 'static,
    {
        let number = is_kept.then(|| self.next.fetch_add(1, Ordering::Relaxed));
        let (clock, slot) = (runtime.clone(), Arc::downgrade(&self.slot));
        runtime.spawn(async move {
            let mut connection = pin!(connection);
            let mut timer = clock.timer();
            timer.reset(clock.now() + IDLE_MAX);
            poll_fn(|cx| {
                // Errors are reported to the request.
                if connection.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                loop {
                    ready!(timer.poll(cx));
                    timer.reset(expire(&slot, number, clock.now()));
                }
            })
            .await;
        });
        Kept { sender, number }
    }
}

/// Drops the connection if it has been idle for too long. Otherwise returns when to check again.
fn expire(slot: &Weak<Slot>, number: Option<u64>, now: Instant) -> Instant {
    let later = now + IDLE_MAX;
    let Some(slot) = slot.upgrade() else { return later };
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    match &*slot {
        Some((kept, since)) if kept.number == number => {
            let until = *since + IDLE_MAX;
            if until > now {
                return until;
            }
            *slot = None;
        }
        _ => {}
    }
    later
}
