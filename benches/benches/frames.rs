//! The frame codec against that of `rsocket_rust`: the same bytes of each frame type, decoded from and encoded to a stream with
//! length prefixes, in one run.
//!
//! Each side does what it does for its own TCP transport. To decode is to take 64 frames that arrived together off the read buffer,
//! one after the other, and to drop them; to encode is to append 64 frames to an output buffer that is used again. Both sides are
//! checked to read and write the same bytes first.
//!
//! ```sh
//! cargo bench -p prometheus-rsocket-benches --bench frames
//! ```

use bytes::{Buf, Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::frame::{
    Body, ErrorCode, Frame, Setup, StreamId, Version,
};
use prometheus_rsocket_protocol::rsocket::framing::{self, MAX_RECEIVED_FRAME};
use rsocket_rust::frame::Frame as Theirs;
use rsocket_rust::utils::{Writeable as _, u24};
use std::hint::black_box;

/// Frames in the buffer of one measurement.
const BATCH: usize = 64;

/// One frame of each type that both sides know, with payloads of an ordinary size, and a long answer.
fn frames() -> Vec<(&'static str, Frame)> {
    let small = || Payload::new(vec![1; 24], vec![2; 64]);
    let stream = |body| Frame::new(StreamId::new(5), body);
    let connection = Frame::on_connection;
    let setup = Setup { payload: small(), ..Setup::default() };
    let long = Payload::new(vec![3; 256], vec![4; 12 * 1024]);
    let answer = |payload| Body::Payload { follows: false, complete: true, next: true, payload };
    vec![
        ("setup", connection(Body::Setup(Box::new(setup)))),
        ("lease", connection(Body::Lease { ttl_ms: 60_000, requests: 100, metadata: None })),
        (
            "keepalive",
            connection(Body::KeepAlive { respond: true, position: 0, data: Bytes::new() }),
        ),
        ("request_response", stream(Body::RequestResponse { follows: false, payload: small() })),
        ("request_fnf", stream(Body::RequestFnf { follows: false, payload: small() })),
        (
            "request_stream",
            stream(Body::RequestStream { follows: false, initial_n: 32, payload: small() }),
        ),
        (
            "request_channel",
            stream(Body::RequestChannel {
                follows: false,
                complete: false,
                initial_n: 32,
                payload: small(),
            }),
        ),
        ("request_n", stream(Body::RequestN { n: 32 })),
        ("cancel", stream(Body::Cancel)),
        ("payload", stream(answer(small()))),
        ("payload_without_metadata", stream(answer(Payload::from_data(vec![2; 64])))),
        ("payload_12k", stream(answer(long))),
        ("error", Frame::error(StreamId::new(5), ErrorCode::APPLICATION_ERROR, "no such metric")),
        ("metadata_push", connection(Body::MetadataPush { metadata: vec![1; 64].into() })),
        (
            "resume",
            connection(Body::Resume {
                version: Version::V1_0,
                token: vec![7; 16].into(),
                last_received_server_position: 1_000,
                first_available_client_position: 500,
            }),
        ),
        ("resume_ok", connection(Body::ResumeOk { last_received_client_position: 1_000 })),
    ]
}

fn decode_ours(input: &mut BytesMut) -> Option<Frame> {
    framing::take_frame(input, MAX_RECEIVED_FRAME).ok()??.ok()
}

/// What `LengthBasedFrameCodec::decode` of `rsocket_rust_transport_tcp` does, which is private.
fn decode_theirs(input: &mut BytesMut) -> Option<Theirs> {
    if input.len() < 3 {
        return None;
    }
    let len: usize = u24::read(input).into();
    if input.len() < 3 + len {
        return None;
    }
    input.advance(3);
    let mut frame = input.split_to(len);
    Theirs::decode(&mut frame).ok()
}

/// What `LengthBasedFrameCodec::encode` does.
fn encode_theirs(frame: &Theirs, output: &mut BytesMut) {
    let len = frame.len();
    output.reserve(3 + len);
    u24::from(len).write_to(output);
    frame.write_to(output);
}

fn check(name: &str, ours: &Frame, theirs: &Theirs, wire: &[u8]) {
    let mut input = BytesMut::from(wire);
    assert_eq!(decode_ours(&mut input).as_ref(), Some(ours), "{name}: ours decodes");
    assert!(input.is_empty(), "{name}: ours takes all");
    let mut output = BytesMut::new();
    encode_theirs(theirs, &mut output);
    assert_eq!(&output[..], wire, "{name}: theirs encodes the same bytes");
}

fn codec(c: &mut Criterion) {
    for (name, ours) in frames() {
        let mut wire = BytesMut::new();
        framing::encode_prefixed(&ours, &mut wire).expect("the frame is legal");
        let theirs = decode_theirs(&mut wire.clone()).expect("theirs decodes");
        check(name, &ours, &theirs, &wire);
        let stream = wire.repeat(BATCH);
        let fresh = || BytesMut::from(&stream[..]);

        let mut group = c.benchmark_group(format!("decode/{name}"));
        group.throughput(Throughput::Elements(BATCH as u64));
        group.bench_function("ours", |b| {
            let take = |input: &mut BytesMut| {
                while let Some(frame) = decode_ours(input) {
                    black_box(&frame);
                }
            };
            b.iter_batched_ref(fresh, take, BatchSize::SmallInput);
        });
        group.bench_function("rsocket_rust", |b| {
            let take = |input: &mut BytesMut| {
                while let Some(frame) = decode_theirs(input) {
                    black_box(&frame);
                }
            };
            b.iter_batched_ref(fresh, take, BatchSize::SmallInput);
        });
        group.finish();

        let mut group = c.benchmark_group(format!("encode/{name}"));
        group.throughput(Throughput::Elements(BATCH as u64));
        let mut output = BytesMut::with_capacity(stream.len());
        group.bench_function("ours", |b| {
            b.iter(|| {
                output.clear();
                for _ in 0..BATCH {
                    framing::encode_prefixed(black_box(&ours), &mut output).ok();
                }
            });
        });
        group.bench_function("rsocket_rust", |b| {
            b.iter(|| {
                output.clear();
                for _ in 0..BATCH {
                    encode_theirs(black_box(&theirs), &mut output);
                }
            });
        });
        group.finish();
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);
