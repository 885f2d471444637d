use prometheus_rsocket_runtime::Timer;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

/// A timer on the system's monotonic clock.
#[derive(Debug)]
pub struct SmolTimer {
    timer: smol::Timer,
    /// Remembered because smol's timer is ready only once.
    fired: bool,
}

impl SmolTimer {
    pub(crate) fn new() -> Self {
        Self { timer: smol::Timer::never(), fired: false }
    }
}

impl Timer for SmolTimer {
    fn reset(&mut self, deadline: Instant) {
        self.timer.set_at(deadline);
        self.fired = false;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.fired {
            ready!(Pin::new(&mut self.timer).poll(cx));
            self.fired = true;
        }
        Poll::Ready(())
    }
}
