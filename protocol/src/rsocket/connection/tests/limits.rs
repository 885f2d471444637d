use super::*;
use crate::rsocket::connection::outbound::Outbound;
use crate::rsocket::connection::stream_ids::StreamIds;
use crate::rsocket::connection::{Framing, RequestError, ResumeConfig, Role, StreamError};
use proptest::prelude::*;

#[test]
fn requests_of_ours_are_counted() {
    let mut talk =
        Talk::client_with(Config { max_open_streams: 2, ..Config::default() }, Setup::default());
    talk.requests("a");
    talk.requests("b");
    let refused = Err(RequestError::TooManyStreams { limit: 2 });
    assert_eq!(talk.connection.request_response(Payload::default()), refused);
    // Fire-and-forget does not count, and the peer's requests are counted separately.
    assert_eq!(talk.connection.fire_and_forget(Payload::default()), Ok(id(5)));
    talk.hears([request(2, "c"), request(4, "d")]);
    assert_eq!(talk.connection.open_streams(), 4);
    talk.connection.cancel(id(1)).unwrap();
    assert_eq!(talk.requests("e"), id(7));
}

#[test]
fn requests_of_the_peers_are_counted() {
    let mut talk = Talk::server_with(Config { max_open_streams: 2, ..Config::default() });
    talk.hears([request(1, "a"), request(3, "b"), request(5, "c"), fnf(7, "d")]);
    let refused = refused(5, Refusal::TooManyStreams { limit: 2 });
    talk.tells([asked(1, "a"), asked(3, "b"), refused, told(7, "d")]);
    talk.says([error(5, ErrorCode::REJECTED, "more than 2 streams open at once")]);
    talk.connection.complete(id(1)).unwrap();
    talk.hears([request(9, "e")]);
    talk.tells([asked(9, "e")]);
    talk.requests("ours count for themselves");
}

#[test]
fn commands_fail_while_too_many_bytes_wait() {
    let len = request(1, "12345").encoded_len();
    let config = Config { max_queued_output: 2 * len, ..Config::default() };
    let mut talk = Talk::client_with(config, Setup::default());
    talk.requests("12345");
    talk.hears([request(2, "x")]);
    talk.events();
    talk.requests("12345");
    assert!(!talk.connection.wants_input());
    let full = RequestError::Saturated { bytes: 2 * len, frames: 2 };
    assert_eq!(full.to_string(), "22 bytes in 2 frames wait to be sent already");
    let payload = Payload::default();
    assert_eq!(talk.connection.request_response(payload.clone()), Err(full.clone()));
    assert_eq!(talk.connection.fire_and_forget(payload.clone()), Err(full.clone()));
    assert_eq!(talk.connection.metadata_push(Bytes::new()), Err(full.clone()));
    assert_eq!(talk.connection.respond(id(2), payload), Err(StreamError::Unsendable(full)));
    assert_eq!(talk.connection.open_streams(), 3);
    assert_eq!(talk.output().len(), 2);
    assert!(talk.connection.wants_input());
    talk.connection.respond(id(2), Payload::default()).unwrap();
    talk.output();
    assert_eq!(talk.requests("no id was used up in vain"), id(5));
}

#[test]
fn one_frame_passes_whatever_its_length_where_nothing_waits() {
    let config = Config { max_queued_output: 1, ..Config::default() };
    let mut talk = Talk::client_with(config, Setup::default());
    talk.requests("longer than one byte");
    assert!(!talk.connection.wants_input());
    let error = talk.connection.fire_and_forget(Payload::default()).unwrap_err();
    assert!(matches!(error, RequestError::Saturated { .. }));
    assert_eq!(talk.output().len(), 1);
    assert!(talk.connection.wants_input());
}

#[test]
fn commands_fail_while_too_many_frames_wait_but_refusals_pass() {
    let config = Config { max_queued_frames: 2, ..Config::default() };
    let mut talk = Talk::client_with(config, Setup::default());
    talk.requests("a");
    talk.output();
    talk.hears([request(2, "b"), request(4, "c")]);
    talk.requests("d");
    talk.requests("e");
    let error = talk.connection.fire_and_forget(Payload::default()).unwrap_err();
    assert!(matches!(error, RequestError::Saturated { frames: 2, .. }));
    talk.connection.reject(id(2), ErrorCode::REJECTED, "").unwrap();
    talk.connection.reject(id(4), ErrorCode::REJECTED, "").unwrap();
    talk.connection.cancel(id(1)).unwrap();
    assert_eq!(talk.output().len(), 5);
}

#[test]
fn events_that_nobody_takes_stop_the_input() {
    let mut talk = Talk::server_with(Config { max_events: 3, ..Config::default() });
    talk.hears([fnf(1, "a"), fnf(3, "b"), fnf(5, "c"), fnf(7, "d")]);
    assert!(!talk.connection.wants_input());
    assert_eq!(talk.input.len(), 3 + fnf(7, "d").encoded_len());
    assert_eq!(talk.connection.poll_event(), Some(told(1, "a")));
    assert!(talk.connection.wants_input());
    talk.reads();
    talk.tells([told(3, "b"), told(5, "c"), told(7, "d")]);

    let mut talk = Talk::server_with(Config { max_event_bytes: 10, ..Config::default() });
    talk.hears([fnf(1, "12345"), fnf(3, "1234"), fnf(5, "much longer than that"), fnf(7, "d")]);
    assert_eq!(talk.events().len(), 3);
    talk.reads();
    talk.tells([told(7, "d")]);
}

#[test]
fn limits_of_zero_let_something_through_and_the_clock_rest() {
    let zero = (Duration::ZERO, Duration::ZERO);
    let config = Config {
        max_queued_output: 0,
        max_queued_frames: 0,
        max_events: 0,
        max_event_bytes: 0,
        setup_timeout: Duration::ZERO,
        close_timeout: Duration::ZERO,
        keepalive_interval: zero,
        max_lifetime: zero,
        ..Config::default()
    };
    let mut talk = Talk::server_with(config.clone());
    talk.hears([request(1, "a")]);
    talk.tells([asked(1, "a")]);
    talk.connection.respond(id(1), Payload::from_data("A")).unwrap();
    talk.says([answer(1, "A")]);
    // The one event blocked reading, which extends the lifetime once. Then silence ends the connection, and then the close
    // times out.
    for time in [0, 1, 1, 1].map(Duration::from_millis) {
        assert!(!talk.connection.is_closed());
        talk.passes(time);
    }
    assert!(talk.connection.is_closed());
    let mut talk = Talk::listening(config);
    talk.passes(Duration::from_millis(1));
    talk.passes(Duration::from_millis(1));
    assert!(talk.connection.is_closed());

    let resume = Some(ResumeConfig { timeout: Duration::ZERO, ..ResumeConfig::default() });
    let config = Config { resume, ..Config::default() };
    let setup = Setup { resume_token: Some("token".into()), ..Setup::default() };
    let mut talk = Talk::server_after(config, setup);
    talk.connection.handle_eof(talk.now);
    assert!(talk.connection.is_suspended());
    talk.passes(Duration::ZERO);
    talk.passes(Duration::from_millis(1));
    assert!(talk.connection.is_closed());
}

#[test]
fn times_without_end_are_never() {
    let config = Config {
        setup_timeout: Duration::MAX,
        close_timeout: Duration::MAX,
        keepalive_interval: (Duration::MAX, Duration::MAX),
        max_lifetime: (Duration::MAX, Duration::MAX),
        ..Config::default()
    };
    assert_eq!(Talk::listening(config.clone()).connection.next_timer(), None);
    let mut talk = Talk::server_with(config);
    assert_eq!(talk.connection.next_timer(), None);
    talk.passes(Duration::from_secs(1 << 40));
    talk.is_calm();
    talk.connection.close(talk.now, ErrorCode::CONNECTION_ERROR, "");
    assert_eq!(talk.connection.next_timer(), None);
    talk.passes(Duration::from_secs(1 << 40));
    assert!(!talk.connection.is_closed());
}

#[test]
fn messages_need_no_prefix_and_know_the_same_limits() {
    let config = Config { framing: Framing::Messages, max_frame_len: 100, ..Config::default() };
    let mut connection = Connection::client(config, Setup::default(), epoch()).unwrap();
    let mut output = BytesMut::new();
    assert!(connection.poll_transmit(epoch(), &mut output));
    assert_eq!(output[..6], [0, 0, 0, 0, 4, 0]);
    assert!(Frame::decode(output.freeze()).is_ok());
    let mut frame = unhex("00000002 1400").to_vec();
    frame.resize(100, b'x');
    connection.handle_frame(epoch(), frame.clone().into());
    assert!(matches!(connection.poll_event(), Some(Event::FireAndForget { .. })));
    frame.push(b'x');
    connection.handle_frame(epoch(), frame.into());
    let mut output = BytesMut::new();
    assert!(connection.poll_transmit(epoch(), &mut output));
    let violation = Violation::from(framing::FrameTooLong { announced: 101, limit: 100 });
    let last = Frame::decode(output.freeze()).unwrap();
    assert_eq!(last, error(0, ErrorCode::CONNECTION_ERROR, &violation.to_string()));
    assert_eq!(connection.poll_event(), Some(closed(CloseReason::Violation(violation))));
}

#[test]
fn ids_start_again_at_the_top_and_skip_those_in_use() {
    for (role, last, first) in [(Role::Client, 0x7fff_ffff, 1), (Role::Server, 0x7fff_fffe, 2)] {
        let mut ids = StreamIds::new(role);
        ids.skip_to(last - 2);
        assert!(!ids.was_taken(id(last)));
        assert_eq!(ids.take(|_| false), id(last - 2));
        assert_eq!(ids.take(|_| false), id(last));
        assert!(ids.was_taken(id(last)));
        let in_use = [first, first + 2, first + 6].map(id);
        assert_eq!(ids.take(|id| in_use.contains(&id)), id(first + 4));
        assert_eq!(ids.take(|id| in_use.contains(&id)), id(first + 8));
        // After the wrap, every id counts as assigned.
        assert!(ids.was_taken(id(first + 100)));
        ids.skip_to(last);
        assert_eq!(ids.take(|taken| taken == id(last)), id(first));
    }
}

proptest! {
    /// A fault of other implementations (`tests/it/known_faults`): rsocket-java #666, #667; rsocket-js #40.
    #[test]
    fn row_12_ids_wrap_and_skip_those_in_use(
        is_client in any::<bool>(),
        before in 0_u32..20,
        // As indices into `order`, which surrounds the last id.
        in_use in proptest::collection::btree_set(0_u32..40, 0..40),
    ) {
        let role = if is_client { Role::Client } else { Role::Server };
        let (first, last) = if is_client { (1, 0x7fff_ffff) } else { (2, 0x7fff_fffe) };
        // The order of the specification: in steps of two, and from the first id again after the last.
        let order: Vec<_> =
            (last - 38..=last).step_by(2).chain((first..).step_by(2)).take(40).map(id).collect();
        let taken: Vec<_> = in_use.iter().map(|nth| order[*nth as usize]).collect();
        let mut ids = StreamIds::new(role);
        ids.skip_to(order[before as usize].get());
        for expected in order[before as usize..].iter().filter(|id| !taken.contains(id)) {
            prop_assert_eq!(ids.take(|id| taken.contains(&id)), *expected);
        }
    }
}

#[test]
fn a_connection_goes_on_past_the_last_id() {
    let mut talk = Talk::client();
    assert_eq!(talk.requests("open all the while"), id(1));
    talk.connection.ids.skip_to(0x7fff_fffd);
    for expected in [0x7fff_fffd, 0x7fff_ffff, 3, 5] {
        assert_eq!(talk.requests("a"), id(expected));
    }
    talk.output();
    talk.hears([answer(0x7fff_ffff, "A"), answer(1, "B"), answer(3, "C")]);
    talk.tells([answered(0x7fff_ffff, "A"), answered(1, "B"), answered(3, "C")]);
}

#[test]
fn ids_belong_to_sides() {
    let (client, server) = (StreamIds::new(Role::Client), StreamIds::new(Role::Server));
    for (number, odd, even) in
        [(0, false, false), (1, true, false), (2, false, true), (0x7fff_ffff, true, false)]
    {
        assert_eq!((client.is_ours(id(number)), server.is_ours(id(number))), (odd, even));
    }
}

#[test]
fn streams_take_turns_after_the_connection() {
    let mut outbound = Outbound::new(usize::MAX);
    let (one, two) = (|data| answer(1, data), |data| answer(2, data));
    for frame in [one("a"), one("b"), one("c"), two("d"), two("e")] {
        outbound.push_stream(frame);
    }
    outbound.push_control(keepalive(false, "f"));
    assert_eq!((outbound.frames(), outbound.is_empty()), (6, false));
    let mut popped = vec![outbound.pop().unwrap(), outbound.pop().unwrap()];
    outbound.push_control(keepalive(false, "g"));
    popped.extend(std::iter::from_fn(|| outbound.pop()));
    let expected = [
        keepalive(false, "f"),
        one("a"),
        keepalive(false, "g"),
        two("d"),
        one("b"),
        two("e"),
        one("c"),
    ];
    assert_eq!(popped, expected);
    assert_eq!((outbound.frames(), outbound.bytes(), outbound.is_empty()), (0, 0, true));
}

#[test]
fn a_stream_dropped_from_the_queue_gives_up_its_turn_and_its_bytes() {
    let mut outbound = Outbound::new(usize::MAX);
    for frame in [request(1, "aaaa"), answer(2, "bb"), answer(1, "c")] {
        outbound.push_stream(frame);
    }
    assert!(outbound.drop_stream(id(1)), "its request had not been sent");
    assert!(!outbound.drop_stream(id(1)));
    assert_eq!((outbound.frames(), outbound.bytes()), (1, answer(2, "bb").encoded_len()));
    outbound.push_stream(answer(1, "d"));
    assert_eq!(outbound.pop(), Some(answer(2, "bb")));
    assert_eq!(outbound.pop(), Some(answer(1, "d")));
    assert_eq!(outbound.pop(), None);
    assert!(outbound.is_empty());
}
