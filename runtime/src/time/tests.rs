use super::{Elapsed, sleep_until, timeout};
use crate::{
    Runtime,
    testing::{Task, Virtual, run},
};
use std::{
    future::{pending, ready},
    time::Duration,
};

#[test]
fn a_sleep_ends_at_its_deadline() {
    let runtime = Virtual::new();
    let sleeper = runtime.clone();
    let deadline = runtime.now() + Duration::from_secs(3);
    let mut task = Task::new(async move { sleep_until(&sleeper, deadline).await });
    run(&mut [&mut task]);
    runtime.advance(Duration::from_millis(2999));
    run(&mut [&mut task]);
    assert!(task.output().is_none());
    runtime.advance(Duration::from_millis(1));
    run(&mut [&mut task]);
    assert!(task.output().is_some());
}

#[test]
fn a_future_that_takes_too_long_is_given_up() {
    let runtime = Virtual::new();
    let deadline = runtime.now() + Duration::from_secs(3);
    let sleeper = runtime.clone();
    let mut task = Task::new(async move { timeout(&sleeper, deadline, pending::<()>()).await });
    run(&mut [&mut task]);
    assert!(task.output().is_none());
    runtime.advance(Duration::from_secs(3));
    run(&mut [&mut task]);
    assert_eq!(task.output(), Some(Err(Elapsed)));
}

#[test]
fn a_result_that_is_there_counts_even_after_the_deadline() {
    let runtime = Virtual::new();
    let deadline = runtime.now();
    let mut task = Task::new(async move { timeout(&runtime, deadline, ready(5)).await });
    run(&mut [&mut task]);
    assert_eq!(task.output(), Some(Ok(5)));
}
