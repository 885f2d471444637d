use super::*;
use crate::rsocket::connection::{StreamError, StreamFailure};

#[test]
fn a_client_asks_and_is_answered() {
    let mut talk = Talk::client();
    assert_eq!(talk.requests("a"), id(1));
    assert_eq!(talk.requests("b"), id(3));
    talk.says_hex(["00000001 1000 61", "00000003 1000 62"]);
    assert_eq!(talk.connection.open_streams(), 2);
    talk.hears_hex(["00000003 2960 000001 6d 42", "00000001 2860 41"]);
    let payload = Some(Payload::new("m", "B"));
    talk.tells([Event::Response { stream_id: id(3), payload }, answered(1, "A")]);
    assert_eq!(talk.connection.open_streams(), 0);
    talk.is_calm();
}

#[test]
fn a_server_asks_under_even_ids() {
    let mut talk = Talk::server();
    assert_eq!(talk.connection.fire_and_forget(Payload::from_data("key")), Ok(id(2)));
    assert_eq!(talk.requests("a"), id(4));
    talk.says_hex(["00000002 1400 6b6579", "00000004 1000 61"]);
    talk.hears([answer(4, "A")]);
    talk.tells([answered(4, "A")]);
}

#[test]
fn a_request_is_answered_in_any_order() {
    let mut talk = Talk::server();
    talk.hears_hex(["00000001 1000 61", "00000003 1100 000000 62", "00000005 1000"]);
    let payload = Payload::new("", "b");
    let with_empty_metadata = Event::RequestResponse { stream_id: id(3), payload };
    talk.tells([asked(1, "a"), with_empty_metadata, asked(5, "")]);
    assert_eq!(talk.connection.open_streams(), 3);
    talk.connection.respond(id(5), Payload::new("m", "C")).unwrap();
    talk.connection.complete(id(1)).unwrap();
    talk.connection.reject(id(3), ErrorCode::APPLICATION_ERROR, "no").unwrap();
    talk.says_hex(["00000005 2960 000001 6d 43", "00000001 2840", "00000003 2c00 00000201 6e6f"]);
    assert_eq!(talk.connection.open_streams(), 0);
    for stream_id in [1, 3, 5, 7].map(id) {
        let payload = Payload::from_data("again");
        let error = Err(StreamError::NotOpen(stream_id));
        assert_eq!(talk.connection.respond(stream_id, payload), error);
        assert_eq!(talk.connection.complete(stream_id), error);
        assert_eq!(talk.connection.reject(stream_id, ErrorCode::CANCELED, ""), error);
    }
    talk.is_calm();
}

#[test]
fn telling_leaves_nothing_open() {
    let mut talk = Talk::server();
    talk.hears([fnf(1, "a"), fnf(1, "again, as no state is kept")]);
    talk.tells([told(1, "a"), told(1, "again, as no state is kept")]);
    assert_eq!(talk.connection.open_streams(), 0);
    assert_eq!(talk.connection.complete(id(1)), Err(StreamError::NotOpen(id(1))));
    talk.is_calm();
}

#[test]
fn any_payload_without_more_to_follow_is_the_last() {
    let one = Some(Payload::from_data("A"));
    for (hex, payload) in [
        ("00000001 2860 41", one.clone()), // N and C
        ("00000001 2820 41", one.clone()), // N alone
        ("00000001 28e0 41", one),         // F is ignored beside C
        ("00000001 2840", None),           // C alone
        ("00000001 2840 41", None),        // what it carries without N is none
        ("00000001 2800", None),           // neither
        ("00000001 2860", Some(Payload::default())),
        ("00000001 2960 000000", Some(Payload::new("", ""))),
    ] {
        let mut talk = Talk::client();
        talk.requests("a");
        talk.output();
        talk.hears_hex([hex]);
        talk.tells([Event::Response { stream_id: id(1), payload }]);
        assert_eq!(talk.connection.open_streams(), 0);
        talk.is_calm();
    }
}

#[test]
fn an_error_fails_its_request_alone() {
    let mut talk = Talk::client();
    talk.requests("a");
    talk.requests("b");
    talk.output();
    talk.hears_hex(["00000001 2c00 00000201 c328", "00000003 2c00 0badc0de"]);
    let failed = |stream_id, code, data| {
        let error = StreamFailure::Error { code: ErrorCode(code), data };
        Event::RequestFailed { stream_id: id(stream_id), error }
    };
    let not_utf8 = Bytes::from_static(b"\xc3\x28");
    talk.tells([failed(1, 0x201, not_utf8.clone()), failed(3, 0x0bad_c0de, Bytes::new())]);
    talk.is_calm();
    let error = StreamFailure::Error { code: ErrorCode::APPLICATION_ERROR, data: not_utf8 };
    assert_eq!(error.to_string(), "APPLICATION_ERROR: \u{fffd}(");
}

#[test]
fn what_comes_late_is_ignored() {
    let mut talk = Talk::client();
    talk.requests("a");
    talk.output();
    talk.hears([answer(1, "A")]);
    talk.tells([answered(1, "A")]);
    talk.hears([answer(1, "A"), error(1, ErrorCode::CANCELED, ""), cancel(1)]);
    // Malformed frames as well as well-formed ones: the metadata length exceeds the frame.
    talk.hears_hex(["00000001 2960 000009 41"]);
    talk.is_calm();
}

#[test]
fn a_request_of_ours_canceled_before_it_is_sent_never_is() {
    let mut talk = Talk::client();
    let (first, second, third) = (talk.requests("a"), talk.requests("b"), talk.requests("c"));
    talk.connection.cancel(second).unwrap();
    talk.says([request(first.get(), "a"), request(third.get(), "c")]);
    assert_eq!(talk.connection.open_streams(), 2);
    assert_eq!(talk.connection.cancel(second), Err(StreamError::NotOpen(second)));
    talk.is_calm();
}

#[test]
fn a_request_of_ours_canceled_after_it_was_sent_is_forgotten() {
    let mut talk = Talk::client();
    talk.requests("a");
    talk.output();
    talk.connection.cancel(id(1)).unwrap();
    talk.says_hex(["00000001 2400"]);
    assert_eq!(talk.connection.cancel(id(1)), Err(StreamError::NotOpen(id(1))));
    talk.hears([answer(1, "too late")]);
    talk.is_calm();
}

#[test]
fn answered_requests_and_the_peers_own_cannot_be_canceled() {
    let mut talk = Talk::client();
    talk.requests("a");
    talk.output();
    talk.hears([answer(1, "A"), request(2, "b")]);
    for stream_id in [1, 2, 3, 0].map(id) {
        assert_eq!(talk.connection.cancel(stream_id), Err(StreamError::NotOpen(stream_id)));
    }
    talk.says([]);
    talk.tells([answered(1, "A"), asked(2, "b")]);
}

#[test]
fn the_peer_may_cancel_at_any_point() {
    let mut talk = Talk::server();
    // Before the answer.
    talk.hears([request(1, "a"), cancel(1)]);
    talk.tells([asked(1, "a"), canceled(1)]);
    let not_open = Err(StreamError::NotOpen(id(1)));
    assert_eq!(talk.connection.respond(id(1), Payload::from_data("A")), not_open);
    talk.is_calm();
    // While the answer is queued beside another.
    talk.hears([request(3, "b"), request(5, "c"), request(7, "d")]);
    talk.events();
    talk.connection.respond(id(3), Payload::from_data("B")).unwrap();
    talk.connection.respond(id(5), Payload::from_data("C")).unwrap();
    talk.connection.reject(id(7), ErrorCode::APPLICATION_ERROR, "D").unwrap();
    talk.hears([cancel(3), cancel(7)]);
    talk.says([answer(5, "C")]);
    // After the answer was sent; twice; on streams never opened, on ours, and on stream 0.
    talk.hears([cancel(5), cancel(5), cancel(99), cancel(2), cancel(0)]);
    talk.is_calm();
}

#[test]
fn a_canceled_id_may_be_used_again() {
    let mut talk = Talk::server();
    talk.hears([request(1, "a"), cancel(1), request(1, "b")]);
    talk.tells([asked(1, "a"), canceled(1), asked(1, "b")]);
    talk.connection.respond(id(1), Payload::from_data("B")).unwrap();
    talk.says([answer(1, "B")]);
}

#[test]
fn a_long_text_is_cut_between_characters() {
    let mut talk = Talk::server();
    talk.hears([request(1, "a")]);
    let text = "x".to_owned() + &"é".repeat(40_000);
    talk.connection.reject(id(1), ErrorCode::APPLICATION_ERROR, &text).unwrap();
    talk.says([error(1, ErrorCode::APPLICATION_ERROR, &text[..64 * 1024 - 1])]);
}

#[test]
fn metadata_is_pushed_both_ways() {
    let mut talk = Talk::server();
    talk.connection.metadata_push(Bytes::from_static(b"m")).unwrap();
    talk.says_hex(["00000000 3100 6d"]);
    // Without flag M, as rsocket-js sends it; and on a stream, where it must be ignored.
    talk.hears_hex(["00000000 3100 6d", "00000000 3000 6d", "00000001 3100 6d"]);
    let pushed = Event::MetadataPush { metadata: Bytes::from_static(b"m") };
    talk.tells([pushed.clone(), pushed]);
    talk.is_calm();
}

#[test]
fn the_longest_payload_passes() {
    let mut talk = Talk::server();
    talk.hears([request(1, "a")]);
    talk.events();
    let data = Bytes::from(vec![0; framing::MAX_SENT_FRAME - 6]);
    talk.connection.respond(id(1), Payload::from_data(data)).unwrap();
    assert_eq!(talk.output_bytes().len(), 3 + framing::MAX_SENT_FRAME);
}
