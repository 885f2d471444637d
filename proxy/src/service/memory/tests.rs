use super::connections::{PATIENCE, SMALL};
use super::{ConnectionMemory, Lease, Shares};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

const MAX: usize = 1024 * 1024;

/// A connection's task.
struct Task {
    lease: Lease,
    woken: Arc<Flag>,
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Task {
    fn new(memory: &Arc<ConnectionMemory>) -> Self {
        Self { lease: memory.lease(), woken: Arc::default() }
    }

    fn hold(&mut self, now: Instant, bytes: usize) -> bool {
        let waker = Waker::from(Arc::clone(&self.woken));
        self.lease.poll_hold(&Context::from_waker(&waker), now, bytes).is_ready()
    }

    fn take_woken(&self) -> bool {
        self.woken.0.swap(false, Ordering::Relaxed)
    }
}

#[test]
fn shares_come_to_the_whole() {
    let Shares { connections, answers, pushes, texts, bodies } = Shares::of(192 << 20);
    assert_eq!(connections + answers + pushes + texts + bodies, 192 << 20);
}

#[test]
fn who_does_not_fit_waits_and_who_needs_least_is_first() {
    let (memory, now) = (ConnectionMemory::new(MAX), Instant::now());
    let [mut first, mut second, mut long, mut short] = [(); 4].map(|()| Task::new(&memory));
    assert!(first.hold(now, MAX / 2));
    assert!(second.hold(now, MAX / 4));
    assert!(!long.hold(now, MAX / 2));
    assert!(!short.hold(now, MAX / 8));
    assert_eq!(memory.used(), MAX / 4 * 3);
    assert!(second.hold(now, 0));
    assert!(short.take_woken());
    assert!(!long.take_woken(), "it does not fit yet");
    assert!(short.hold(now, MAX / 8));
    assert!(first.hold(now, 0));
    assert!(long.take_woken());
    assert!(long.hold(now, MAX / 2));
}

#[test]
fn a_quarter_is_kept_for_those_that_hold_little() {
    let (memory, now) = (ConnectionMemory::new(MAX), Instant::now());
    let [mut long, mut other] = [(); 2].map(|()| Task::new(&memory));
    assert!(long.hold(now, MAX / 4 * 3));
    assert!(!other.hold(now, SMALL + 1));
    assert!(other.hold(now, SMALL));
    let mut small: Vec<Task> = Vec::new();
    while memory.used() + SMALL <= MAX {
        small.push(Task::new(&memory));
        assert!(small.last_mut().unwrap().hold(now, SMALL));
    }
    assert!(!Task::new(&memory).hold(now, SMALL));
    assert!(memory.used() <= MAX);
}

#[test]
fn what_is_longer_than_all_goes_alone() {
    let (memory, now) = (ConnectionMemory::new(MAX), Instant::now());
    let [mut long, mut other] = [(); 2].map(|()| Task::new(&memory));
    assert!(other.hold(now, 1));
    assert!(!long.hold(now, 2 * MAX));
    assert!(other.hold(now, 0));
    assert!(long.take_woken());
    assert!(long.hold(now, 2 * MAX));
    assert!(!other.hold(now, 1));
}

#[test]
fn those_that_have_held_most_for_long_go_if_others_wait() {
    let (memory, start) = (ConnectionMemory::new(MAX), Instant::now());
    let [mut most, mut less, mut fresh, mut idle] = [(); 4].map(|()| Task::new(&memory));
    assert!(idle.hold(start, 100));
    assert!(most.hold(start, MAX / 2));
    assert!(less.hold(start, MAX / 8));
    let late = start + PATIENCE;
    assert!(fresh.hold(late - Duration::from_millis(1), MAX / 16));
    memory.make_room(late);
    assert!(!most.lease.is_evicted(), "nobody waits");
    let mut newcomer = Task::new(&memory);
    assert!(!newcomer.hold(late, MAX / 2));
    memory.make_room(late);
    assert!(most.lease.is_evicted() && most.take_woken());
    for spared in [&less, &fresh, &idle] {
        assert!(!spared.lease.is_evicted(), "what the first one held is enough");
    }
    drop(most);
    assert!(newcomer.take_woken());
    assert!(newcomer.hold(late, MAX / 2));
}

#[test]
fn who_is_done_with_a_frame_in_time_is_not_ended_whatever_follows() {
    let (memory, mut now) = (ConnectionMemory::new(MAX), Instant::now());
    let [mut busy, mut newcomer] = [(); 2].map(|()| Task::new(&memory));
    for _ in 0..10 {
        assert!(busy.hold(now, MAX / 2));
        assert!(!newcomer.hold(now, MAX / 2));
        now += PATIENCE / 2;
        memory.make_room(now);
        assert!(!busy.lease.is_evicted());
        assert!(busy.hold(now, 0));
    }
}

#[test]
fn while_much_is_held_little_is_read_of_a_frame_whose_length_is_not_known() {
    let (memory, now) = (ConnectionMemory::new(MAX), Instant::now());
    let [mut one, mut fresh] = [(); 2].map(|()| Task::new(&memory));
    let read = |task: &mut Task, held| {
        let waker = Waker::from(Arc::clone(&task.woken));
        task.lease.poll_hold(&Context::from_waker(&waker), now, held)
    };
    assert_eq!(read(&mut fresh, 0), Poll::Ready(usize::MAX));
    assert_eq!(read(&mut one, MAX / 2), Poll::Ready(usize::MAX), "its frame has room");
    assert_eq!(read(&mut fresh, 0), Poll::Ready(4096));
    drop(one);
    assert_eq!(read(&mut fresh, 0), Poll::Ready(usize::MAX));
}

#[test]
fn nothing_is_left_of_those_that_are_gone() {
    let (memory, now) = (ConnectionMemory::new(MAX), Instant::now());
    let [mut one, mut waiting] = [(); 2].map(|()| Task::new(&memory));
    assert!(one.hold(now, MAX));
    assert!(!waiting.hold(now, MAX));
    drop(waiting);
    assert!(!one.take_woken());
    drop(one);
    assert_eq!(memory.used(), 0);
    assert!(memory.is_empty());
}

#[test]
fn who_is_not_let_hand_on_what_it_holds_is_not_ended_for_that() {
    let (memory, start) = (ConnectionMemory::new(MAX), Instant::now());
    let [mut first, mut second, mut newcomer] = [(); 3].map(|()| Task::new(&memory));
    assert!(first.hold(start, MAX / 4));
    first.lease.set_held_back(start, true);
    // Also one that is held back before it has declared what it holds.
    second.lease.set_held_back(start, true);
    assert!(second.hold(start, MAX / 4));
    let late = start + 5 * PATIENCE;
    assert!(!newcomer.hold(late, MAX / 2));
    memory.make_room(late);
    assert!(!first.lease.is_evicted() && !second.lease.is_evicted());
    // From then on, it may hold what it has for as long as others.
    first.lease.set_held_back(late, false);
    memory.make_room(late + PATIENCE / 2);
    assert!(!first.lease.is_evicted());
    memory.make_room(late + PATIENCE);
    assert!(first.lease.is_evicted() && !second.lease.is_evicted());
}
