use super::super::{ScrapeBody, ScraperGone, slots::Slots, throttle::Throttle};
use futures_lite::future::{block_on, poll_once};
use std::{
    pin::pin,
    time::{Duration, Instant},
};

#[test]
fn a_body_that_is_dropped_with_its_end_unread_is_not_waited_for() {
    let (sender, body) = ScrapeBody::channel(false, 2);
    let mut finish = pin!(sender.finish());
    assert_eq!(block_on(poll_once(finish.as_mut())), None);
    drop(body);
    assert_eq!(block_on(poll_once(finish)), Some(Err(ScraperGone)));
}

#[test]
fn slots_are_bounded_and_come_back() {
    let slots = Slots::new(2);
    let first = slots.take();
    let second = slots.take();
    assert!(first.is_some() && second.is_some());
    assert!(slots.take().is_none());
    drop(first);
    assert!(slots.take().is_some());
    assert_eq!(slots.taken(), 1);
}

#[test]
fn waiting_for_empty_slots_ends_with_the_last() {
    let slots = Slots::new(2);
    block_on(slots.wait_empty());
    let (first, second) = (slots.take(), slots.take());
    let mut empty = pin!(slots.wait_empty());
    assert!(block_on(poll_once(empty.as_mut())).is_none());
    drop(first);
    assert!(block_on(poll_once(empty.as_mut())).is_none());
    drop(second);
    block_on(empty);
}

#[test]
fn one_line_per_period_passes() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let throttle = Throttle::default();
    assert_eq!(throttle.pass(at(0)), Some(0));
    assert_eq!(throttle.pass(at(1)), None);
    assert_eq!(throttle.pass(at(9)), None);
    assert_eq!(throttle.pass(at(10)), Some(2));
    assert_eq!(throttle.pass(at(11)), None);
    assert_eq!(throttle.pass(at(100)), Some(1));
}
