use super::*;
use crate::rsocket::connection::{RequestError, StreamError, StreamFailure, TimerReason};

fn failed(stream_id: u32) -> Event {
    Event::RequestFailed { stream_id: id(stream_id), error: StreamFailure::Closed }
}

fn local(text: &str) -> CloseReason {
    CloseReason::Local { code: ErrorCode::CONNECTION_ERROR, message: text.to_owned() }
}

fn peer(code: ErrorCode, text: &str) -> CloseReason {
    CloseReason::PeerError { code, message: text.to_owned() }
}

#[test]
fn what_waits_is_sent_before_the_reason() {
    let mut talk = Talk::client();
    talk.hears([request(2, "a"), request(4, "b")]);
    talk.events();
    talk.requests("c");
    talk.connection.respond(id(2), Payload::from_data("A")).unwrap();
    talk.connection.fire_and_forget(Payload::from_data("last words")).unwrap();
    talk.connection.close(talk.now, ErrorCode::CONNECTION_ERROR, "Disposed");
    talk.tells([failed(1), canceled(4)]);
    assert!(!talk.connection.is_closed());
    assert!(!talk.connection.wants_input());
    talk.says_hex([
        "00000001 1000 63",
        "00000002 2860 41",
        "00000003 1400 6c61737420776f726473",
        "00000000 2c00 00000101 446973706f736564",
    ]);
    talk.tells([closed(local("Disposed"))]);
    assert!(talk.connection.is_closed());
}

#[test]
fn while_closing_nothing_is_heard_and_nothing_begun() {
    let mut talk = Talk::client();
    talk.connection.close(talk.now, ErrorCode::CONNECTION_ERROR, "Disposed");
    talk.connection.close(talk.now, ErrorCode::CONNECTION_CLOSE, "again");
    talk.hears([request(2, "a"), error(0, ErrorCode::CONNECTION_ERROR, "me too")]);
    assert!(!talk.input.is_empty());
    let error = talk.connection.request_response(Payload::default());
    assert_eq!(error, Err(RequestError::Closed));
    talk.says([Frame::error(id(0), ErrorCode::CONNECTION_ERROR, "Disposed")]);
    talk.tells([closed(local("Disposed"))]);
}

#[test]
fn a_peer_that_does_not_read_is_waited_for_no_longer_than_said() {
    let mut talk = Talk::client();
    talk.requests("a");
    talk.connection.close(talk.now, ErrorCode::CONNECTION_ERROR, "Disposed");
    let deadline = talk.now + Duration::from_secs(5);
    assert_eq!(talk.connection.next_timer(), Some((deadline, TimerReason::Close)));
    talk.passes(Duration::from_millis(4_999));
    assert!(!talk.connection.is_closed());
    talk.passes(Duration::from_millis(1));
    talk.tells([failed(1), closed(local("Disposed"))]);
    talk.says([]);
}

#[test]
fn a_server_closes_before_setup() {
    let mut talk = Talk::listening(Config::default());
    talk.connection.close(talk.now, ErrorCode::REJECTED_SETUP, "shutting down");
    talk.says([error(0, ErrorCode::REJECTED_SETUP, "shutting down")]);
    assert!(talk.connection.is_closed());
}

#[test]
fn the_peers_error_ends_all_at_once() {
    for code in [0x101, 0x201, 0xffff_ffff].map(ErrorCode) {
        let mut talk = Talk::client();
        talk.requests("a");
        talk.hears([request(2, "b"), error(0, code, "Disposed"), request(4, "c")]);
        talk.tells([asked(2, "b"), failed(1), canceled(2), closed(peer(code, "Disposed"))]);
        talk.says([]);
        assert!(talk.connection.is_closed());
    }
}

#[test]
fn the_peers_text_is_read_as_far_as_it_goes() {
    let mut talk = Talk::client();
    let mut bytes = unhex("00000000 2c00 00000101 c328").to_vec();
    bytes.resize(5000, b'x');
    talk.connection.handle_frame(talk.now, bytes.into());
    let message = "\u{fffd}(".to_owned() + &"x".repeat(1022);
    talk.tells([closed(peer(ErrorCode::CONNECTION_ERROR, &message))]);
}

#[test]
fn connection_close_waits_for_the_streams_of_both_sides() {
    let close = error(0, ErrorCode::CONNECTION_CLOSE, "bye");
    let mut talk = Talk::client();
    talk.requests("a");
    talk.output();
    talk.hears([request(2, "b"), close]);
    talk.tells([asked(2, "b")]);
    talk.is_calm();
    for error in [
        talk.connection.request_response(Payload::default()),
        talk.connection.fire_and_forget(Payload::default()),
    ] {
        assert_eq!(error, Err(RequestError::Closed));
    }
    talk.hears([answer(1, "A")]);
    talk.tells([answered(1, "A")]);
    talk.is_calm();
    talk.connection.respond(id(2), Payload::from_data("B")).unwrap();
    assert!(!talk.connection.is_closed(), "the answer waits to be sent");
    talk.says([answer(2, "B")]);
    talk.tells([closed(peer(ErrorCode::CONNECTION_CLOSE, "bye"))]);
    assert!(talk.connection.is_closed());
}

#[test]
fn connection_close_ends_an_idle_connection_and_what_follows_is_not_heard() {
    let close = || error(0, ErrorCode::CONNECTION_CLOSE, "");
    let mut talk = Talk::server();
    talk.hears([close(), fnf(1, "a")]);
    talk.tells([closed(peer(ErrorCode::CONNECTION_CLOSE, ""))]);
    // The same while an echo is queued: when it is sent must make no difference.
    let mut talk = Talk::server();
    talk.hears([keepalive(true, "x"), close(), fnf(1, "a"), keepalive(true, "y")]);
    talk.tells([]);
    talk.says([keepalive(false, "x")]);
    talk.tells([closed(peer(ErrorCode::CONNECTION_CLOSE, ""))]);
}

#[test]
fn connection_close_ends_with_the_last_stream_however_that_ends() {
    let close = || error(0, ErrorCode::CONNECTION_CLOSE, "");
    let over = || closed(peer(ErrorCode::CONNECTION_CLOSE, ""));
    // We cancel our request before it was sent.
    let mut talk = Talk::client();
    talk.requests("a");
    talk.hears([close()]);
    talk.connection.cancel(id(1)).unwrap();
    talk.tells([over()]);
    // The peer cancels its request.
    let mut talk = Talk::client();
    talk.hears([request(2, "b"), close(), cancel(2)]);
    talk.tells([asked(2, "b"), canceled(2), over()]);
    // We reject the peer's request.
    let mut talk = Talk::client();
    talk.hears([request(2, "b"), close()]);
    talk.connection.reject(id(2), ErrorCode::REJECTED, "").unwrap();
    talk.says([error(2, ErrorCode::REJECTED, "")]);
    talk.tells([asked(2, "b"), over()]);
    // The transport ends.
    let mut talk = Talk::client();
    talk.hears([request(2, "b"), close()]);
    talk.connection.handle_eof(talk.now);
    talk.tells([asked(2, "b"), canceled(2), over()]);
    // We close the connection.
    let mut talk = Talk::client();
    talk.hears([request(2, "b"), close()]);
    talk.connection.close(talk.now, ErrorCode::CONNECTION_ERROR, "enough");
    talk.says([error(0, ErrorCode::CONNECTION_ERROR, "enough")]);
    talk.tells([asked(2, "b"), canceled(2), closed(local("enough"))]);
}

#[test]
fn a_transport_that_fails_is_the_reason() {
    let mut talk = Talk::client();
    talk.requests("a");
    talk.hears_bytes(&[0, 0, 7, 1]);
    talk.connection.handle_transport_failed(talk.now, "reset");
    let reason = CloseReason::Transport { error: "reset".to_owned(), unfinished: 4 };
    assert_eq!(reason.to_string(), "the transport failed: reset");
    assert!(!reason.is_ordinary());
    talk.tells([failed(1), closed(reason)]);
}

#[test]
fn the_end_of_the_transport_ends_all() {
    let mut talk = Talk::client();
    talk.requests("a");
    talk.hears([request(2, "b")]);
    talk.hears_bytes(&[0, 0, 7, 1]);
    talk.connection.handle_eof(talk.now);
    let reason = CloseReason::Eof { unfinished: 4 };
    assert_eq!(reason.to_string(), "the peer closed the connection 4 bytes into a frame");
    talk.tells([asked(2, "b"), failed(1), canceled(2), closed(reason)]);
    talk.says([]);

    let mut talk = Talk::listening(Config::default());
    talk.connection.handle_eof(talk.now);
    talk.tells([closed(CloseReason::Eof { unfinished: 0 })]);
}

#[test]
fn the_end_of_the_transport_does_not_hide_the_reason() {
    let mut talk = Talk::client();
    talk.connection.close(talk.now, ErrorCode::CONNECTION_ERROR, "Disposed");
    talk.connection.handle_eof(talk.now);
    talk.tells([closed(local("Disposed"))]);
    talk.says([]);
}

#[test]
fn after_closed_there_is_nothing() {
    let mut talk = Talk::client();
    talk.requests("a");
    talk.connection.handle_eof(talk.now);
    assert_eq!(talk.events().len(), 2);
    let (now, connection) = (talk.now + Duration::from_secs(1_000_000), &mut talk.connection);
    let mut input = BytesMut::from(&[0, 0, 6, 0, 0, 0, 2, 0x10, 0][..]);
    connection.handle_input(now, &mut input);
    assert_eq!(input.len(), 9);
    connection.handle_frame(now, Bytes::from_static(&[0xff]));
    connection.handle_timeout(now);
    connection.handle_eof(now);
    connection.close(now, ErrorCode::CONNECTION_ERROR, "");
    let payload = Payload::default();
    assert_eq!(connection.request_response(payload.clone()), Err(RequestError::Closed));
    assert_eq!(connection.fire_and_forget(payload.clone()), Err(RequestError::Closed));
    assert_eq!(connection.metadata_push(Bytes::new()), Err(RequestError::Closed));
    let not_open = Err(StreamError::NotOpen(id(1)));
    assert_eq!(connection.cancel(id(1)), not_open);
    assert_eq!(connection.respond(id(1), payload), not_open);
    assert_eq!(connection.complete(id(1)), not_open);
    assert_eq!(connection.reject(id(1), ErrorCode::CANCELED, ""), not_open);
    assert_eq!((connection.poll_timeout(), connection.next_timer()), (None, None));
    assert!(connection.is_closed() && !connection.wants_input());
    assert_eq!(connection.open_streams(), 0);
    talk.says([]);
    talk.tells([]);
}
