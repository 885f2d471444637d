//! Frames as a peer that means harm might send them: of every type, on streams that matter and on some that do not.

use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::frame::{
    Body, ErrorCode, Frame, Setup, StreamId, Version,
};
use prometheus_rsocket_protocol::rsocket::framing::encode_prefixed;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

/// One frame.
pub(crate) fn frame() -> impl Strategy<Value = Frame> {
    let id = prop_oneof![9 => 0_u32..10, 1 => any::<u32>()].prop_map(StreamId::new);
    (id, prop::bool::weighted(0.1), body()).prop_map(|(stream_id, can_ignore, body)| Frame {
        stream_id,
        can_ignore,
        body,
    })
}

/// One of the frames that streams are made of, on one of few streams, fragments among them.
pub(crate) fn stream_frame() -> impl Strategy<Value = Frame> {
    let flag = any::<bool>;
    let follows = || prop::bool::weighted(0.3);
    let credit = || prop_oneof![4 => 0_u32..4, 1 => any::<u32>()];
    let body = prop_oneof![
        3 => (follows(), payload())
            .prop_map(|(follows, payload)| Body::RequestResponse { follows, payload }),
        1 => (follows(), payload())
            .prop_map(|(follows, payload)| Body::RequestFnf { follows, payload }),
        3 => (follows(), credit(), payload()).prop_map(|(follows, initial_n, payload)| {
            Body::RequestStream { follows, initial_n, payload }
        }),
        4 => (follows(), flag(), credit(), payload()).prop_map(
            |(follows, complete, initial_n, payload)| {
                Body::RequestChannel { follows, complete, initial_n, payload }
            }
        ),
        3 => credit().prop_map(|n| Body::RequestN { n }),
        3 => Just(Body::Cancel),
        8 => (follows(), flag(), flag(), payload()).prop_map(
            |(follows, complete, next, payload)| Body::Payload { follows, complete, next, payload }
        ),
        2 => bytes().prop_map(|data| Body::Error { code: ErrorCode::APPLICATION_ERROR, data }),
    ];
    (1_u32..8, body).prop_map(|(id, body)| Frame::new(StreamId::new(id), body))
}

/// The bytes of a whole connection, more or less as they should be: mostly a SETUP first, then frames, some of whose bytes were
/// changed, then perhaps bytes that are anything.
pub(crate) fn input(setup: Setup) -> impl Strategy<Value = Vec<u8>> {
    let damage = vec((any::<Index>(), any::<u8>()), 0..4);
    let rest = prop_oneof![3 => Just(Vec::new()), 1 => vec(any::<u8>(), 0..40)];
    (prop::bool::weighted(0.9), vec(frame(), 0..40), damage, rest).prop_map(
        move |(begins_well, frames, damage, rest)| {
            let mut bytes = BytesMut::new();
            if begins_well {
                let setup = Frame::on_connection(Body::Setup(Box::new(setup.clone())));
                encode_prefixed(&setup, &mut bytes).unwrap();
            }
            // SETUP is left whole here, or little would get past it; what damages it is tried elsewhere.
            let from = bytes.len();
            for frame in frames {
                encode_prefixed(&frame, &mut bytes).unwrap();
            }
            let mut bytes = bytes.to_vec();
            if bytes.len() > from {
                for (index, byte) in damage {
                    let at = from + index.index(bytes.len() - from);
                    bytes[at] = byte;
                }
            }
            bytes.extend(rest);
            bytes
        },
    )
}

fn body() -> impl Strategy<Value = Body> {
    let flag = any::<bool>;
    let follows = || prop::bool::weighted(0.2);
    prop_oneof![
        1 => Just(Body::Setup(Box::<Setup>::default())),
        2 => (any::<u32>(), any::<u32>(), option::of(bytes()))
            .prop_map(|(ttl_ms, requests, metadata)| Body::Lease { ttl_ms, requests, metadata }),
        4 => (flag(), any::<u64>(), bytes())
            .prop_map(|(respond, position, data)| Body::KeepAlive { respond, position, data }),
        6 => (follows(), payload())
            .prop_map(|(follows, payload)| Body::RequestResponse { follows, payload }),
        3 => (follows(), payload())
            .prop_map(|(follows, payload)| Body::RequestFnf { follows, payload }),
        3 => (follows(), any::<u32>(), payload()).prop_map(|(follows, initial_n, payload)| {
            Body::RequestStream { follows, initial_n, payload }
        }),
        4 => (follows(), flag(), payload()).prop_map(|(follows, complete, payload)| {
            Body::RequestChannel { follows, complete, initial_n: 1, payload }
        }),
        3 => any::<u32>().prop_map(|n| Body::RequestN { n }),
        4 => Just(Body::Cancel),
        4 => (follows(), flag(), flag(), payload()).prop_map(
            |(follows, complete, next, payload)| Body::Payload { follows, complete, next, payload }
        ),
        2 => (error_code(), bytes()).prop_map(|(code, data)| Body::Error { code, data }),
        1 => bytes().prop_map(|metadata| Body::MetadataPush { metadata }),
        1 => bytes().prop_map(|token| Body::Resume {
            version: Version::V1_0,
            token,
            last_received_server_position: 0,
            first_available_client_position: 0,
        }),
        1 => prop_oneof![Just(0), any::<u64>()].prop_map(|position| Body::ResumeOk {
            last_received_client_position: position
        }),
        1 => (any::<u32>(), payload())
            .prop_map(|(extended_type, payload)| Body::Ext { extended_type, payload }),
    ]
}

fn error_code() -> impl Strategy<Value = ErrorCode> {
    prop_oneof![
        1 => Just(ErrorCode::REJECTED_SETUP),
        2 => Just(ErrorCode::CONNECTION_CLOSE),
        1 => Just(ErrorCode::CONNECTION_ERROR),
        1 => any::<u32>().prop_map(ErrorCode),
    ]
}

fn payload() -> impl Strategy<Value = Payload> {
    (option::of(bytes()), bytes()).prop_map(|(metadata, data)| Payload { metadata, data })
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..20).prop_map(Bytes::from)
}
