use super::{
    Leaf,
    support::{Counter, pause, units},
};
use crate::{Runtime, Timer, sleep_until};
use std::{
    future::poll_fn,
    task::{Context, Poll, Waker},
    time::Instant,
};

pub async fn a_timer_fires_at_its_deadline_again_and_again<L: Leaf>(runtime: L::Runtime) {
    let mut timer = runtime.timer();
    for count in [20, 1, 40] {
        let deadline = runtime.now() + units::<L>(count);
        timer.reset(deadline);
        fires_at::<L>(&runtime, &mut timer, deadline).await;
    }
}

pub async fn a_fired_timer_stays_ready_until_it_is_armed_again<L: Leaf>(runtime: L::Runtime) {
    let mut timer = runtime.timer();
    timer.reset(runtime.now() + units::<L>(2));
    poll_fn(|cx| timer.poll(cx)).await;
    for _ in 0..3 {
        assert!(poll_idly(&mut timer).is_ready());
    }
    timer.reset(runtime.now() + units::<L>(60_000));
    assert!(poll_idly(&mut timer).is_pending());
}

pub async fn a_timer_that_was_never_armed_stays_pending<L: Leaf>(runtime: L::Runtime) {
    let mut timer = runtime.timer();
    assert!(poll_idly(&mut timer).is_pending());
    pause::<L>(&runtime, 5).await;
    assert!(poll_idly(&mut timer).is_pending());
}

pub async fn a_deadline_in_the_past_is_ready_at_once<L: Leaf>(runtime: L::Runtime) {
    let begin = runtime.now();
    pause::<L>(&runtime, 2).await;
    let mut timer = runtime.timer();
    timer.reset(begin);
    assert!(poll_idly(&mut timer).is_ready());
    timer.reset(runtime.now());
    assert!(poll_idly(&mut timer).is_ready());
}

pub async fn a_deadline_can_be_brought_forward_while_waiting<L: Leaf>(runtime: L::Runtime) {
    let begin = runtime.now();
    let mut timer = runtime.timer();
    timer.reset(begin + units::<L>(1_000_000));
    assert!(poll_idly(&mut timer).is_pending());
    let deadline = begin + units::<L>(10);
    timer.reset(deadline);
    fires_at::<L>(&runtime, &mut timer, deadline).await;
}

pub async fn a_deadline_can_be_put_off_while_waiting<L: Leaf>(runtime: L::Runtime) {
    let begin = runtime.now();
    let mut timer = runtime.timer();
    timer.reset(begin + units::<L>(10));
    // Whether or not the first deadline has passed by now.
    let _ = poll_idly(&mut timer);
    let deadline = begin + units::<L>(50);
    timer.reset(deadline);
    fires_at::<L>(&runtime, &mut timer, deadline).await;
}

pub async fn a_timer_that_fired_unseen_can_be_armed_again<L: Leaf>(runtime: L::Runtime) {
    let mut timer = runtime.timer();
    timer.reset(runtime.now() + units::<L>(5));
    let _ = poll_idly(&mut timer);
    pause::<L>(&runtime, 20).await;
    let deadline = runtime.now() + units::<L>(20);
    timer.reset(deadline);
    fires_at::<L>(&runtime, &mut timer, deadline).await;
}

pub async fn only_the_last_waker_is_woken_and_once<L: Leaf>(runtime: L::Runtime) {
    let (first, first_waker) = Counter::new();
    let (last, last_waker) = Counter::new();
    let mut timer = runtime.timer();
    timer.reset(runtime.now() + units::<L>(50));
    // If the machine is so slow that the deadline has passed, nothing is pending.
    let is_pending = timer.poll(&mut Context::from_waker(&first_waker)).is_pending()
        && timer.poll(&mut Context::from_waker(&last_waker)).is_pending();
    while is_pending && last.count() == 0 {
        pause::<L>(&runtime, 1).await;
    }
    pause::<L>(&runtime, 10).await;
    assert_eq!((first.count(), last.count()), (0, usize::from(is_pending)));
}

pub async fn a_timer_that_is_dropped_wakes_nobody<L: Leaf>(runtime: L::Runtime) {
    let (counter, waker) = Counter::new();
    let mut timer = runtime.timer();
    let deadline = runtime.now() + units::<L>(50);
    timer.reset(deadline);
    let _ = timer.poll(&mut Context::from_waker(&waker));
    drop(timer);
    let is_early = runtime.now() < deadline;
    sleep_until(&runtime, deadline + units::<L>(20)).await;
    assert!(!is_early || counter.count() == 0);
}

pub async fn many_timers_wait_at_the_same_time<L: Leaf>(runtime: L::Runtime) {
    let (sender, receiver) = async_channel::unbounded();
    let begin = runtime.now();
    for number in 0..1000 {
        // In no particular order.
        let deadline = begin + units::<L>(number * 7 % 100);
        let (runtime, sender) = (runtime.clone(), sender.clone());
        runtime.clone().spawn(async move {
            let mut timer = runtime.timer();
            timer.reset(deadline);
            fires_at::<L>(&runtime, &mut timer, deadline).await;
            sender.send(()).await.unwrap();
        });
    }
    drop(sender);
    for _ in 0..1000 {
        // Fails if a task has panicked.
        receiver.recv().await.unwrap();
    }
}

/// Waits for the timer, which must not be early or, on a virtual clock, late.
async fn fires_at<L: Leaf>(
    runtime: &L::Runtime,
    timer: &mut <L::Runtime as Runtime>::Timer,
    deadline: Instant,
) {
    poll_fn(|cx| timer.poll(cx)).await;
    let now = runtime.now();
    assert!(now >= deadline, "{:?} too early", deadline - now);
    if let Some(most) = L::LATENESS {
        let late = now - deadline;
        assert!(late <= most, "{late:?} late");
    }
}

fn poll_idly(timer: &mut impl Timer) -> Poll<()> {
    timer.poll(&mut Context::from_waker(Waker::noop()))
}
