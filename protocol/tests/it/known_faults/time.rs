//! Who is alive.

use crate::talk::{Talk, credit, error, fragment, keepalive, next, request};
use prometheus_rsocket_protocol::rsocket::connection::{CloseReason, Config, Event, StreamFailure};
use prometheus_rsocket_protocol::rsocket::frame::{Body, ErrorCode, Frame, Setup};
use prometheus_rsocket_protocol::{Machine, Payload};
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(20);
const LIFETIME: Duration = Duration::from_secs(90);

/// rsocket-java #712, #640, #617, #1097; scalecube #614.
#[test]
fn row_09_a_peer_that_is_busy_is_not_dead() {
    let mut talk = Talk::client(&Config::default());
    talk.connection.request_stream(Payload::default(), credit(1_000)).unwrap();
    talk.says();
    // It sends payloads or fragments, and has no time for KEEPALIVE.
    for frame in [next(1, ""), fragment(1, "x"), error(1, ErrorCode::INVALID, "")] {
        talk.passes(LIFETIME - Duration::from_millis(1));
        talk.hears([frame]);
    }
    // Nor is it, while it is us who do not listen.
    let mut config = Config::default();
    config.max_events = 1;
    let mut busy = Talk::server(&config);
    busy.hears([request(1, ""), keepalive(true, "still there")]);
    busy.passes(10 * LIFETIME);
    for talk in [&mut talk, &mut busy] {
        let is_over = talk.told().iter().any(|event| matches!(event, Event::Closed { .. }));
        assert!(!is_over && talk.connection.wants_input());
    }
    // One that sends a long frame byte by byte is taken for dead: it could stay for ever by that.
    let long = [&[0, 1, 0][..], &[0; 256]].concat();
    for bytes in long[..100].chunks(10) {
        talk.passes(LIFETIME / 10);
        talk.hears_bytes(bytes);
    }
    assert!(!talk.connection.wants_input());
}

/// rsocket-java PR#1118.
#[test]
fn row_10_a_keepalive_timeout_closes_and_fails_everything() {
    let mut talk = Talk::client(&Config::default());
    let asked = talk.connection.request_response(Payload::default()).unwrap();
    let stream = talk.connection.request_stream(Payload::default(), credit(1)).unwrap();
    talk.says();
    talk.passes(LIFETIME - Duration::from_millis(1));
    assert_eq!(talk.told(), []);
    talk.passes(Duration::from_millis(1));
    let failed = [asked, stream]
        .map(|stream_id| Event::RequestFailed { stream_id, error: StreamFailure::Closed });
    assert_eq!(talk.told(), failed);
    let said = talk.says();
    let text = "no keep-alive acks for 90s";
    assert_eq!(said.last(), Some(&error(0, ErrorCode::CONNECTION_ERROR, text)));
    let reason = CloseReason::KeepAliveTimeout { after: LIFETIME };
    assert_eq!(talk.told(), [Event::Closed { reason }]);
    // The driver closes the socket.
    assert!(talk.connection.is_closed() && talk.connection.poll_timeout().is_none());

    // Also where the peer does not read.
    let mut talk = Talk::client(&Config::default());
    talk.passes(LIFETIME);
    talk.passes(Config::default().close_timeout);
    assert!(talk.connection.is_closed());
}

/// rsocket-java #1128; rsocket-cpp PR#912.
#[test]
fn row_11_a_server_answers_in_any_case_and_ticks_if_it_should() {
    for ticks in [true, false] {
        let mut config = Config::default();
        config.keepalive_as_server = ticks;
        let mut talk = Talk::server(&config);
        talk.hears([keepalive(true, "a"), keepalive(false, "b"), keepalive(true, "c")]);
        assert_eq!(talk.says(), [keepalive(false, "a"), keepalive(false, "c")]);
        talk.passes(INTERVAL);
        assert_eq!(talk.says(), vec![keepalive(true, ""); usize::from(ticks)]);
        talk.passes(LIFETIME);
        assert!(!talk.connection.wants_input(), "silence ends it all the same");
    }
    // A client that never ticks is answered, too (rsocket-java does not).
    let mut talk = Talk::listening(&Config::default());
    let setup = Body::Setup(Box::new(Setup { keepalive_ms: 0, ..Setup::default() }));
    talk.hears([Frame::on_connection(setup), keepalive(true, "d")]);
    assert_eq!(talk.says(), [keepalive(false, "d")]);
}
