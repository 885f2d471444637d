//! What a peer makes us hold.

use crate::talk::{
    Talk, answer, cancel, channel, code_of, credit, error, fragment, id, keepalive, next, opening,
    request, request_n, stream,
};
use allocation_counter::measure;
use bytes::Bytes;
use prometheus_rsocket_protocol::rsocket::connection::{
    CloseReason, Config, Event, RequestError, ResumeConfig, ResumeError, StreamError,
    StreamFailure, TimerReason, Violation,
};
use prometheus_rsocket_protocol::rsocket::frame::{Body, ErrorCode, Frame, FrameType, Version};
use prometheus_rsocket_protocol::{Machine, Payload};
use std::time::Duration;

/// rsocket-java #864.
#[test]
fn row_01_reassembly_is_bounded() {
    // By default, too.
    let mut talk = Talk::server(&Config::default());
    talk.hears([opening(1, "")]);
    let megabyte = Bytes::from(vec![b'x'; 1024 * 1024]);
    let taken = (0..100).take_while(|_| {
        talk.hears([fragment(1, megabyte.clone())]);
        talk.connection.open_streams() == 1
    });
    assert_eq!(taken.count(), 31, "the first fragment takes a little of 32 MiB");
    assert_eq!(
        talk.says().iter().filter_map(code_of).collect::<Vec<_>>(),
        [(1, ErrorCode::INVALID)]
    );

    // And of all streams together.
    let config = config(|config| (config.max_payload_len, config.max_unfinished) = (1_000, 2_500));
    let mut talk = Talk::server(&config);
    talk.hears([1, 3, 5, 7].map(|stream_id| opening(stream_id, vec![b'x'; 800])));
    assert_eq!(talk.connection.open_streams(), 3);
    let violation = Violation::TooMuchUnfinished;
    assert_eq!(talk.told(), [Event::StreamViolation { stream_id: id(7), violation }]);
    // What is given up makes room.
    talk.hears([cancel(1), opening(9, vec![b'x'; 800])]);
    assert_eq!(talk.told(), []);
}

/// rsocket-java #895.
#[test]
fn row_02_a_flood_of_tiny_fragments_comes_to_its_end() {
    let limit = 64 * 1024;
    let mut talk = Talk::server(&config(|config| config.max_payload_len = limit));
    for (stream_id, data) in [(1, ""), (3, "x")] {
        talk.hears([opening(stream_id, data)]);
        let taken = (0..limit).take_while(|_| {
            talk.hears([fragment(stream_id, data)]);
            talk.connection.open_streams() == 1
        });
        assert!(taken.count() < limit / 64);
        let violation = Violation::PayloadTooLong { limit };
        let stream_id = id(stream_id);
        assert_eq!(talk.told(), [Event::StreamViolation { stream_id, violation }]);
    }
}

/// rsocket-java #898.
#[test]
fn row_03_frames_of_no_stream_leave_nothing_behind() {
    let mut talk = Talk::server(&Config::default());
    // Stream 2 is ours and over; the peer's odd ones never were, or are over.
    talk.connection.request_response(Payload::default()).unwrap();
    talk.says();
    talk.hears([answer(2, ""), request(1, "")]);
    talk.connection.respond(id(1), Payload::default()).unwrap();
    talk.drains();
    let strays = |stream_id| {
        let error = error(stream_id, ErrorCode::APPLICATION_ERROR, "late");
        let frames =
            [next(stream_id, "late"), fragment(stream_id, "late"), answer(stream_id, "late")];
        frames.into_iter().chain([cancel(stream_id), request_n(stream_id, 5), error])
    };
    let info = measure(|| {
        for stream_id in (1..10_000).step_by(2).chain([2; 100]) {
            talk.hears(strays(stream_id));
        }
    });
    assert_eq!(info.bytes_current, 0, "something is held");
    assert_eq!(talk.connection.open_streams(), 0);
    assert_eq!((talk.says(), talk.told()), (vec![], vec![]));
    // What can only be a confused peer's ends the connection.
    talk.hears([next(4, "early")]);
    let (frame_type, stream_id) = (FrameType::Payload, id(4));
    let violation = Violation::NeverOpened { frame_type, stream_id };
    assert_eq!(talk.says().len(), 1);
    let reason = CloseReason::Violation(violation);
    assert_eq!(talk.told(), [Event::Closed { reason }]);
}

/// rsocket-java #514, #1065.
#[test]
fn row_05_what_a_stalled_socket_does_not_take_is_bounded() {
    let config =
        config(|config| (config.max_queued_output, config.max_queued_frames) = (10_000, 50));
    for len in [1_000, 10] {
        let mut talk = Talk::server(&config);
        talk.hears([stream(1, 0x7fff_ffff)]);
        let payload = Payload::from_data(vec![b'x'; len]);
        let sent = (0..1_000).take_while(|_| talk.connection.send(id(1), payload.clone()).is_ok());
        assert_eq!(sent.count(), (10_000 / (len + 6)).min(50));
        let refused = talk.connection.send(id(1), payload.clone());
        let is_full =
            matches!(refused, Err(StreamError::Unsendable(RequestError::Saturated { .. })));
        assert!(is_full, "{refused:?}");
        // Whoever is served goes on once the socket does.
        talk.says_one();
        talk.connection.send(id(1), payload).unwrap();
    }
    // What the peer can make us say is bounded likewise: then we do not listen to it.
    let mut talk = Talk::server(&config);
    let unknown = |stream_id| Body::Ext { extended_type: stream_id, payload: Payload::default() };
    talk.hears((0..500).map(|nth| Frame::new(id(2 * nth + 1), unknown(nth))));
    assert!(!talk.connection.wants_input() && !talk.input.is_empty());
    assert_eq!(talk.says().len(), 50);
}

/// spring-framework #28991.
#[test]
fn row_06_a_keepalive_flood_to_a_peer_that_does_not_read_is_bounded() {
    let few = config(|config| config.max_keepalive_data = 10_000);
    let often = config(|config| config.keepalive_burst = 50);
    for (config, at_once) in [(few, 10_000_usize.div_ceil(1_014)), (often, 50)] {
        let mut talk = Talk::server(&config);
        talk.hears((0..10_000).map(|_| keepalive(true, vec![b'x'; 1_000])));
        assert!(!talk.connection.wants_input());
        let echoes = talk.says();
        assert_eq!(echoes.len(), at_once);
        assert_eq!(talk.input.len(), (10_000 - echoes.len()) * 1_017, "the rest is the caller's");
    }

    // Nor do our own pile up.
    let mut talk = Talk::client(&Config::default());
    for _ in 0..4 {
        talk.passes(Duration::from_secs(20));
    }
    assert_eq!(talk.says(), [keepalive(true, "")]);
}

/// rsocket-java #637, #737.
#[test]
fn row_18_what_is_kept_to_resume_is_bounded_and_counted_right() {
    let mut resume = ResumeConfig::default();
    resume.max_stored = 10_000;
    let config = config(|config| config.resume = Some(resume.clone()));
    let mut talk = Talk::client(&config);
    let info = measure(|| {
        for _ in 0..10_000 {
            talk.connection.fire_and_forget(Payload::from_data("0123456789")).unwrap();
            talk.says();
        }
    });
    // Each counts for 64 at least, which is about what it takes.
    assert!(info.bytes_current < 2 * 10_000, "{} bytes are kept", info.bytes_current);

    // Positions count frames of streams alone: 16 bytes each, and not the KEEPALIVE, METADATA_PUSH, LEASE, EXT between.
    talk.connection.metadata_push("m".into()).unwrap();
    let payload = Payload::default();
    talk.connection.extension(id(0), true, 1, payload.clone()).unwrap();
    talk.says();
    let extension = Body::Ext { extended_type: 1, payload };
    let extensions =
        [id(0), id(2)].map(|id| Frame { can_ignore: true, ..Frame::new(id, extension.clone()) });
    talk.hears([keepalive(true, "x"), request(2, "y")].into_iter().chain(extensions));
    talk.connection.handle_eof(talk.now);
    talk.input.clear();
    talk.connection.resume(talk.now);
    let [
        Frame {
            body:
                Body::Resume {
                    version,
                    last_received_server_position,
                    first_available_client_position,
                    ..
                },
            ..
        },
    ] = talk.says()[..]
    else {
        panic!("no RESUME")
    };
    assert_eq!((version, last_received_server_position), (Version::V1_0, 7));
    let kept = 160_000 - first_available_client_position;
    assert!(kept % 16 == 0 && kept > 0 && kept <= 10_000, "{kept} bytes");

    // From before that it cannot go on, and says so.
    let position = first_available_client_position - 16;
    talk.hears([Frame::on_connection(Body::ResumeOk { last_received_client_position: position })]);
    talk.says();
    let last = talk.told().pop();
    let unavailable = ResumeError::OurPosition { position, first: position + 16, last: 160_000 };
    let reason = CloseReason::Violation(Violation::ResumePosition(unavailable));
    assert_eq!(last, Some(Event::Closed { reason }));

    // Nobody waits for ever for a transport.
    let mut talk = Talk::server(&config);
    talk.connection.handle_eof(talk.now);
    assert!(matches!(talk.connection.next_timer(), Some((_, TimerReason::Resume))));
    talk.passes(resume.timeout);
    assert!(talk.connection.is_closed());
}

/// rsocket-java #887.
#[test]
fn row_04_more_payloads_than_requested_end_the_stream() {
    let mut talk = Talk::client(&Config::default());
    let overrun = |stream_id| {
        let error = StreamFailure::Violation(Violation::Overrun);
        Event::RequestFailed { stream_id: id(stream_id), error }
    };
    talk.connection.request_stream(Payload::default(), credit(2)).unwrap();
    talk.connection.request_channel(Payload::default(), credit(1), true).unwrap();
    talk.says();
    talk.hears([
        next(1, "a"),
        next(3, "b"),
        next(1, "c"),
        next(3, "d"),
        next(1, "e"),
        next(1, "f"),
    ]);
    let told = talk.told();
    assert_eq!(told.iter().filter(|event| matches!(event, Event::Payload { .. })).count(), 3);
    assert_eq!(&told[3..], [overrun(3), overrun(1)]);
    assert_eq!(talk.says(), [cancel(3), cancel(1)]);

    // A requester on its channel, too, which has none until it is given some.
    let mut talk = Talk::server(&Config::default());
    talk.hears([channel(1, 1)]);
    talk.told();
    talk.connection.request_n(id(1), credit(1)).unwrap();
    talk.says();
    // One more is tolerated.
    talk.hears([next(1, "a"), next(1, "b"), next(1, "c")]);
    let told = talk.told();
    let violation = Violation::Overrun;
    assert_eq!(told[3], Event::StreamViolation { stream_id: id(1), violation });
    assert_eq!(
        talk.says().iter().filter_map(code_of).collect::<Vec<_>>(),
        [(1, ErrorCode::INVALID)]
    );
    // The connection goes on.
    talk.hears([request(3, "")]);
    assert_eq!(talk.told().len(), 1);
}

fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}
