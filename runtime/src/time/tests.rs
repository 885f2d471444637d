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

#[test]
fn after_a_jump_of_the_clock_a_future_gets_two_more_seconds_once() {
    let runtime = Virtual::new();
    let deadline = runtime.now() + Duration::from_secs(3);
    let (timed, sleeper) = (runtime.clone(), runtime.clone());
    let done_at = deadline + Duration::from_secs(3599);
    let slow = async move { sleep_until(&sleeper, done_at).await };
    let mut jumped = Task::new(async move { timeout(&timed, deadline, slow).await });
    let timed = runtime.clone();
    let mut never = Task::new(async move { timeout(&timed, deadline, pending::<()>()).await });
    run(&mut [&mut jumped, &mut never]);
    runtime.advance(Duration::from_secs(3600));
    run(&mut [&mut jumped, &mut never]);
    assert_eq!((jumped.output(), never.output()), (None, None));
    runtime.advance(Duration::from_secs(2));
    run(&mut [&mut jumped, &mut never]);
    assert_eq!((jumped.output(), never.output()), (Some(Ok(())), Some(Err(Elapsed))));
    // A deadline that had passed from the start was not missed.
    let mut late = Task::new(async move { timeout(&runtime, deadline, pending::<()>()).await });
    run(&mut [&mut late]);
    assert_eq!(late.output(), Some(Err(Elapsed)));
}
