//! The frame codec.

use crate::forge;
use crate::input::Input;
use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::rsocket::connection::{Config, Credit, Event, Framing};
use prometheus_rsocket_protocol::rsocket::frame::{
    Body, DecodeError, DecodeErrorKind, Frame, Setup,
};
use prometheus_rsocket_protocol::{Connection, Machine, Payload};
use prometheus_rsocket_testkit::world::epoch;

/// Any bytes are a frame that is written as it is read, or an error that names what is wrong and where. Any frame is read as
/// it is written. What is cut into fragments is joined to what it was.
pub fn frame(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() {
        0..128 => bytes(Bytes::copy_from_slice(input.rest())),
        128..192 => value(&forge::frame(&mut input)),
        _ => fragments(&mut input),
    }
}

fn bytes(bytes: Bytes) {
    match Frame::decode(bytes.clone()) {
        Ok(frame) => {
            let written = encode(&frame);
            assert_eq!(Frame::decode(written.clone()).as_ref(), Ok(&frame));
            assert_eq!(encode(&frame), written);
            // Reserved bits are cleared, nothing else is lost: the same header but for flags, and no byte more.
            assert!(written.len() <= bytes.len(), "{frame:?} has grown");
            assert_eq!(written[4] & 0xfc, bytes[4] & 0xfc, "another type");
            assert_eq!(written[1..4], bytes[1..4], "another stream");
        }
        Err(error) => wrong(&bytes, &error),
    }
}

/// An error says what is wrong, and where.
fn wrong(bytes: &Bytes, error: &DecodeError) {
    let id = bytes.first_chunk().map(|id| u32::from_be_bytes(*id) & 0x7fff_ffff);
    let header = (bytes.len() >= 6).then_some(()).and(id);
    assert_eq!(error.stream_id.map(|id| id.get()), header, "{error}");
    match error.kind {
        DecodeErrorKind::Truncated { field, needed, available } => {
            assert!(!field.is_empty() && available < needed && available <= bytes.len());
            assert!(error.to_string().contains(field));
            // With what is missing, this field is not what is wrong any more.
            let mut longer = bytes.to_vec();
            longer.resize(bytes.len() + (needed - available).min(0x1_0000), 0);
            if needed - available <= 0x1_0000 {
                let again = Frame::decode(longer.into()).err().map(|error| error.kind);
                let is_same = matches!(again, Some(DecodeErrorKind::Truncated { field: same, needed: n, .. })
                    if same == field && n == needed);
                assert!(!is_same, "{error}, and again");
            }
        }
        DecodeErrorKind::UnknownType { code, can_ignore } => {
            assert_eq!((code, can_ignore), (bytes[4] >> 2, bytes[4] & 2 != 0));
            assert_eq!(error.frame_type, None);
        }
        _ => {}
    }
}

/// What is beyond the bits of a number is not written.
fn value(frame: &Frame) {
    let read = Frame::decode(encode(frame)).expect("what is written can be read");
    assert_eq!(read.body.frame_type(), frame.body.frame_type());
    assert_eq!((read.stream_id, read.can_ignore), (frame.stream_id, frame.can_ignore));
    assert_eq!(encode(&read), encode(frame));
    if has_no_wide_number(&frame.body) {
        assert_eq!(&read, frame);
    }
}

fn has_no_wide_number(body: &Body) -> bool {
    match body {
        Body::RequestN { n: number }
        | Body::RequestStream { initial_n: number, .. }
        | Body::RequestChannel { initial_n: number, .. }
        | Body::Ext { extended_type: number, .. } => number >> 31 == 0,
        Body::Lease { ttl_ms, requests, .. } => (ttl_ms | requests) >> 31 == 0,
        Body::Setup(setup) => (setup.keepalive_ms | setup.max_lifetime_ms) >> 31 == 0,
        Body::KeepAlive { position, .. }
        | Body::ResumeOk { last_received_client_position: position } => position >> 63 == 0,
        Body::Resume {
            last_received_server_position: one,
            first_available_client_position: other,
            ..
        } => (one | other) >> 63 == 0,
        _ => true,
    }
}

fn encode(frame: &Frame) -> Bytes {
    let mut out = BytesMut::new();
    frame.encode(&mut out).expect("within its limits");
    assert_eq!(out.len(), frame.encoded_len());
    out.freeze()
}

/// One of ours says a payload in fragments, and another hears it.
fn fragments(input: &mut Input<'_>) {
    let mut config = Config::default();
    config.framing = Framing::Messages;
    config.mtu = Some(usize::from(input.byte()));
    let kind = input.below(4);
    let metadata = input.flag().then(|| filler(input, 1));
    let payload = Payload { metadata, data: filler(input, 2) };
    let (now, credit) = (epoch(), Credit::new(1).expect("not 0"));
    let setup = Setup::default();
    let mut client = Connection::client(config.clone(), setup, now).expect("a good SETUP");
    let mut server = Connection::server(config.clone(), now);
    let sent = match kind {
        0 => client.request_response(payload.clone()),
        1 => client.fire_and_forget(payload.clone()),
        2 => client.request_stream(payload.clone(), credit),
        _ => client.request_channel(payload.clone(), credit, true),
    };
    sent.expect("room for one");
    let limit = config.mtu.map_or(usize::MAX, |mtu| mtu.max(64) - 3);
    let mut output = BytesMut::new();
    let mut frames = 0;
    for at in 0.. {
        if !client.poll_transmit(now, &mut output) {
            break;
        }
        assert!(at == 0 || output.len() <= limit, "a fragment of {} bytes", output.len());
        server.handle_frame(now, output.split().freeze());
        frames = at;
    }
    assert!(matches!(server.poll_event(), Some(Event::SetupReceived { .. })));
    let heard = match server.poll_event() {
        Some(Event::RequestResponse { payload, .. }) if kind == 0 => payload,
        Some(Event::FireAndForget { payload, .. }) if kind == 1 => payload,
        Some(Event::RequestStream { payload, .. }) if kind == 2 => payload,
        // The end of what goes in fragments comes behind them.
        Some(Event::RequestChannel { payload, complete, .. }) if kind == 3 => {
            assert_eq!(complete, frames == 1);
            payload
        }
        event => panic!("{event:?}"),
    };
    assert_eq!(heard, payload, "not what was cut");
    if kind == 3 && frames > 1 {
        assert!(matches!(server.poll_event(), Some(Event::Completed { .. })));
    }
    assert_eq!(server.poll_event(), None);
}

/// Some bytes, and then more of them.
fn filler(input: &mut Input<'_>, step: u8) -> Bytes {
    let mut bytes = input.bytes().to_vec();
    let more = usize::from(input.byte()) * 8;
    bytes.extend((0..more).map(|at| (at as u8).wrapping_mul(step)));
    bytes.into()
}
