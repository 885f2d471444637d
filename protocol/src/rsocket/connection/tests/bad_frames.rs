//! Frames that are not allowed where they arrive (Protocol.md, "Handling the Unexpected"), and bytes that are no frames.

use super::*;
use crate::rsocket::connection::StreamFailure;
use crate::rsocket::frame::{DecodeError, DecodeErrorKind, FrameType};

#[test]
fn frames_without_meaning_here_are_ignored() {
    for frame in [
        "00000000 0800 00000001 00000001", // LEASE, on stream 0
        "00000001 0800 00000001 00000001", // and on another
        "00000001 2000 00000001",          // REQUEST_N
        "00000000 2000 00000001",          //
        "00000000 3800 0000000000000000",  // RESUME_OK
        "00000000 2860 41",                // PAYLOAD on stream 0,
        "00000001 2860 41",                // on one of the peer's,
        "00000063 2860 41",                //
        "00000063 2c00 00000201",          // ERROR likewise
        "00000000 1000 61",                // requests on stream 0,
        "00000000 1400 61",                //
        "00000000 1800 00000001 61",       //
        "00000002 1000 61",                // of the wrong side
        "00000002 1400 61",                //
        "00000002 1c00 00000001 61",       //
        "00000001 1000 62",                // and for a stream in use
        "00000001 1400 62",                //
        "00000001 1800 00000001 62",       //
        "00000005 0c80 0000000000000000",  // KEEPALIVE with R on a stream
        "00000000 0c00 0000000000000000",  // and without
        "00000000 3400 00010000 0000 0000000000000000 0000000000000000", // RESUME, late
    ] {
        let mut talk = Talk::server();
        talk.hears([request(1, "a")]);
        talk.tells([asked(1, "a")]);
        talk.hears_hex([frame]);
        talk.is_calm();
        talk.connection.complete(id(1)).unwrap();
    }
}

#[test]
fn streams_never_opened_end_the_connection() {
    for (frame_type, hex) in
        [(FrameType::Payload, "00000004 2860 41"), (FrameType::Error, "00000004 2c00 00000201")]
    {
        let mut talk = Talk::server();
        talk.requests("a");
        talk.hears([request(1, "b")]);
        talk.tells([asked(1, "b")]);
        talk.hears_hex([hex]);
        let violation = Violation::NeverOpened { frame_type, stream_id: id(4) };
        // The queued request is not sent any more.
        let ended = talk.ends_by(violation, ErrorCode::CONNECTION_ERROR);
        let failed = Event::RequestFailed { stream_id: id(2), error: StreamFailure::Closed };
        assert_eq!(ended, [canceled(1), failed]);
    }
}

#[test]
fn what_is_not_served_is_rejected_on_its_stream() {
    for (frame_type, frame, followed) in [
        (FrameType::RequestStream, "00000001 1800 00000001 61", None),
        (FrameType::RequestChannel, "00000001 1c00 7fffffff 61", None),
        (FrameType::RequestChannel, "00000001 1c40 7fffffff 61", Some("00000001 2000 00000001")),
        (FrameType::Ext, "00000001 fc00 00000001 61", None),
    ] {
        let mut talk = Talk::server_with(Config { serve_streams: false, ..Config::default() });
        talk.hears_hex([frame]);
        let text = format!("{frame_type} is not supported");
        talk.says([error(1, ErrorCode::REJECTED, &text)]);
        talk.tells([refused(1, Refusal::NotServed(frame_type))]);
        assert_eq!(talk.connection.open_streams(), 0);
        if let Some(frame) = followed {
            talk.hears_hex([frame]);
        }
        talk.hears([cancel(1)]);
        talk.is_calm();
    }
}

#[test]
fn extensions_count_only_where_they_must_not_be_ignored() {
    let mut talk = Talk::client();
    talk.requests("a");
    talk.output();
    talk.hears([request(2, "b")]);
    talk.tells([asked(2, "b")]);
    for stream_id in ["00000000", "00000001", "00000002", "00000004", "00000063"] {
        talk.hears_hex([format!("{stream_id} fe00 00000001 61").as_str()]);
        talk.is_calm();
    }
    // Without flag I, there is nothing to end on stream 0, on a stream of the peer's, and on one of ours that is not open.
    for stream_id in ["00000000", "00000002", "00000063"] {
        talk.hears_hex([format!("{stream_id} fc00 00000001 61").as_str()]);
        talk.is_calm();
    }
    talk.hears_hex(["00000001 fc00 00000001 61"]);
    talk.says([cancel(1)]);
    let error = StreamFailure::Violation(Violation::Unsupported(FrameType::Ext));
    talk.tells([Event::RequestFailed { stream_id: id(1), error }]);
}

#[test]
fn unknown_types_end_the_connection_unless_they_may_be_ignored() {
    for stream_id in [0, 1, 2, 3, 4] {
        for code in (0..=0x3f).filter(|code| FrameType::from_code(*code).is_none()) {
            let mut talk = Talk::server();
            talk.requests("a");
            talk.output();
            talk.hears_hex([format!("{stream_id:08x} {:02x}00 61", code << 2 | 2).as_str()]);
            talk.is_calm();
            talk.hears_hex([format!("{stream_id:08x} {:02x}00 61", code << 2).as_str()]);
            let violation = Violation::Decode(DecodeError {
                stream_id: Some(id(stream_id)),
                frame_type: None,
                kind: DecodeErrorKind::UnknownType { code, can_ignore: false },
            });
            assert_eq!(talk.ends_by(violation, ErrorCode::CONNECTION_ERROR).len(), 1);
        }
    }
}

/// A frame of this stream and type whose metadata length exceeds the frame, and the violation that it is.
fn torn(stream_id: u32, frame_type: FrameType) -> (String, Violation) {
    let hex = format!("{stream_id:08x} {:02x}20 000009 61", (frame_type as u8) << 2 | 1);
    let kind = DecodeErrorKind::Truncated { field: "metadata", needed: 9, available: 1 };
    let (stream_id, frame_type) = (Some(id(stream_id)), Some(frame_type));
    (hex, Violation::Decode(DecodeError { stream_id, frame_type, kind }))
}

#[test]
fn a_torn_request_is_invalid() {
    for frame_type in [FrameType::RequestResponse, FrameType::RequestFnf] {
        let mut talk = Talk::server();
        let (hex, violation) = torn(1, frame_type);
        talk.hears_hex([hex.as_str()]);
        let text = format!("{frame_type} on stream 1: metadata takes 9 bytes, 1 left");
        talk.says([error(1, ErrorCode::INVALID, &text)]);
        talk.tells([Event::StreamViolation { stream_id: id(1), violation }]);
        assert_eq!(talk.connection.open_streams(), 0);
        talk.is_calm();
    }
}

#[test]
fn a_torn_frame_ends_the_peers_open_stream() {
    let mut talk = Talk::server();
    talk.hears([request(1, "a"), request(3, "b")]);
    talk.events();
    let (hex, violation) = torn(1, FrameType::Payload);
    talk.hears_hex([hex.as_str()]);
    let text = "PAYLOAD on stream 1: metadata takes 9 bytes, 1 left";
    talk.says([error(1, ErrorCode::INVALID, text)]);
    talk.tells([canceled(1), Event::StreamViolation { stream_id: id(1), violation }]);
    assert_eq!(talk.connection.open_streams(), 1);
    // The stream is over, so nothing is left to end.
    talk.hears_hex([hex.as_str()]);
    talk.is_calm();
}

#[test]
fn a_torn_answer_fails_its_request() {
    let mut talk = Talk::client();
    talk.requests("a");
    talk.output();
    let (hex, violation) = torn(1, FrameType::Payload);
    talk.hears_hex([hex.as_str()]);
    talk.says([cancel(1)]);
    let error = StreamFailure::Violation(violation);
    talk.tells([Event::RequestFailed { stream_id: id(1), error }]);
    talk.is_calm();
}

#[test]
fn a_torn_answer_to_a_request_that_still_waits_takes_it_back() {
    let mut talk = Talk::client();
    talk.requests("a");
    let (hex, _) = torn(1, FrameType::Payload);
    talk.hears_hex([hex.as_str()]);
    talk.says([]);
    assert_eq!(talk.connection.open_streams(), 0);
}

#[test]
fn torn_frames_of_no_stream_end_the_connection() {
    for stream_id in [0, 2] {
        let mut talk = Talk::server();
        let (hex, violation) = torn(stream_id, FrameType::Payload);
        talk.hears_hex([hex.as_str()]);
        assert_eq!(talk.ends_by(violation, ErrorCode::CONNECTION_ERROR), []);
    }
    for (hex, available) in [("", 0), ("00", 1), ("0000000104", 5)] {
        let mut talk = Talk::server();
        talk.hears_hex([hex]);
        let kind = DecodeErrorKind::Truncated { field: "frame header", needed: 6, available };
        let violation = Violation::Decode(DecodeError { stream_id: None, frame_type: None, kind });
        assert_eq!(talk.ends_by(violation, ErrorCode::CONNECTION_ERROR), []);
    }
}

#[test]
fn a_frame_over_the_limit_is_refused_as_soon_as_it_is_announced() {
    let mut talk = Talk::server_with(Config { max_frame_len: 1000, ..Config::default() });
    talk.hears_bytes(&[0, 3]);
    talk.is_calm();
    talk.hears_bytes(&[0xe9]);
    let violation = framing::FrameTooLong { announced: 1001, limit: 1000 }.into();
    talk.ends_by(violation, ErrorCode::CONNECTION_ERROR);

    let mut talk = Talk::server_with(Config { max_frame_len: 1000, ..Config::default() });
    let mut frame = unhex("0003e8 00000001 1400").to_vec();
    frame.resize(3 + 1000, b'x');
    talk.hears_bytes(&frame);
    assert_eq!(talk.events().len(), 1);
    talk.is_calm();
}
