use super::super::{
    DriveEnd, DriverConfig, Owner, drive,
    pipe::{Input, Pipe, Written},
};
use super::toy::{FAREWELL, Toy, encode, start};
use crate::{
    Runtime,
    testing::{Runnable, Task, Virtual, duplex, run},
};
use bytes::BytesMut;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::{Config, Connection, Event};
use prometheus_rsocket_protocol::rsocket::frame::{Body, Frame, Setup, StreamId};
use prometheus_rsocket_protocol::rsocket::framing::encode_prefixed;
use proptest::prelude::*;
use std::{
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

#[test]
fn a_frame_goes_out_and_its_answer_comes_in() {
    let (near, far) = duplex(1000);
    let (mut task, handle) = start(&Virtual::new(), near, Toy::new(), DriverConfig::default());
    run(&mut [&mut task]);
    assert!(far.incoming.take().is_empty());

    handle.send(b"question");
    run(&mut [&mut task]);
    assert_eq!(far.incoming.take(), encode(b"question"));

    far.outgoing.push(&encode(b"answer"));
    run(&mut [&mut task]);
    assert_eq!(handle.lock().events, [&b"answer"[..]]);
    assert!(task.output().is_none());
}

#[test]
fn what_arrived_during_a_stall_counts_before_the_timeout() {
    let (near, far) = duplex(1000);
    let clock = Virtual::new();
    let keepalive = Duration::from_secs(10);
    let toy = Toy { keepalive: Some(keepalive), ..Toy::new() };
    let (mut task, handle) = start(&clock, near, toy, DriverConfig::default());
    far.outgoing.push(&encode(b"alive"));
    run(&mut [&mut task]);
    // The process is suspended past the deadline; meanwhile the peer has sent something.
    far.outgoing.push(&encode(b"still alive"));
    clock.advance(2 * keepalive);
    run(&mut [&mut task]);
    assert_eq!(handle.lock().events, [&b"alive"[..], b"still alive"]);
    let expired = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&expired);
    handle.command(move |toy| seen.lock().unwrap().clone_from(&toy.expired));
    run(&mut [&mut task]);
    assert!(expired.lock().unwrap().is_empty());
    // This time it has not.
    clock.advance(2 * keepalive);
    run(&mut [&mut task]);
    let seen = Arc::clone(&expired);
    handle.command(move |toy| seen.lock().unwrap().clone_from(&toy.expired));
    run(&mut [&mut task]);
    assert_eq!(expired.lock().unwrap().len(), 1);
}

#[test]
fn nothing_is_read_while_the_owner_has_no_room() {
    let (near, far) = duplex(10);
    let (mut task, handle) = start(&Virtual::new(), near, Toy::new(), DriverConfig::default());
    handle.set_full(true);
    far.outgoing.push(&encode(b"news"));
    handle.send(b"sent all the same, as far as it goes");
    run(&mut [&mut task]);
    assert!(handle.lock().events.is_empty());
    assert_eq!(far.outgoing.take(), encode(b"news"), "it waits in the transport");
    assert_eq!(handle.lock().held, "sent all the same, as far as it goes".len() + 1 - 10);
    far.outgoing.push(&encode(b"news"));
    handle.set_full(false);
    run(&mut [&mut task]);
    assert_eq!(handle.lock().events, [&b"news"[..]]);
}

#[test]
fn a_frame_that_has_begun_is_held_with_its_whole_length() {
    let (near, far) = duplex(100_000);
    let runtime = Virtual::new();
    let machine = Connection::server(Config::default(), runtime.now());
    let held = Arc::new(Mutex::new(0));
    let mut owner = Held(Arc::clone(&held));
    let mut task = Task::new(async move {
        let mut machine = machine;
        drive(&runtime, near, &mut machine, &mut owner, &DriverConfig::default()).await
    });
    far.outgoing.push(&[0x00, 0x80, 0x00, 1, 2, 3]);
    run(&mut [&mut task]);
    assert_eq!(*held.lock().unwrap(), 3 + 0x8000);
}

/// Remembers how much a connection holds.
struct Held(Arc<Mutex<usize>>);

impl Owner<Connection> for Held {
    fn poll(&mut self, _: &mut Context<'_>, _: Instant, _: &mut Connection) {}

    fn poll_room(&mut self, _: &mut Context<'_>, _: Instant, held: usize) -> Poll<usize> {
        *self.0.lock().unwrap() = held;
        Poll::Ready(4)
    }
}

/// Two peers that write everything before they read would wait for each other for ever.
#[test]
fn both_directions_progress_through_a_narrow_link() {
    let (left, right) = duplex(7);
    let runtime = Virtual::new();
    let (mut a, desk_a) = start(&runtime, left, Toy::new(), DriverConfig::default());
    let (mut b, desk_b) = start(&runtime, right, Toy::new(), DriverConfig::default());
    for handle in [&desk_a, &desk_b] {
        (0..500).for_each(|_| handle.send(&[7; 200]));
    }
    run(&mut [&mut a, &mut b]);
    assert_eq!(desk_a.lock().events.len(), 500);
    assert_eq!(desk_b.lock().events.len(), 500);
}

proptest! {
    /// However the bytes are split and whatever pauses there are, no byte and no wake-up is lost: the executor polls only woken tasks.
    #[test]
    fn every_frame_arrives_over_a_shaky_link(
        seed: u32,
        capacity in 1usize..300,
        budget in 0usize..6,
        high_water in 0usize..300,
        read_chunk in 0usize..100,
        events_max in 1usize..5,
        buffering: bool,
        frames in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..120)), 0..60),
    ) {
        let (left, right) = duplex(capacity);
        left.shake(seed.into());
        if buffering {
            left.outgoing.buffer();
        }
        let config = DriverConfig { budget, high_water, read_chunk, ..DriverConfig::default() };
        let runtime = Virtual::new();
        let toy = || Toy { events_max, ..Toy::new() };
        let (mut a, desk_a) = start(&runtime, left, toy(), config.clone());
        let (mut b, desk_b) = start(&runtime, right, toy(), config);
        for (from_a, frame) in &frames {
            if *from_a { desk_a.send(frame) } else { desk_b.send(frame) }
        }
        run(&mut [&mut a, &mut b]);
        for (handle, from_a) in [(&desk_a, false), (&desk_b, true)] {
            let sent = frames.iter().filter(|(from, _)| *from == from_a).map(|(_, frame)| frame);
            prop_assert!(handle.lock().events.iter().eq(sent));
        }

        desk_a.command(Toy::close);
        run(&mut [&mut a, &mut b]);
        prop_assert_eq!(a.output().unwrap().0.unwrap(), DriveEnd::Closed);
        let (end, toy) = b.output().unwrap();
        prop_assert_eq!(end.unwrap(), DriveEnd::Closed);
        prop_assert!(toy.eof);
        let last = desk_b.lock().events.pop();
        prop_assert_eq!(last.unwrap(), FAREWELL);
    }
}

#[test]
fn output_waits_in_the_machine_once_the_high_water_mark_is_reached() {
    let (near, far) = duplex(50);
    let config = DriverConfig { high_water: 250, ..DriverConfig::default() };
    let (mut task, handle) = start(&Virtual::new(), near, Toy::new(), config);
    (0..100).for_each(|_| handle.send(&[1; 99]));
    run(&mut [&mut task]);
    assert_eq!(far.incoming.len(), 50);
    handle.command(|toy| assert_eq!(toy.transmitted, 300));
    run(&mut [&mut task]);

    let mut total = 0;
    while far.incoming.len() > 0 {
        total += far.incoming.take().len();
        run(&mut [&mut task]);
    }
    assert_eq!(total, 10_000);
}

#[test]
fn nothing_is_read_while_the_machine_wants_no_input() {
    let (near, far) = duplex(1000);
    let toy = Toy { events_max: 2, ..Toy::new() };
    let config = DriverConfig { read_chunk: 10, ..DriverConfig::default() };
    let (mut task, handle) = start(&Virtual::new(), near, toy, config);
    handle.set_idle(true);
    far.outgoing.push(&encode(b"frame").repeat(10));
    run(&mut [&mut task]);
    let (reads, unread) = (far.outgoing.reads(), far.outgoing.len());
    assert_eq!(unread, 40, "two reads of ten bytes hold three frames");
    handle.send(b"the other direction is not held up");
    run(&mut [&mut task]);
    assert_eq!((far.outgoing.reads(), far.outgoing.len()), (reads, unread));

    handle.set_idle(false);
    run(&mut [&mut task]);
    assert_eq!(handle.lock().events.len(), 10);
}

/// The last frames were read before the machine had enough; no further input would bring them up.
#[test]
fn frames_held_back_are_handled_as_soon_as_they_are_wanted() {
    let (near, far) = duplex(1000);
    let toy = Toy { events_max: 1, ..Toy::new() };
    let (mut task, handle) = start(&Virtual::new(), near, toy, DriverConfig::default());
    handle.set_idle(true);
    far.outgoing.push(&[encode(b"one"), encode(b"two"), encode(b"three")].concat());
    run(&mut [&mut task]);
    assert_eq!(far.outgoing.len(), 0);
    handle.set_idle(false);
    run(&mut [&mut task]);
    assert_eq!(handle.lock().events, [&b"one"[..], b"two", b"three"]);
}

#[test]
fn a_flood_does_not_keep_others_from_their_turn() {
    let (near, far) = duplex(1_000_000);
    let config = DriverConfig { budget: 4, read_chunk: 10, ..DriverConfig::default() };
    let (mut task, handle) = start(&Virtual::new(), near, Toy::new(), config);
    far.outgoing.push(&encode(b"frame").repeat(1000));
    task.step();
    assert_eq!(far.outgoing.reads(), 4);
    assert!(task.is_woken());
    run(&mut [&mut task]);
    assert_eq!(handle.lock().events.len(), 1000);
}

#[test]
fn others_run_once_before_a_pipelined_machine_is_written() {
    let (near, far) = duplex(1000);
    let toy = Toy { pipelined: true, ..Toy::new() };
    let (mut task, handle) = start(&Virtual::new(), near, toy, DriverConfig::default());
    run(&mut [&mut task]);
    for (one, two) in [(&b"one"[..], &b"two"[..]), (b"three", b"four")] {
        handle.send(one);
        task.step();
        assert!(far.incoming.take().is_empty());
        assert!(task.is_woken());
        handle.send(two);
        task.step();
        assert_eq!(far.incoming.take(), [encode(one), encode(two)].concat());
        assert!(!task.is_woken());
    }
}

#[test]
fn what_is_written_is_flushed() {
    let (near, far) = duplex(1000);
    near.outgoing.buffer();
    let (mut task, handle) = start(&Virtual::new(), near, Toy::new(), DriverConfig::default());
    handle.send(b"one");
    handle.send(b"two");
    run(&mut [&mut task]);
    assert_eq!(far.incoming.take(), b"\x03one\x03two");
}

#[test]
fn a_timeout_is_handled_when_the_clock_has_reached_it() {
    let runtime = Virtual::new();
    let (near, far) = duplex(1000);
    let due = runtime.now() + Duration::from_secs(20);
    let toy = Toy { deadline: Some(due), ..Toy::new() };
    let (mut task, handle) = start(&runtime, near, toy, DriverConfig::default());
    run(&mut [&mut task]);
    runtime.advance(Duration::from_secs(19));
    far.outgoing.push(&encode(b"this wakes too early"));
    run(&mut [&mut task]);
    handle.command(|toy| assert!(toy.expired.is_empty()));
    run(&mut [&mut task]);

    runtime.advance(Duration::from_secs(1));
    assert!(task.is_woken());
    run(&mut [&mut task]);
    handle.command(move |toy| assert_eq!(toy.expired, [due]));
    run(&mut [&mut task]);
}

#[test]
fn a_deadline_that_comes_nearer_arms_the_timer_anew() {
    let runtime = Virtual::new();
    let (near, _far) = duplex(1000);
    let toy = Toy { deadline: Some(runtime.now() + Duration::from_secs(20)), ..Toy::new() };
    let (mut task, handle) = start(&runtime, near, toy, DriverConfig::default());
    run(&mut [&mut task]);
    let sooner = runtime.now() + Duration::from_secs(5);
    handle.command(move |toy| toy.deadline = Some(sooner));
    run(&mut [&mut task]);
    runtime.advance(Duration::from_secs(5));
    assert!(task.is_woken());
    run(&mut [&mut task]);
    handle.command(move |toy| assert_eq!(toy.expired, [sooner]));
    run(&mut [&mut task]);
}

#[test]
fn a_deadline_that_moves_away_costs_no_arming() {
    let runtime = Virtual::new();
    let (near, far) = duplex(1000);
    let keepalive = Duration::from_secs(90);
    let deadline = Some(runtime.now() + keepalive);
    let toy = Toy { deadline, keepalive: Some(keepalive), ..Toy::new() };
    let (mut task, handle) = start(&runtime, near, toy, DriverConfig::default());
    for _ in 0..80 {
        far.outgoing.push(&encode(b"frame"));
        run(&mut [&mut task]);
        runtime.advance(Duration::from_secs(1));
    }
    assert_eq!(runtime.resets(), 1);

    // The timer wakes at the 90th second in vain, and again at the 169th, 90 s after the last frame.
    runtime.advance(Duration::from_secs(10));
    run(&mut [&mut task]);
    assert_eq!(runtime.resets(), 2);
    runtime.advance(Duration::from_secs(78));
    run(&mut [&mut task]);
    handle.command(|toy| assert!(toy.expired.is_empty()));
    run(&mut [&mut task]);
    runtime.advance(Duration::from_secs(1));
    assert!(task.is_woken());
    run(&mut [&mut task]);
    handle.command(|toy| assert_eq!(toy.expired.len(), 1));
    run(&mut [&mut task]);
}

#[test]
fn idle_buffers_hold_no_memory_and_frames_share_none_with_what_follows() {
    let (near, far) = duplex(100_000);
    let (mut pipe, mut toy) = (Pipe::new(near), Toy::new());
    let now = Virtual::new().now();
    let mut cx = Context::from_waker(Waker::noop());
    let mut read = |pipe: &mut Pipe<_>, toy: &mut Toy| pipe.read(&mut cx, now, toy, 65_536);

    let whole = encode(&[1; 200]).repeat(100);
    far.outgoing.push(&[&whole[..], b"\x05par"].concat());
    assert!(matches!(read(&mut pipe, &mut toy), Poll::Ready(Ok(Input::Some))));
    assert_eq!(toy.events.len(), 100);
    assert_eq!(&pipe.input[..], b"\x05par");
    toy.events.truncate(1);
    assert!(toy.events[0].is_unique());

    far.outgoing.push(b"ts");
    assert!(matches!(read(&mut pipe, &mut toy), Poll::Ready(Ok(Input::Some))));
    assert_eq!(pipe.input.capacity(), 0);
    assert!(read(&mut pipe, &mut toy).is_pending());
    assert_eq!(pipe.input.capacity(), 0);

    toy.out.push_back(vec![2; 200]);
    assert!(pipe.refill(now, &mut toy, 1000));
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(pipe.write(&mut cx).unwrap(), Written::Some);
    assert_eq!(pipe.write(&mut cx).unwrap(), Written::All);
    pipe.release();
    assert_eq!(pipe.output.capacity(), 0);
}

/// The buffer of a frame holds only that frame and, while it arrives, at most twice what has arrived.
#[test]
fn a_long_frame_is_read_into_a_buffer_that_grows_with_it() {
    const LEN: usize = 5_000_000;
    let (near, far) = duplex(LEN + 3);
    let now = Virtual::new().now();
    let mut machine = Connection::client(Config::default(), Setup::default(), now).unwrap();
    let mut pipe = Pipe::new(near);
    let mut cx = Context::from_waker(Waker::noop());
    let payload = Payload::from_data(vec![b'x'; LEN - 6]);
    let body = Body::Payload { follows: false, complete: true, next: true, payload };
    machine.request_response(Payload::default()).unwrap();
    let mut wire = BytesMut::new();
    encode_prefixed(&Frame::new(StreamId::new(1), body), &mut wire).unwrap();
    far.outgoing.push(&wire);
    let mut buffers = Vec::new();
    for read in 1.. {
        let result = pipe.read(&mut cx, now, &mut machine, 65_536);
        assert!(matches!(result, Poll::Ready(Ok(Input::Some))));
        let capacity = pipe.input.capacity();
        assert!(capacity <= (2 * read * 65_536).min(wire.len()));
        if pipe.input.is_empty() {
            break;
        }
        buffers.push(capacity);
    }
    buffers.dedup();
    assert!(buffers.len() <= 8, "it grew {} times: {buffers:?}", buffers.len());
    assert_eq!(buffers.last(), Some(&wire.len()));
    let answer = machine.poll_event();
    assert!(matches!(answer, Some(Event::Response { payload: Some(_), .. })), "{answer:?}");
}

#[test]
fn an_owner_may_be_a_closure() {
    let (near, far) = duplex(100);
    let runtime = Virtual::new();
    let mut task = Task::new(async move {
        let mut toy = Toy::new();
        let mut owner = |_: &mut Context<'_>, _, toy: &mut Toy| toy.close();
        drive(&runtime, near, &mut toy, &mut owner, &DriverConfig::default()).await
    });
    far.outgoing.end();
    run(&mut [&mut task]);
    assert_eq!(task.output().unwrap().unwrap(), DriveEnd::Closed);
}
