use super::*;
use crate::rsocket::connection::assembly::{Assembly, Limits};

/// The smallest MTU: frames on streams have at most 61 bytes without prefix.
fn small_config() -> Config {
    Config { mtu: Some(64), ..Config::default() }
}

fn small() -> Talk {
    Talk::client_with(small_config(), Setup::default())
}

fn text(len: usize) -> Bytes {
    (0..len).map(|i| b'a' + (i % 26) as u8).collect()
}

/// The events on the other side when it receives these frames.
fn joined(frames: Vec<Frame>) -> Vec<Event> {
    let mut talk = Talk::server();
    for frame in frames {
        talk.hears([frame]);
    }
    talk.events()
}

/// Frames without their payloads: type, flags F, C and N, and the lengths of metadata and data.
fn shape(frame: &Frame) -> (FrameType, &'static str, Option<usize>, usize) {
    let (flags, payload) = match &frame.body {
        Body::RequestResponse { follows, payload } | Body::RequestFnf { follows, payload } => {
            ((*follows, false, false), payload)
        }
        Body::RequestStream { follows, payload, .. } => ((*follows, false, false), payload),
        Body::RequestChannel { follows, complete, payload, .. } => {
            ((*follows, *complete, false), payload)
        }
        Body::Payload { follows, complete, next, payload } => {
            ((*follows, *complete, *next), payload)
        }
        other => panic!("{other:?} has no payload"),
    };
    let flags = match flags {
        (false, false, false) => "",
        (true, false, false) => "F",
        (true, false, true) => "FN",
        (false, false, true) => "N",
        (false, true, true) => "CN",
        (false, true, false) => "C",
        other => panic!("no such flags: {other:?}"),
    };
    let metadata = payload.metadata.as_ref().map(Bytes::len);
    (frame.body.frame_type(), flags, metadata, payload.data.len())
}

#[test]
fn long_requests_go_in_fragments_and_come_out_whole() {
    for (metadata, data) in
        [(None, 200), (Some(0), 200), (Some(10), 100), (Some(200), 0), (Some(200), 150)]
    {
        let payload = Payload { metadata: metadata.map(text), data: text(data) };
        let (stream_id, initial_n) = (id(1), Credit::new(7));
        let mut talk = small();
        talk.connection.request_response(payload.clone()).unwrap();
        let event = Event::RequestResponse { stream_id, payload: payload.clone() };
        assert_eq!(joined(talk.output()), [event]);
        let mut talk = small();
        talk.connection.fire_and_forget(payload.clone()).unwrap();
        let event = Event::FireAndForget { stream_id, payload: payload.clone() };
        assert_eq!(joined(talk.output()), [event]);
        let mut talk = small();
        talk.connection.request_stream(payload.clone(), credit(7)).unwrap();
        let event = Event::RequestStream { stream_id, payload: payload.clone(), initial_n };
        assert_eq!(joined(talk.output()), [event]);
        let mut talk = small();
        talk.connection.request_channel(payload.clone(), credit(7), true).unwrap();
        let frames = talk.output();
        assert!(frames.len() > 2 && frames.iter().all(|frame| frame.encoded_len() <= 61));
        let event = Event::RequestChannel { stream_id, payload, initial_n, complete: false };
        assert_eq!(joined(frames), [event, completed(1)]);
    }
}

/// Flag C is in a frame of its own after the fragments, since some peers read only the flags of the first fragment.
#[test]
fn fragments_are_as_java_wants_them() {
    let mut talk = small();
    let payload = Payload { metadata: Some(text(60)), data: text(50) };
    talk.connection.request_channel(payload, credit(7), true).unwrap();
    let frames = talk.output();
    let expected = [
        (FrameType::RequestChannel, "F", Some(48), 0),
        (FrameType::Payload, "FN", Some(12), 40),
        (FrameType::Payload, "N", None, 10),
        (FrameType::Payload, "C", None, 0),
    ];
    assert_eq!(frames.iter().map(shape).collect::<Vec<_>>(), expected);

    let mut talk = Talk::server_with(small_config());
    talk.hears([request(1, "a")]);
    talk.events();
    talk.connection.respond(id(1), Payload::from_data(text(56))).unwrap();
    let frames = talk.output();
    let expected = [
        (FrameType::Payload, "FN", None, 55),
        (FrameType::Payload, "N", None, 1),
        (FrameType::Payload, "C", None, 0),
    ];
    assert_eq!(frames.iter().map(shape).collect::<Vec<_>>(), expected);
}

#[test]
fn a_payload_that_fits_is_not_cut() {
    let mut talk = small();
    talk.connection.request_response(Payload::from_data(text(55))).unwrap();
    assert_eq!(talk.output().len(), 1);
}

/// If the payload fits one frame, flags N and C stay together.
#[test]
fn an_answer_in_one_frame_says_in_it_that_it_is_the_last() {
    let mut talk = Talk::server_with(small_config());
    talk.hears([request(1, "a")]);
    talk.events();
    talk.connection.respond(id(1), Payload::from_data(text(55))).unwrap();
    assert_eq!(
        talk.output().iter().map(shape).collect::<Vec<_>>(),
        [(FrameType::Payload, "CN", None, 55)]
    );
}

#[test]
fn the_end_after_fragments_goes_with_them_if_they_are_not_wanted_any_more() {
    let mut talk = Talk::server_with(small_config());
    talk.hears([request(1, "a")]);
    talk.events();
    talk.connection.respond(id(1), Payload::from_data(text(200))).unwrap();
    assert!(talk.connection.poll_transmit(talk.now, &mut BytesMut::new()));
    talk.hears([cancel(1)]);
    talk.is_calm();
    assert_eq!((talk.connection.outbound.bytes(), talk.connection.outbound.frames()), (0, 0));
}

#[test]
fn a_payload_too_long_for_a_frame_goes_in_two() {
    let data = Bytes::from(vec![7; framing::MAX_SENT_FRAME - 6 + 1]);
    let mut talk = Talk::server();
    talk.hears([request(1, "a")]);
    talk.events();
    talk.connection.respond(id(1), Payload::from_data(data.clone())).unwrap();
    let frames = talk.output();
    assert_eq!(frames.iter().map(Frame::encoded_len).collect::<Vec<_>>(), [16_777_212, 7, 6]);
    let mut talk = Talk::client();
    talk.requests("a");
    talk.output();
    for frame in frames {
        talk.hears([frame]);
    }
    let payload = Some(Payload::from_data(data));
    talk.tells([Event::Response { stream_id: id(1), payload }]);
}

#[test]
fn a_long_payload_leaves_every_second_turn_to_a_short_one() {
    let mut talk = Talk::server_with(small_config());
    talk.hears([request(1, "a"), request(3, "b")]);
    talk.events();
    talk.connection.respond(id(1), Payload::from_data(text(1000))).unwrap();
    talk.connection.respond(id(3), Payload::from_data(text(60))).unwrap();
    let order: Vec<u32> = talk.output().iter().map(|frame| frame.stream_id.get()).collect();
    assert_eq!(order[..8], [1, 3, 1, 3, 1, 3, 1, 1]);
}

#[test]
fn a_request_of_which_a_part_is_sent_is_canceled() {
    let mut talk = small();
    talk.connection.request_response(Payload::from_data(text(200))).unwrap();
    let mut output = BytesMut::new();
    assert!(talk.connection.poll_transmit(talk.now, &mut output));
    talk.connection.cancel(id(1)).unwrap();
    talk.says([cancel(1)]);
    assert_eq!(talk.connection.outbound.bytes(), 0);
}

#[test]
fn flag_n_may_be_missing_where_a_request_goes_on() {
    let mut talk = Talk::server();
    talk.hears_hex(["00000001 1080 61", "00000001 2880 62", "00000001 2800 63"]);
    talk.tells([asked(1, "abc")]);
}

#[test]
fn flag_c_makes_flag_f_void() {
    let mut talk = Talk::client();
    talk.connection.request_stream(Payload::from_data("a"), credit(5)).unwrap();
    talk.output();
    talk.hears_hex(["00000001 28e0 62"]);
    talk.tells([got(1, "b"), completed(1)]);
}

#[test]
fn fragments_of_several_streams_may_be_mixed() {
    let mut talk = Talk::server();
    talk.hears_hex(["00000001 1080 61", "00000003 1480 62", "00000001 2820 41"]);
    talk.tells([asked(1, "aA")]);
    talk.hears_hex(["00000003 2820 42"]);
    talk.tells([told(3, "bB")]);
    assert_eq!(talk.connection.open_streams(), 1);
    assert_eq!(talk.connection.streams.unfinished(), 0);
}

#[test]
fn a_fragmented_payload_takes_one_credit() {
    let mut talk = Talk::client();
    talk.connection.request_stream(Payload::from_data("a"), credit(1)).unwrap();
    talk.output();
    talk.hears_hex(["00000001 28a0 62", "00000001 28a0 63", "00000001 2820 64"]);
    talk.tells([got(1, "bcd")]);
    talk.hears_hex(["00000001 28a0 65"]);
    talk.tells([failed(1, StreamFailure::Violation(Violation::Overrun))]);
}

#[test]
fn what_is_given_up_before_it_is_whole_was_never_there() {
    for end in ["00000001 2400", "00000001 2c00 00000203"] {
        let mut talk = Talk::server();
        talk.hears_hex(["00000001 1080 61"]);
        assert_eq!(talk.connection.respond(id(1), Payload::default()).ok(), None);
        assert_eq!(talk.connection.cancel(id(1)).ok(), None);
        talk.hears_hex([end, "00000001 2820 62"]);
        talk.is_calm();
        assert_eq!(talk.connection.open_streams(), 0);
        assert_eq!(talk.connection.streams.unfinished(), 0);
    }
}

#[test]
fn a_payload_over_the_limit_ends_its_stream_however_it_is_cut() {
    for (payload, fragments) in [(text(60), 200), (text(1), 200), (Bytes::new(), 200)] {
        let config = Config { max_payload_len: 6400, ..Config::default() };
        let mut talk = Talk::server_with(config);
        talk.hears_hex(["00000001 1080 61"]);
        let body = |payload| Body::Payload { follows: true, complete: false, next: true, payload };
        let mut taken = 1;
        for _ in 0..fragments {
            let payload = Payload::from_data(payload.clone());
            talk.hears([Frame::new(id(1), body(payload))]);
            taken += usize::from(talk.connection.open_streams() > 0);
        }
        assert_eq!(taken, 100);
        let violation = Violation::PayloadTooLong { limit: 6400 };
        talk.says([error(1, ErrorCode::INVALID, &violation.to_string())]);
        talk.tells([violated(1, violation)]);
        assert_eq!(talk.connection.streams.unfinished(), 0);
        talk.is_calm();
    }
}

#[test]
fn all_unfinished_payloads_of_a_connection_are_limited() {
    let config = Config { max_unfinished: 192, ..Config::default() };
    let mut talk = Talk::server_with(config);
    talk.hears_hex([
        "00000001 1080 61",
        "00000003 1080 61",
        "00000003 28a0 61",
        "00000005 1080 61",
    ]);
    let text = Violation::TooMuchUnfinished.to_string();
    talk.says([error(5, ErrorCode::REJECTED, &text)]);
    talk.tells([violated(5, Violation::TooMuchUnfinished)]);
    talk.hears([cancel(3)]);
    talk.hears_hex(["00000001 2820 62", "00000007 1080 61"]);
    talk.tells([asked(1, "ab")]);
    assert_eq!(talk.connection.streams.unfinished(), 64);
}

#[test]
fn an_answer_over_the_limit_fails_its_request() {
    let config = Config { max_payload_len: 100, ..Config::default() };
    let mut talk = Talk::client_with(config, Setup::default());
    talk.requests("a");
    talk.output();
    talk.hears_hex(["00000001 28a0 62", "00000001 28a0 62"]);
    talk.says([cancel(1)]);
    let violation = Violation::PayloadTooLong { limit: 100 };
    talk.tells([failed(1, StreamFailure::Violation(violation))]);
    assert_eq!(talk.connection.streams.unfinished(), 0);
}

#[test]
fn absent_and_empty_metadata_stay_apart() {
    let limits = Limits { payload: 1000, connection: 1000 };
    for (first, second, expected) in [
        (None, None, None),
        (Some(""), None, Some("")),
        (Some("a"), Some("b"), Some("ab")),
        (None, Some("b"), Some("b")),
    ] {
        let mut assembly = Assembly::new(None);
        for metadata in [first, second] {
            let metadata = metadata.map(Bytes::from);
            assembly.add(&Payload { metadata, data: Bytes::new() }, limits).unwrap();
        }
        assert_eq!(assembly.finish().metadata, expected.map(Bytes::from));
    }
}
