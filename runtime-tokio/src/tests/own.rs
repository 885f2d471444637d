//! Behaviour that only this leaf has.

use crate::{Tokio, TokioListener};
use prometheus_rsocket_runtime::{Listener, Runtime, Timer};
use std::{future::poll_fn, task::Poll};

/// tokio's own sleep would be pending for a task that has used up its coop budget.
#[tokio::test(start_paused = true)]
async fn an_expired_timer_is_ready_even_when_the_tasks_turn_is_over() {
    let runtime = Tokio::current();
    let mut timer = runtime.timer();
    timer.reset(runtime.now());
    poll_fn(|cx| {
        while let Poll::Ready(permit) = tokio::task::coop::poll_proceed(cx) {
            permit.made_progress();
        }
        assert!(timer.poll(cx).is_ready());
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn small_writes_are_sent_at_once() {
    let runtime = Tokio::current();
    let listener: TokioListener = runtime.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let near = runtime.connect("127.0.0.1", address.port()).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    assert!(near.tcp().nodelay().unwrap() && far.tcp().nodelay().unwrap());
}
