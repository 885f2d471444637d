use crate::Tokio;
use prometheus_rsocket_runtime::{Runtime, Timer};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};
use tokio::time::{Sleep, sleep_until};

/// A timer on tokio's clock.
#[derive(Debug)]
pub struct TokioTimer {
    runtime: Tokio,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl TokioTimer {
    pub(crate) fn new(runtime: Tokio) -> Self {
        Self { runtime, sleep: None }
    }
}

impl Timer for TokioTimer {
    fn reset(&mut self, deadline: Instant) {
        let deadline = deadline.into();
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(deadline),
            None => {
                let _on_runtime = self.runtime.handle.enter();
                self.sleep = Some(Box::pin(sleep_until(deadline)));
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(sleep) = &mut self.sleep else {
            return Poll::Pending;
        };
        // A task that has used up its coop budget finds the sleep pending even after its deadline.
        if sleep.deadline().into_std() <= self.runtime.now() {
            return Poll::Ready(());
        }
        sleep.as_mut().poll(cx)
    }
}
