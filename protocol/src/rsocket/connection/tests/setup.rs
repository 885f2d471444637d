use super::*;
use crate::rsocket::connection::{RequestError, Role, TimerReason};
use crate::rsocket::frame::Version;

/// The SETUP of rsocket-java: version 1.0, keepalive 20 s, lifetime 90 s, `application/binary` for both MIME types.
const JAVA: &str = "00000000 0400 00010000 00004e20 00015f90
    12 6170706c69636174696f6e2f62696e617279 12 6170706c69636174696f6e2f62696e617279";

#[test]
fn javas_setup_is_accepted_in_silence() {
    let mut talk = Talk::listening(Config::default());
    talk.hears_hex([JAVA]);
    talk.tells([Event::SetupReceived { setup: Box::default() }]);
    talk.is_calm();
    assert_eq!(talk.connection.role(), Role::Server);
}

#[test]
fn a_client_sends_it_before_anything_else() {
    let mut talk = Talk::listening(Config::default());
    let setup = Setup::default();
    talk.connection = Connection::client(Config::default(), setup, talk.now).unwrap();
    talk.requests("early");
    talk.connection.metadata_push(Bytes::from_static(b"m")).unwrap();
    talk.says_hex([JAVA, "00000000 3100 6d", "00000001 1000 6561726c79"]);
}

#[test]
fn its_payload_reaches_the_owner() {
    let payload = Payload::new("", "hello");
    let setup = Setup { payload, ..Setup::default() };
    Talk::server_after(Config::default(), setup);
}

#[test]
fn each_bad_one_gets_its_code() {
    let setup = |setup| Frame::on_connection(Body::Setup(Box::new(setup)));
    let version = Version { major: 1, minor: 1 };
    let resume = |version| {
        Frame::on_connection(Body::Resume {
            version,
            token: Bytes::from_static(b"t"),
            last_received_server_position: 0,
            first_available_client_position: 0,
        })
    };
    let token = Some(Bytes::from_static(b"t"));
    let mut on_stream = setup(Setup::default());
    on_stream.stream_id = id(1);
    for (frame, code, text) in [
        (setup(Setup { version, ..Setup::default() }), 0x001, "Unsupported version: 1.1"),
        (setup(Setup { lease: true, ..Setup::default() }), 0x002, "lease is not supported"),
        (setup(Setup { resume_token: token, ..Setup::default() }), 0x003, "resume not supported"),
        (resume(Version::V1_0), 0x004, "resume not supported"),
        (resume(version), 0x001, "Unsupported version: 1.1"),
        (on_stream, 0x001, "SETUP on stream 1"),
        (request(1, "x"), 0x001, "SETUP or RESUME frame must be received before any others"),
        (keepalive(true, ""), 0x001, "SETUP or RESUME frame must be received before any others"),
        (
            error(0, ErrorCode::CONNECTION_ERROR, ""),
            0x001,
            "SETUP or RESUME frame must be received before any others",
        ),
    ] {
        let mut talk = Talk::listening(Config::default());
        talk.hears([frame]);
        talk.says([error(0, ErrorCode(code), text)]);
        let events = talk.events();
        let [Event::Closed { reason: CloseReason::Violation(violation) }] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!((violation.code(), violation.to_string().as_str()), (ErrorCode(code), text));
        assert!(talk.connection.is_closed());
    }
}

#[test]
fn what_cannot_be_read_is_no_setup() {
    for (hex, why) in [
        ("", "frame: frame header takes 6 bytes, 0 left"),
        ("0000000004", "frame: frame header takes 6 bytes, 5 left"),
        ("00000000 0400 0001", "SETUP on stream 0: version takes 4 bytes, 2 left"),
        // An unknown type, even with flag I.
        ("00000000 4200", "frame on stream 0: unknown frame type 0x10"),
    ] {
        let mut talk = Talk::listening(Config::default());
        talk.hears_hex([hex]);
        let [frame] = &talk.output()[..] else { panic!("{hex}") };
        let Body::Error { code: ErrorCode::INVALID_SETUP, data } = &frame.body else {
            panic!("{frame:?}")
        };
        let text = std::str::from_utf8(data).unwrap();
        assert!(text.starts_with(&format!("not an RSocket SETUP: {why}")), "{text}");
        assert!(talk.connection.is_closed());
    }
}

#[test]
fn other_protocols_are_refused_on_sight() {
    for (start, foreign) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], Foreign::HttpRequest),
        (b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", Foreign::WebSocketUpgrade),
        (b"HTTP/1.1 200 OK\r\n", Foreign::HttpResponse),
        (b"\x16\x03\x01\x02\x00\x01", Foreign::TlsClientHello),
        (b"\x15\x03\x01\x00\x02\x02\x46", Foreign::TlsAlert),
        (b"SSH-2.0", Foreign::Ssh),
        (b"PROXY TCP4 ", Foreign::ProxyHeader),
    ] {
        for cut in 0..4 {
            let mut talk = Talk::listening(Config::default());
            talk.hears_bytes(&start[..cut]);
            talk.is_calm();
            talk.hears_bytes(&start[cut..]);
            let ended = talk.ends_by(Violation::NotRsocket(foreign), ErrorCode::INVALID_SETUP);
            assert_eq!(ended, []);
        }
        let mut talk = Talk::listening(Config::default());
        start.iter().for_each(|byte| talk.hears_bytes(&[*byte]));
        talk.ends_by(Violation::NotRsocket(foreign), ErrorCode::INVALID_SETUP);
    }
    let mut talk = Talk::listening(Config::default());
    talk.hears_bytes(b"what?");
    let text = "frame of 7825505 bytes is over the limit of 65536".to_owned();
    talk.ends_by(Violation::NotSetup(text), ErrorCode::INVALID_SETUP);
}

/// The connection waits for no more bytes than it takes to identify the protocol, and the setup timeout still ends it.
#[test]
fn another_protocol_that_stops_short_is_told_at_the_end() {
    let mut talk = Talk::listening(Config::default());
    talk.hears_bytes(b"GET / HTTP/1.1\r\nHo");
    talk.is_calm();
    talk.connection.handle_eof(talk.now);
    let reason = CloseReason::NotRsocket(Foreign::HttpRequest);
    let text = "the peer does not speak RSocket: it sent an HTTP request";
    assert_eq!((reason.to_string().as_str(), reason.is_ordinary()), (text, false));
    talk.tells([closed(reason)]);

    let mut talk = Talk::listening(Config::default());
    talk.hears_bytes(b"GET / HTTP/1.1\r\nHo");
    talk.passes(Duration::from_secs(60));
    let violation = Violation::NotRsocket(Foreign::HttpRequest);
    assert_eq!(violation.to_string(), "not RSocket, but an HTTP request");
    talk.ends_by(violation, ErrorCode::INVALID_SETUP);
}

/// A client accepts longer frames, so it notices when the server closes, or at its own limit.
#[test]
fn a_client_says_what_its_server_speaks() {
    for (bytes, foreign) in [
        (&b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"[..], Foreign::HttpResponse),
        (b"\x15\x03\x03\x00\x02\x02\x0a", Foreign::TlsAlert),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Foreign::Ssh),
    ] {
        let mut talk = Talk::client();
        talk.hears_bytes(bytes);
        talk.is_calm();
        talk.connection.handle_eof(talk.now);
        let reason = CloseReason::NotRsocket(foreign);
        assert_eq!(reason.foreign(), Some(foreign));
        talk.tells([closed(reason)]);

        let config = Config { max_frame_len: 100_000, ..Config::default() };
        let mut talk = Talk::client_with(config, Setup::default());
        talk.hears_bytes(bytes);
        talk.ends_by(Violation::NotRsocket(foreign), ErrorCode::INVALID_SETUP);
    }
    // After a whole frame, the same bytes are part of a frame.
    let mut talk = Talk::client();
    talk.hears([keepalive(false, "")]);
    talk.hears_bytes(b"HTTP/1.1 ");
    talk.connection.handle_eof(talk.now);
    talk.tells([closed(CloseReason::Eof { unfinished: 9 })]);
}

#[test]
fn its_length_is_limited_to_the_byte() {
    for (room, is_accepted) in [(0, true), (1, false)] {
        let setup = Setup { payload: Payload::from_data(vec![7; 100]), ..Setup::default() };
        let frame = Frame::on_connection(Body::Setup(Box::new(setup)));
        let max_setup_len = frame.encoded_len() - room;
        let mut talk = Talk::listening(Config { max_setup_len, ..Config::default() });
        talk.hears([frame]);
        assert_eq!(talk.output().is_empty(), is_accepted);
        assert_eq!(talk.connection.is_closed(), !is_accepted);
    }
}

#[test]
fn half_of_one_then_silence_times_out() {
    let mut talk = Talk::listening(Config::default());
    let mut wire = BytesMut::new();
    framing::encode_prefixed(
        &Frame::on_connection(Body::Setup(Box::<Setup>::default())),
        &mut wire,
    )
    .unwrap();
    assert_eq!(
        talk.connection.next_timer(),
        Some((talk.now + Duration::from_secs(60), TimerReason::Setup))
    );
    // Neither bytes nor early calls extend the deadline.
    for byte in &wire[..wire.len() - 1] {
        talk.hears_bytes(&[*byte]);
        talk.passes(Duration::from_secs(1));
        talk.is_calm();
    }
    talk.passes(Duration::from_secs(60) - Duration::from_secs(wire.len() as u64 - 1));
    talk.says([error(0, ErrorCode::INVALID_SETUP, "no SETUP within 60s")]);
    talk.tells([closed(CloseReason::SetupTimeout { after: Duration::from_secs(60) })]);
    talk.hears_bytes(&wire[wire.len() - 1..]);
    talk.tells([]);
}

#[test]
fn a_second_one_is_ignored_by_either_side() {
    let again = Setup { keepalive_ms: 1, lease: true, ..Setup::default() };
    for mut talk in [Talk::server(), Talk::client()] {
        talk.hears([Frame::on_connection(Body::Setup(Box::new(again.clone())))]);
        talk.is_calm();
        talk.requests("still here");
    }
}

#[test]
fn only_a_client_takes_its_rejection() {
    for code in 1..=4 {
        let mut server = Talk::server();
        server.hears([error(0, ErrorCode(code), "no")]);
        server.is_calm();

        let mut client = Talk::client();
        client.hears([error(0, ErrorCode(code), "no")]);
        let (code, message) = (ErrorCode(code), "no".to_owned());
        client.tells([closed(CloseReason::PeerError { code, message })]);
        assert!(client.connection.is_closed());
    }
}

#[test]
fn the_owner_may_turn_it_away_after_all() {
    let mut talk = Talk::server();
    talk.connection.close(talk.now, ErrorCode::REJECTED_SETUP, "not you");
    talk.says_hex(["00000000 2c00 00000003 6e6f7420796f75"]);
    assert!(talk.connection.is_closed());
}

#[test]
fn nothing_is_requested_before_it() {
    let mut talk = Talk::listening(Config::default());
    let payload = Payload::from_data("x");
    let connection = &mut talk.connection;
    assert_eq!(connection.request_response(payload.clone()), Err(RequestError::NotSetUp));
    assert_eq!(connection.fire_and_forget(payload), Err(RequestError::NotSetUp));
    assert_eq!(connection.metadata_push(Bytes::new()), Err(RequestError::NotSetUp));
    talk.is_calm();
}

#[test]
fn one_that_cannot_be_sent_makes_no_client() {
    let metadata_mime = Bytes::from(vec![b'a'; 256]);
    let setup = Setup { metadata_mime, ..Setup::default() };
    let error = Connection::client(Config::default(), setup, epoch()).unwrap_err();
    assert_eq!(error.to_string(), "metadata MIME type of 256 bytes is over its limit of 255");
}
