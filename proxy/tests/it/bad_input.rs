use super::world::{World, exchange};
use crate::app::App;
use bytes::BytesMut;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::envelope::{
    AesKeySize, KeyUnwrap, PeerKey, RsaKeyPair, SecretKey, encrypt, seal,
};
use prometheus_rsocket_protocol::rsocket::frame::{
    Body, ErrorCode, Frame, Setup, StreamId, Version,
};
use prometheus_rsocket_protocol::rsocket::framing::{
    MAX_RECEIVED_FRAME, encode_prefixed, split_frame,
};

fn connection_errors(cause: &str) -> String {
    format!("prometheus_proxy_connection_error_total{{cause=\"{cause}\"}}")
}

/// The ERROR frame on stream 0 that an answer ends with.
fn error_of(answer: &[u8]) -> (ErrorCode, String) {
    let mut answer = BytesMut::from(answer);
    let mut last = None;
    while let Some(frame) = split_frame(&mut answer, MAX_RECEIVED_FRAME).unwrap() {
        last = Some(Frame::decode(frame).unwrap());
    }
    match last {
        Some(Frame {
            stream_id: StreamId::CONNECTION, body: Body::Error { code, data }, ..
        }) => (code, String::from_utf8(data.to_vec()).unwrap()),
        other => panic!("an ERROR frame was expected, not {other:?}"),
    }
}

fn prefixed(frame: &Frame) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    encode_prefixed(frame, &mut bytes).unwrap();
    bytes.to_vec()
}

fn setup() -> Vec<u8> {
    prefixed(&Frame::on_connection(Body::Setup(Box::<Setup>::default())))
}

#[test]
fn what_is_not_rsocket_is_told_so_and_disturbs_nobody() {
    let world = World::start(&["--setup-timeout=1s"]);
    let mut steady = App::connect(world.tcp);

    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\x02\x00\x01", b"\0\0\x05rubbi"] {
        let (code, message) = error_of(&exchange(world.tcp, bytes));
        assert_eq!(code, ErrorCode::INVALID_SETUP);
        assert!(message.starts_with("not RSocket") || message.starts_with("not an RSocket SETUP"));
    }
    assert_eq!(world.own(&connection_errors("not_rsocket")), 3.0);

    let version = Version { major: 1, minor: 1 };
    let other = Setup { version, ..Setup::default() };
    let answer =
        exchange(world.tcp, &prefixed(&Frame::on_connection(Body::Setup(Box::new(other)))));
    let expected = (ErrorCode::INVALID_SETUP, "Unsupported version: 1.1".to_owned());
    assert_eq!(error_of(&answer), expected);
    assert_eq!(world.own(&connection_errors("setup_version")), 1.0);

    // Half a frame, then silence.
    let (code, message) = error_of(&exchange(world.tcp, &setup()[..20]));
    assert_eq!((code, &*message), (ErrorCode::INVALID_SETUP, "no SETUP within 1s"));
    assert_eq!(world.own(&connection_errors("setup_timeout")), 1.0);

    let malformed = exchange(world.http, b"\0\x01 this is no HTTP\r\n\r\n");
    assert!(malformed.starts_with(b"HTTP/1.1 400"));
    world.wait_own("prometheus_proxy_http_malformed_total", 1.0);

    let scraping = world.scrape();
    steady.answer_text("steady 1\n");
    assert_eq!(scraping.text(), "steady 1\n");
}

#[test]
fn a_frame_longer_than_allowed_is_refused_before_it_comes() {
    let world = World::start(&["--max-frame-bytes=4096"]);
    let mut bytes = setup();
    bytes.extend_from_slice(&[0, 0x10, 0x01]);
    let answer = exchange(world.tcp, &bytes);
    let (code, message) = error_of(&answer);
    assert_eq!(code, ErrorCode::CONNECTION_ERROR);
    assert!(message.contains("4097") && message.contains("4096"), "{message}");
    world.wait_own(&connection_errors("frame_too_long"), 1.0);
}

/// A payload whose Snappy block is given, sealed by hand.
fn sealed_block(key: &[u8], block: &[u8]) -> Payload {
    let secret = SecretKey::new(vec![5; 16]).unwrap();
    let keys = PeerKey::parse(key).unwrap();
    let wrapped = keys.wrap(&secret, [6; 32]).unwrap();
    Payload::new(wrapped, encrypt(&secret, block))
}

#[test]
fn metrics_that_cannot_be_served_cost_only_their_sender() {
    let world = World::start(&["--max-series=2"]);
    let mut bad = App::connect(world.tcp);
    let mut good = App::connect(world.tcp);
    let other = RsaKeyPair::generate(2048, [8; 32]).unwrap();
    let other = PeerKey::parse(&other.public_key()).unwrap();
    let four_gib = [0xff, 0xff, 0xff, 0xff, 0x0f, 0];
    let cases = [
        ("unwrap", seal(&other, b"a 1\n", AesKeySize::Aes128, [7; 32]).unwrap()),
        ("decrypt", Payload { data: vec![3; 33].into(), ..bad.sealed(b"a 1\n") }),
        ("too_large", sealed_block(&bad.key, &four_gib)),
        ("decompress", sealed_block(&bad.key, &[4, 0xff])),
        ("not_utf8", bad.sealed(b"a{b=\"\xff\"} 1\n")),
        ("exposition", bad.sealed(b"a 1\nthis is } no metric\n")),
        ("too_large", bad.sealed(b"a 1\nb 2\nc 3\n")),
        ("no_metadata", Payload::from_data("a 1\n")),
        ("plaintext_refused", Payload::new("plaintext", "a 1\n")),
    ];
    for (cause, payload) in cases {
        let series = format!("prometheus_proxy_application_error_total{{cause=\"{cause}\"}}");
        let before = world.own(&series);
        let scraping = world.scrape();
        bad.answer(payload);
        good.answer_text("good 1\n");
        assert_eq!(scraping.text(), "good 1\n", "{cause}");
        assert_eq!(world.own(&series), before + 1.0, "{cause}");
    }
    let scraping = world.scrape();
    bad.answer_text("bad 1\n");
    good.answer_text("good 1\n");
    assert_eq!(scraping.text(), "bad 1\ngood 1\n", "it is asked again each time");
}
