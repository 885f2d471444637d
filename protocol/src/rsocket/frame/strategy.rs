//! Arbitrary frames, for property tests.

use super::{Body, ErrorCode, Frame, Setup, StreamId, Version};
use crate::rsocket::Payload;
use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Any frame that survives [`Frame::encode`] and [`Frame::decode`] unchanged: every number fits its bits.
pub(crate) fn frame() -> impl Strategy<Value = Frame> {
    (any::<u32>(), any::<bool>(), body()).prop_map(|(id, can_ignore, body)| Frame {
        stream_id: StreamId::new(id),
        can_ignore,
        body,
    })
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        setup().prop_map(|setup| Body::Setup(Box::new(setup))),
        (u31(), u31(), option::of(bytes(80)))
            .prop_map(|(ttl_ms, requests, metadata)| Body::Lease { ttl_ms, requests, metadata }),
        (any::<bool>(), u63(), bytes(80)).prop_map(|(respond, position, data)| Body::KeepAlive {
            respond,
            position,
            data
        }),
        (any::<bool>(), payload())
            .prop_map(|(follows, payload)| Body::RequestResponse { follows, payload }),
        (any::<bool>(), payload())
            .prop_map(|(follows, payload)| Body::RequestFnf { follows, payload }),
        (any::<bool>(), u31(), payload()).prop_map(|(follows, initial_n, payload)| {
            Body::RequestStream { follows, initial_n, payload }
        }),
        (any::<bool>(), any::<bool>(), u31(), payload()).prop_map(
            |(follows, complete, initial_n, payload)| {
                Body::RequestChannel { follows, complete, initial_n, payload }
            }
        ),
        u31().prop_map(|n| Body::RequestN { n }),
        Just(Body::Cancel),
        (any::<bool>(), any::<bool>(), any::<bool>(), payload()).prop_map(
            |(follows, complete, next, payload)| Body::Payload { follows, complete, next, payload }
        ),
        (any::<u32>(), bytes(80))
            .prop_map(|(code, data)| Body::Error { code: ErrorCode(code), data }),
        bytes(80).prop_map(|metadata| Body::MetadataPush { metadata }),
        resume(),
        u63().prop_map(|position| Body::ResumeOk { last_received_client_position: position }),
        (u31(), payload())
            .prop_map(|(extended_type, payload)| Body::Ext { extended_type, payload }),
    ]
}

fn setup() -> impl Strategy<Value = Setup> {
    let numbers = (version(), any::<bool>(), u31(), u31());
    let texts = (option::of(bytes(80)), bytes(255), bytes(255));
    (numbers, texts, payload()).prop_map(
        |(
            (version, lease, keepalive_ms, max_lifetime_ms),
            (resume_token, metadata_mime, data_mime),
            payload,
        )| Setup {
            version,
            lease,
            keepalive_ms,
            max_lifetime_ms,
            resume_token,
            metadata_mime,
            data_mime,
            payload,
        },
    )
}

fn resume() -> impl Strategy<Value = Body> {
    (version(), bytes(80), u63(), u63()).prop_map(|(version, token, received, available)| {
        Body::Resume {
            version,
            token,
            last_received_server_position: received,
            first_available_client_position: available,
        }
    })
}

fn payload() -> impl Strategy<Value = Payload> {
    (option::of(bytes(80)), bytes(80)).prop_map(|(metadata, data)| Payload { metadata, data })
}

fn version() -> impl Strategy<Value = Version> {
    any::<(u16, u16)>().prop_map(|(major, minor)| Version { major, minor })
}

/// Up to `max_len` bytes, and often none.
fn bytes(max_len: usize) -> impl Strategy<Value = Bytes> {
    prop_oneof![
        1 => Just(Bytes::new()),
        4 => vec(any::<u8>(), 0..=max_len).prop_map(Bytes::from),
    ]
}

fn u31() -> impl Strategy<Value = u32> {
    any::<u32>().prop_map(|value| value >> 1)
}

fn u63() -> impl Strategy<Value = u64> {
    any::<u64>().prop_map(|value| value >> 1)
}
