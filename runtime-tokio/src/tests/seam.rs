use crate::{Tokio, TokioStream};
use futures_lite::{AsyncReadExt, AsyncWriteExt, io::ErrorKind};
use prometheus_rsocket_runtime::{JobLost, Listener, Runtime, Timer, sleep_until, timeout};
use std::{
    future::poll_fn,
    io::IoSlice,
    pin::Pin,
    sync::mpsc,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::sync::oneshot;

#[tokio::test]
async fn bytes_go_both_ways_and_each_direction_ends_by_itself() {
    let (mut near, mut far) = pair(&Tokio::current()).await;
    near.write_all(b"question").await.unwrap();
    near.close().await.unwrap();
    let mut question = Vec::new();
    far.read_to_end(&mut question).await.unwrap();
    assert_eq!(question, b"question");

    far.write_all(b"answer").await.unwrap();
    far.close().await.unwrap();
    let mut answer = Vec::new();
    near.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"answer");
}

#[tokio::test]
async fn a_vectored_write_takes_more_than_the_first_slice() {
    let (mut near, _far) = pair(&Tokio::current()).await;
    let slices = [IoSlice::new(b"one"), IoSlice::new(b"two")];
    let written = near.write_vectored(&slices).await.unwrap();
    assert_eq!(written, 6);
}

#[tokio::test]
async fn port_zero_is_replaced_by_a_free_one() {
    let runtime = Tokio::current();
    let first = runtime.bind(LOOPBACK.into()).await.unwrap().local_addr().unwrap();
    assert_ne!(first.port(), 0);
}

#[tokio::test]
async fn a_port_in_use_cannot_be_bound() {
    let runtime = Tokio::current();
    let listener = runtime.bind(LOOPBACK.into()).await.unwrap();
    let taken = runtime.bind(listener.local_addr().unwrap()).await;
    assert_eq!(taken.unwrap_err().kind(), ErrorKind::AddrInUse);
}

#[tokio::test]
async fn nobody_listening_is_connection_refused() {
    let runtime = Tokio::current();
    let free = runtime.bind(LOOPBACK.into()).await.unwrap().local_addr().unwrap();
    let refused = runtime.connect("127.0.0.1", free.port()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_host_may_be_a_name() {
    let runtime = Tokio::current();
    let listener = runtime.bind(LOOPBACK.into()).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.connect("localhost", port).await.unwrap();
    listener.accept().await.unwrap();
}

#[tokio::test]
async fn what_is_spawned_is_detached() {
    let (sender, receiver) = oneshot::channel();
    Tokio::current().spawn(async move { sender.send(5).unwrap() });
    assert_eq!(receiver.await, Ok(5));
}

/// On a single thread, which the job would block for ever if it ran there.
#[tokio::test]
async fn a_job_does_not_hold_up_the_event_loop() {
    let (sender, receiver) = mpsc::channel();
    let job = Tokio::current().unblock(move || receiver.recv().unwrap());
    Tokio::current().spawn(async move { sender.send(5).unwrap() });
    assert_eq!(job.await, Ok(5));
}

#[tokio::test]
async fn a_job_that_panics_is_lost() {
    let job = Tokio::current().unblock(|| {
        // Not a panic!, whose message would look like a failed test.
        std::panic::resume_unwind(Box::new("lost"));
    });
    assert_eq!(job.await, Err(JobLost));
}

#[tokio::test(start_paused = true)]
async fn a_timer_fires_at_its_deadline_again_and_again() {
    let runtime = Tokio::current();
    let mut timer = runtime.timer();
    for seconds in [5, 1, 3600] {
        let deadline = runtime.now() + Duration::from_secs(seconds);
        timer.reset(deadline);
        poll_fn(|cx| timer.poll(cx)).await;
        let late = runtime.now() - deadline;
        assert!(late <= Duration::from_millis(1), "{late:?}");
    }
    let mut cx = Context::from_waker(Waker::noop());
    assert!(timer.poll(&mut cx).is_ready(), "and stays so");
    timer.reset(runtime.now() + Duration::from_secs(1));
    assert!(timer.poll(&mut cx).is_pending());
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_was_never_armed_stays_pending() {
    let mut timer = Tokio::current().timer();
    assert_eq!(timer.poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_can_be_brought_forward_while_waiting() {
    let runtime = Tokio::current();
    let begin = runtime.now();
    let mut timer = runtime.timer();
    timer.reset(begin + Duration::from_secs(100));
    assert!(timer.poll(&mut Context::from_waker(Waker::noop())).is_pending());
    timer.reset(begin + Duration::from_secs(10));
    poll_fn(|cx| timer.poll(cx)).await;
    assert!(runtime.now() - begin < Duration::from_secs(11));
}

/// tokio's own sleep would be pending for a task that has used up its turn.
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

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_accepts_is_given_up_at_the_deadline() {
    let runtime = Tokio::current();
    let begin = runtime.now();
    let listener = runtime.bind(LOOPBACK.into()).await.unwrap();
    let deadline = begin + Duration::from_secs(5);
    timeout(&runtime, deadline, listener.accept()).await.unwrap_err();
    assert!(runtime.now() >= deadline);
    sleep_until(&runtime, begin).await;
}

#[test]
fn a_runtime_built_for_main_runs_it_to_its_end() {
    let sum = Tokio::block_on(Some(1), |runtime| async move {
        let (sender, receiver) = oneshot::channel();
        runtime.spawn(async move { sender.send(2).unwrap() });
        runtime.unblock(|| 3).await.unwrap() + receiver.await.unwrap()
    });
    assert_eq!(sum.unwrap(), 5);
}

/// Hangs if the runtime waits for the job.
#[test]
fn a_job_that_never_ends_does_not_hold_up_the_exit() {
    let (keep, receiver) = mpsc::channel::<()>();
    Tokio::block_on(Some(1), |runtime| async move {
        let mut job = Box::pin(runtime.unblock(move || receiver.recv()));
        assert!(futures_lite::future::poll_once(Pin::as_mut(&mut job)).await.is_none());
    })
    .unwrap();
    drop(keep);
}

/// Two ends of one connection.
pub(super) async fn pair(runtime: &Tokio) -> (TokioStream, TokioStream) {
    let listener = runtime.bind(LOOPBACK.into()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let near = runtime.connect(&address.ip().to_string(), address.port()).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    (near, far)
}

const LOOPBACK: ([u8; 4], u16) = ([127, 0, 0, 1], 0);
