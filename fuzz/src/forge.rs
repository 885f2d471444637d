//! Frames as a peer that means harm might send them, from a fuzzer's bytes.

use crate::input::Input;
use bytes::Bytes;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::frame::{
    Body, ErrorCode, Frame, Setup, StreamId, Version,
};

/// A frame of any type; mostly on one of the first streams.
pub(crate) fn frame(input: &mut Input<'_>) -> Frame {
    let flags = input.byte();
    let body = match input.below(16) {
        0 => Body::Setup(Box::new(setup(input, flags))),
        1 => Body::Lease {
            ttl_ms: input.some(250),
            requests: input.some(8),
            metadata: input.optional(),
        },
        2 => Body::KeepAlive {
            respond: flags & 1 != 0,
            position: position(input),
            data: input.owned(),
        },
        3 => Body::MetadataPush { metadata: input.owned() },
        4 => Body::Resume {
            version: version(input),
            token: token(input),
            last_received_server_position: position(input),
            first_available_client_position: position(input),
        },
        5 => Body::ResumeOk { last_received_client_position: position(input) },
        6 => Body::Ext { extended_type: input.some(8), payload: payload(input) },
        7 => {
            let body = Body::Error { code: code(input), data: input.owned() };
            return Frame::on_connection(body);
        }
        kind => stream_body(input, kind, flags),
    };
    let about_connection = matches!(
        body,
        Body::Setup(_)
            | Body::Lease { .. }
            | Body::KeepAlive { .. }
            | Body::MetadataPush { .. }
            | Body::Resume { .. }
            | Body::ResumeOk { .. }
    );
    // Flag I, and the wrong kind of stream, are rare.
    let is_odd = flags & 0xe0 == 0xe0;
    let stream_id = if about_connection != is_odd { StreamId::CONNECTION } else { stream(input) };
    Frame { stream_id, can_ignore: flags & 0xd0 == 0xd0, body }
}

/// One of the frames that streams are made of, on one of few streams.
pub(crate) fn stream_frame(input: &mut Input<'_>) -> Frame {
    let (flags, kind, stream) = (input.byte(), input.below(8), input.below(7));
    let id = StreamId::new(stream as u32 + 1);
    Frame::new(id, stream_body(input, kind, flags))
}

/// Data, and metadata or none.
pub(crate) fn payload(input: &mut Input<'_>) -> Payload {
    Payload { metadata: input.optional(), data: input.owned() }
}

/// What a client may ask for.
pub(crate) fn setup(input: &mut Input<'_>, flags: u8) -> Setup {
    Setup {
        version: if flags & 2 == 0 { Version::V1_0 } else { version(input) },
        lease: flags & 4 != 0,
        keepalive_ms: input.some(250),
        max_lifetime_ms: input.some(250),
        resume_token: (flags & 8 != 0).then(|| token(input)),
        payload: payload(input),
        ..Setup::default()
    }
}

fn stream_body(input: &mut Input<'_>, kind: usize, flags: u8) -> Body {
    let (follows, complete, next) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
    match kind % 8 {
        0 => Body::RequestResponse { follows, payload: payload(input) },
        1 => Body::RequestFnf { follows, payload: payload(input) },
        2 => Body::RequestStream { follows, initial_n: input.some(6), payload: payload(input) },
        3 => {
            let initial_n = input.some(6);
            Body::RequestChannel { follows, complete, initial_n, payload: payload(input) }
        }
        4 => Body::RequestN { n: input.some(6) },
        5 => Body::Cancel,
        6 => Body::Payload { follows, complete, next, payload: payload(input) },
        _ => Body::Error { code: ErrorCode::APPLICATION_ERROR, data: input.owned() },
    }
}

fn stream(input: &mut Input<'_>) -> StreamId {
    StreamId::new(input.some(10))
}

fn code(input: &mut Input<'_>) -> ErrorCode {
    let codes = [
        ErrorCode::CONNECTION_CLOSE,
        ErrorCode::CONNECTION_ERROR,
        ErrorCode::INVALID_SETUP,
        ErrorCode::REJECTED_SETUP,
        ErrorCode::REJECTED_RESUME,
        ErrorCode::APPLICATION_ERROR,
    ];
    let at = input.below(codes.len() + 1);
    codes.get(at).copied().unwrap_or_else(|| ErrorCode(input.number()))
}

fn version(input: &mut Input<'_>) -> Version {
    Version { major: input.byte().into(), minor: input.byte().into() }
}

/// Mostly that of `world::setup`.
fn token(input: &mut Input<'_>) -> Bytes {
    if input.below(4) < 3 { "token".into() } else { input.owned() }
}

/// Near the beginning, or anywhere.
fn position(input: &mut Input<'_>) -> u64 {
    match input.byte() {
        255 => input.long(),
        254 => input.number().into(),
        byte => byte.into(),
    }
}
