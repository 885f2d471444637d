//! The contract of `Connection`, rule by rule as its documentation numbers them.

use crate::frames::{frame, input};
use crate::ops::{hostile_ops, ops};
use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::rsocket::connection::{
    CloseReason, Config, Event, Framing, ResumeConfig, StreamFailure,
};
use prometheus_rsocket_protocol::rsocket::frame::{Body, ErrorCode, Frame, Setup, StreamId};
use prometheus_rsocket_protocol::rsocket::framing::{
    MAX_RECEIVED_FRAME, encode_prefixed, split_frame,
};
use prometheus_rsocket_protocol::{Connection, Machine, Payload};
use prometheus_rsocket_testkit::heard::{Drain, Heard};
use prometheus_rsocket_testkit::world::{Op, Output, Who, World, epoch, everything, setup, tight};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

proptest! {
    #[test]
    fn rule_1_nothing_needs_to_be_drained_first(
        (config, input) in conversation(),
        points in vec((any::<Index>(), any::<bool>(), any::<bool>()), 0..10),
    ) {
        let at_the_end = Heard::of(&config, &input, &[], Drain::WhenFull);
        // Drained at any points besides, of output, events, or both.
        let mut cuts: Vec<_> = points
            .into_iter()
            .map(|(at, output, events)| (at.index(input.len() + 1), output, events))
            .collect();
        cuts.sort_unstable();
        let in_between = Heard::of(&config, &input, &cuts, Drain::AtCuts);
        prop_assert_eq!(at_the_end.events, in_between.events);
    }

    #[test]
    fn rule_2_whatever_arrives_is_survived_and_answered(
        (config, input) in prop_oneof![
            3 => conversation(),
            1 => (config(), vec(any::<u8>(), 0..100)),
        ],
    ) {
        let heard = Heard::of(&config, &input, &[], Drain::WhenFull);
        let Some(Event::Closed { reason }) = heard.events.last() else {
            panic!("the transport's end was not noticed: {heard:?}");
        };
        let last = heard.output.last().map(|bytes| Frame::decode(bytes.clone()).unwrap());
        let error = last.and_then(|frame| match frame.body {
            Body::Error { code, data } if frame.stream_id.is_connection() => Some((code, data)),
            _ => None,
        });
        match reason {
            CloseReason::Violation(violation) => {
                let (code, text) = error.expect("a violation is answered by ERROR");
                prop_assert_eq!(text, violation.to_string());
                prop_assert!(code <= ErrorCode::CONNECTION_ERROR, "{} is no connection's", code);
            }
            // Our owner's.
            CloseReason::Local { code, .. } => prop_assert_eq!(error.unwrap().0, *code),
            _ => prop_assert_eq!(error, None),
        }
    }

    #[test]
    fn rule_3_the_next_timeout_is_always_later(
        ops in hostile_ops(),
        timeouts in vec(span(), 7),
        keepalive_ms in prop_oneof![Just(0), 1_u32..10, any::<u32>()],
        max_lifetime_ms in prop_oneof![Just(0), 1_u32..100, any::<u32>()],
    ) {
        let mut config = tight();
        config.setup_timeout = timeouts[0];
        config.close_timeout = timeouts[1];
        config.keepalive_interval = (timeouts[2], timeouts[3]);
        config.max_lifetime = (timeouts[4], timeouts[5]);
        World::new(&config, epoch()).run(&ops);
        let mut all = everything(config.clone());
        let mut resume = ResumeConfig::default();
        resume.timeout = timeouts[6];
        all.resume = Some(resume);
        World::new(&all, epoch()).run(&ops);

        // Alone, from alarm to alarm: silence ends it, and the clock is not asked for more often than a millisecond apart.
        let setup = Setup { keepalive_ms, max_lifetime_ms, ..Setup::default() };
        let start = epoch();
        for mut connection in both(&config, setup, start) {
            while let Some(alarm) = connection.poll_timeout().filter(|_| !connection.is_closed()) {
                let output = &mut BytesMut::new();
                while connection.poll_transmit(alarm, output) {}
                connection.handle_timeout(alarm);
                let next = connection.poll_timeout();
                prop_assert!(next.is_none_or(|next| next >= alarm + Duration::from_millis(1)));
                if next.is_some_and(|next| next > start + Duration::from_millis(100)) {
                    break;
                }
            }
        }
    }

    #[test]
    fn rule_3_holds_for_any_time_even_an_earlier_one(
        times in vec(0_u64..200_000_000, 1..50),
        is_read in any::<bool>(),
    ) {
        let start = epoch();
        for mut connection in both(&Config::default(), Setup::default(), start) {
            for now in times.iter().map(|ms| start + Duration::from_millis(*ms)) {
                connection.handle_timeout(now);
                prop_assert!(connection.poll_timeout().is_none_or(|next| next > now));
                if is_read {
                    while connection.poll_transmit(now, &mut BytesMut::new()) {}
                }
            }
        }
    }

    #[test]
    fn rule_4_the_cut_of_the_input_changes_nothing(
        (config, input) in conversation(),
        cuts in vec(any::<Index>(), 0..20),
    ) {
        let whole = Heard::of(&config, &input, &[], Drain::WhenFull);
        let every_byte: Vec<_> = (0..input.len()).map(|at| (at, false, false)).collect();
        prop_assert_eq!(&whole, &Heard::of(&config, &input, &every_byte, Drain::WhenFull));
        let mut anywhere: Vec<_> =
            cuts.into_iter().map(|cut| (cut.index(input.len() + 1), false, false)).collect();
        anywhere.sort_unstable();
        prop_assert_eq!(&whole, &Heard::of(&config, &input, &anywhere, Drain::WhenFull));
    }

    #[test]
    fn rule_5_what_is_held_is_bounded(
        flood in flood(),
        config in some_limits(),
        commands in hostile_ops(),
    ) {
        let mut world = World::new(&config, epoch());
        world.run(&[Op::Send(Who::Client, 1), Op::Deliver(Who::Server, usize::MAX), Op::Take(Who::Server, 1)]);
        // The server's driver sends nothing, and its owner takes nothing.
        let mut commands = commands.into_iter().filter(|op| !matches!(
            op,
            Op::Send(Who::Server, _) | Op::Take(Who::Server, _) | Op::Close(_) | Op::Eof(..)
        ));
        for frame in flood {
            world.run(&[Op::Forge(Who::Server, frame), Op::Deliver(Who::Server, usize::MAX)]);
            world.run(&commands.by_ref().take(1).collect::<Vec<_>>());
        }
        let server = world.connection(Who::Server);

        let (mut events, mut bytes, mut longest) = (0, 0, 0);
        while let Some(event) = server.poll_event() {
            let len = payload_len(&event);
            (events, bytes, longest) = (events + 1, bytes + len, longest.max(len));
        }
        // A frame makes two events at most, and closing one for each stream and its own.
        let streams = 2 * config.max_open_streams;
        prop_assert!(events <= config.max_events + 1 + streams + 1, "{} events", events);
        prop_assert!(bytes <= config.max_event_bytes + longest, "{} bytes of events", bytes);

        let (mut frames, mut bytes, mut longest) = (0, 0, 0);
        let mut output = BytesMut::new();
        while server.poll_transmit(epoch(), &mut output) {
            let len = output.split().len() - 3;
            (frames, bytes, longest) = (frames + 1, bytes + len, longest.max(len));
        }
        // Beyond the bound: an end for each stream, a tick, and the connection's own last frame, none of them long.
        let beyond = streams + 2;
        prop_assert!(frames <= config.max_queued_frames + beyond, "{} frames", frames);
        prop_assert!(bytes <= config.max_queued_output + longest + beyond * 80, "{} bytes", bytes);
    }

    #[test]
    fn rule_6_input_waits_while_a_bound_is_reached(ops in hostile_ops()) {
        // `World` checks it at each delivery. These limits are met most of the time.
        let mut config = tight();
        config.max_queued_frames = 2;
        config.max_events = 2;
        World::new(&config, epoch()).run(&ops);
        World::new(&everything(config), epoch()).run(&ops);
    }

    #[test]
    fn rule_7_the_connections_frames_first_then_the_streams_in_turn(
        answers in vec((0_u32..4, 1_usize..200), 0..40),
        echoes in vec(any::<Index>(), 0..5),
        is_small in any::<bool>(),
    ) {
        let now = epoch();
        let mut config = Config::default();
        config.mtu = is_small.then_some(64);
        let mut server = set_up(&config, now);
        let mut waiting: VecDeque<(u32, u32)> = VecDeque::new();
        for (count, (stream, len)) in (0..).zip(&answers) {
            let id = StreamId::new(2 * stream + 1);
            hear(&mut server, now, &request(id));
            server.respond(id, Payload::from_data(Bytes::from(vec![count; *len]))).unwrap();
            // Of 61 bytes, 6 are the header.
            let fragments = if is_small { len.div_ceil(55) } else { 1 };
            // The last payload's end has a frame of its own, if there are several.
            let frames = if fragments > 1 { fragments + 1 } else { 1 };
            waiting.extend(vec![(id.get(), u32::from(count)); frames]);
        }
        let (mut sent, mut last_of) = (Vec::new(), BTreeMap::new());
        let mut output = BytesMut::new();
        for at in 0..waiting.len() {
            let due = echoes.iter().filter(|echo| echo.index(waiting.len()) == at).count();
            for _ in 0..due {
                hear(&mut server, now, &keepalive(b"x"));
            }
            for _ in 0..due {
                prop_assert!(server.poll_transmit(now, &mut output));
                prop_assert!(next_frame(&mut output).stream_id.is_connection());
            }
            prop_assert!(server.poll_transmit(now, &mut output));
            let Frame { stream_id, body: Body::Payload { next, payload, .. }, .. } =
                next_frame(&mut output)
            else {
                panic!("no answer")
            };
            // The end is of the answer that was under way.
            let count = match payload.data.first() {
                Some(count) if next => u32::from(*count),
                _ => last_of[&stream_id],
            };
            last_of.insert(stream_id, count);
            sent.push((stream_id.get(), count));
        }
        prop_assert!(!server.poll_transmit(now, &mut output));
        prop_assert_eq!(sent, in_turn(waiting));
    }

    #[test]
    fn rule_8_after_closed_there_is_nothing(
        before in hostile_ops(),
        after in hostile_ops(),
        config in config(),
    ) {
        let mut world = World::new(&config, epoch());
        world.run(&before);
        world.end();
        world.log.clear();
        // `World` checks that there is no timeout and that nothing is wanted.
        world.run(&after);
        prop_assert_eq!(&world.log, &[]);
    }

    #[test]
    fn rule_9_the_same_calls_give_the_same(ops in hostile_ops(), config in config()) {
        let now = epoch();
        let logs = [(), ()].map(|()| {
            let mut world = World::new(&config, now);
            world.run(&ops);
            world.end();
            world.log
        });
        prop_assert_eq!(&logs[0], &logs[1]);
    }

    #[test]
    fn two_of_ours_find_no_fault_and_every_request_ends_once(ops in ops(), config in config()) {
        let mut world = World::new(&config, epoch());
        world.run(&ops);
        world.end();
    }

    #[test]
    fn every_request_ends_once_whatever_the_peer_does(ops in hostile_ops(), config in config()) {
        let mut world = World::new(&config, epoch());
        world.run(&ops);
        world.end();
    }

    #[test]
    fn what_two_of_ours_said_may_arrive_damaged(
        ops in ops(),
        damage in vec((any::<Index>(), any::<u8>()), 1..6),
        config in config(),
    ) {
        let mut world = World::new(&config, epoch());
        world.run(&ops);
        for who in [Who::Client, Who::Server] {
            let mut said = BytesMut::new();
            for output in &world.log {
                if let Output::Sent(by, bytes) = output && *by == who {
                    said.extend_from_slice(bytes);
                }
            }
            for (at, byte) in &damage {
                if !said.is_empty() {
                    let at = at.index(said.len());
                    said[at] = *byte;
                }
            }
            let now = epoch();
            let [client, server] = both(&config, setup(&config), now);
            let listener = if who == Who::Client { server } else { client };
            let heard = Heard::by(listener, &said, &[], Drain::WhenFull);
            let is_over = matches!(heard.events.last(), Some(Event::Closed { .. }));
            prop_assert!(is_over);
        }
    }
}

/// Limits that are reached or not, with all that may be switched on, or nothing.
fn config() -> impl Strategy<Value = Config> {
    let config = |(is_tight, is_everything)| {
        let config = if is_tight { tight() } else { Config::default() };
        if is_everything { everything(config) } else { config }
    };
    any::<(bool, bool)>().prop_map(config)
}

/// A configuration, and what a client might send that knows it.
fn conversation() -> impl Strategy<Value = (Config, Vec<u8>)> {
    config().prop_flat_map(|config| {
        let input = input(setup(&config));
        (Just(config), input)
    })
}

/// Each limit of `tight`, or none to speak of.
fn some_limits() -> impl Strategy<Value = Config> {
    vec(any::<bool>(), 8).prop_map(|is_tight| {
        let (mut config, wide) = (tight(), Config::default());
        let limits = [
            (&mut config.max_open_streams, wide.max_open_streams),
            (&mut config.max_queued_output, wide.max_queued_output),
            (&mut config.max_queued_frames, wide.max_queued_frames),
            (&mut config.max_events, 1_000),
            (&mut config.max_event_bytes, wide.max_event_bytes),
            (&mut config.max_keepalive_data, wide.max_keepalive_data),
        ];
        for ((limit, wide), is_tight) in limits.into_iter().zip(&is_tight) {
            if !*is_tight {
                *limit = wide;
            }
        }
        if !is_tight[6] {
            config.keepalive_burst = u32::MAX;
        }
        if is_tight[7] { everything(config) } else { config }
    })
}

/// Frames of any kind, or many of one kind on stream after stream.
fn flood() -> impl Strategy<Value = Vec<Frame>> {
    let of_a_kind = (frame(), 1..150_u32).prop_map(|(frame, count)| {
        let stream = |nth: u32| match frame.stream_id.is_connection() {
            true => frame.stream_id,
            false => StreamId::new(2 * nth + 1),
        };
        (0..count).map(|nth| Frame { stream_id: stream(nth), ..frame.clone() }).collect()
    });
    let echoes = (0..150_usize).prop_map(|count| vec![keepalive(b"flood, flood"); count]);
    prop_oneof![2 => vec(frame(), 0..150), 6 => of_a_kind, 1 => echoes]
}

/// Times without end, too.
fn span() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        (0_u64..1_000).prop_map(Duration::from_millis),
        (0_u64..u64::MAX).prop_map(Duration::from_millis),
    ]
}

fn both(config: &Config, setup: Setup, now: Instant) -> [Connection; 2] {
    let client = Connection::client(config.clone(), setup.clone(), now).unwrap();
    let mut server = Connection::server(config.clone(), now);
    hear(&mut server, now, &Frame::on_connection(Body::Setup(Box::new(setup))));
    while server.poll_event().is_some() {}
    [client, server]
}

fn set_up(config: &Config, now: Instant) -> Connection {
    let [_, server] = both(config, Setup::default(), now);
    server
}

fn hear(connection: &mut Connection, now: Instant, frame: &Frame) {
    let mut bytes = BytesMut::new();
    encode_prefixed(frame, &mut bytes).unwrap();
    connection.handle_input(now, &mut bytes);
    while connection.poll_event().is_some() {}
}

fn next_frame(output: &mut BytesMut) -> Frame {
    Frame::decode(split_frame(output, MAX_RECEIVED_FRAME).unwrap().unwrap()).unwrap()
}

fn request(id: StreamId) -> Frame {
    Frame::new(id, Body::RequestResponse { follows: false, payload: Payload::default() })
}

fn keepalive(data: &'static [u8]) -> Frame {
    let data = Bytes::from_static(data);
    Frame::on_connection(Body::KeepAlive { respond: true, position: 0, data })
}

/// One of each stream in turn, the streams in the order of their first.
fn in_turn(waiting: impl IntoIterator<Item = (u32, u32)>) -> Vec<(u32, u32)> {
    let mut turns = Vec::new();
    let mut streams: BTreeMap<u32, VecDeque<u32>> = BTreeMap::new();
    for (stream, count) in waiting {
        if !turns.contains(&stream) {
            turns.push(stream);
        }
        streams.entry(stream).or_default().push_back(count);
    }
    let mut order = Vec::new();
    while streams.values().any(|counts| !counts.is_empty()) {
        for stream in &turns {
            order.extend(streams.get_mut(stream).unwrap().pop_front().map(|n| (*stream, n)));
        }
    }
    order
}

fn payload_len(event: &Event) -> usize {
    match event {
        Event::Extension { payload, .. }
        | Event::FireAndForget { payload, .. }
        | Event::Payload { payload, .. }
        | Event::RequestChannel { payload, .. }
        | Event::RequestResponse { payload, .. }
        | Event::RequestStream { payload, .. } => payload.encoded_len(),
        Event::Response { payload, .. } => payload.as_ref().map_or(0, Payload::encoded_len),
        Event::LeaseReceived { metadata, .. } => metadata.as_ref().map_or(0, Bytes::len),
        Event::MetadataPush { metadata } => metadata.len(),
        Event::PeerFailed { data, .. } => data.len(),
        Event::RequestFailed { error: StreamFailure::Error { data, .. }, .. } => data.len(),
        _ => 0,
    }
}

#[test]
fn any_message_is_survived() {
    proptest!(|(mut config in config(), messages in vec(vec(any::<u8>(), 0..40), 0..20))| {
        config.framing = Framing::Messages;
        let mut connection = Connection::server(config.clone(), epoch());
        let mut first = BytesMut::new();
        Frame::on_connection(Body::Setup(Box::new(setup(&config)))).encode(&mut first).unwrap();
        connection.handle_frame(epoch(), first.freeze());
        for message in messages {
            connection.handle_frame(epoch(), message.into());
        }
    });
}
