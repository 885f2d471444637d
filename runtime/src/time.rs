#[cfg(test)]
mod tests;

use crate::{Runtime, Timer};
use std::{
    error::Error,
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    task::{Poll, ready},
    time::{Duration, Instant},
};

/// Waits until `deadline` has passed on the clock of `runtime`.
pub async fn sleep_until<R: Runtime>(runtime: &R, deadline: Instant) {
    let mut timer = runtime.timer();
    timer.reset(deadline);
    poll_fn(|cx| timer.poll(cx)).await;
}

/// Runs `future`, and drops it if it has not finished by `deadline`.
///
/// A future that is ready when it is polled returns its result, however late that is.
///
/// If the deadline is noticed more than two seconds late, the process was suspended or the clock jumped, and the future had no
/// chance to use its time. It then gets two more seconds, once.
pub async fn timeout<R: Runtime, F: Future>(
    runtime: &R,
    deadline: Instant,
    future: F,
) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut timer = runtime.timer();
    timer.reset(deadline);
    let mut due = Some(deadline.max(runtime.now()));
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        ready!(timer.poll(cx));
        let now = runtime.now();
        if due.take().is_some_and(|due| now.saturating_duration_since(due) > JUMP) {
            timer.reset(now + JUMP_GRACE);
            ready!(timer.poll(cx));
        }
        Poll::Ready(Err(Elapsed))
    })
    .await
}

/// How late a deadline must be noticed to count as a jump of the clock.
const JUMP: Duration = Duration::from_secs(2);
/// How long a future continues after a jump. Longer than a scrape waits for late answers, so that they can be sent.
const JUMP_GRACE: Duration = Duration::from_secs(2);

/// The deadline passed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline has passed")
    }
}

impl Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}
