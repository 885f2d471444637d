//! The frame codec: a scrape's request and its answer of 12 KB, decoded from and encoded to bytes.

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::frame::{Body, Frame, StreamId};
use prometheus_rsocket_protocol::rsocket::framing::{encode_prefixed, split_frame};
use std::hint::black_box;

fn frames() -> [(&'static str, Frame); 2] {
    let request = Payload::from_data(vec![1; 294]);
    let answer = Payload::new(vec![2; 256], vec![3; 12 * 1024]);
    [
        (
            "request_response",
            Frame::new(
                StreamId::new(4),
                Body::RequestResponse { follows: false, payload: request },
            ),
        ),
        (
            "payload_12k",
            Frame::new(
                StreamId::new(4),
                Body::Payload { follows: false, complete: true, next: true, payload: answer },
            ),
        ),
    ]
}

fn codec(c: &mut Criterion) {
    let mut group = c.benchmark_group("frame");
    for (name, frame) in frames() {
        let mut bytes = BytesMut::new();
        frame.encode(&mut bytes).unwrap_or_default();
        let bytes: Bytes = bytes.freeze();
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("decode/{name}"), |b| {
            b.iter(|| Frame::decode(black_box(bytes.clone())));
        });
        let mut out = BytesMut::with_capacity(64 * 1024);
        group.bench_function(format!("encode/{name}"), |b| {
            b.iter(|| {
                out.clear();
                encode_prefixed(black_box(&frame), &mut out)
            });
        });
    }
    group.finish();
}

fn framing(c: &mut Criterion) {
    let mut stream = BytesMut::new();
    for _ in 0..100 {
        for (_, frame) in frames() {
            encode_prefixed(&frame, &mut stream).unwrap_or_default();
        }
    }
    let mut group = c.benchmark_group("framing");
    group.throughput(Throughput::Elements(200));
    group.bench_function("split_and_decode_200", |b| {
        b.iter_batched(
            || stream.clone(),
            |mut stream| {
                while let Ok(Some(frame)) = split_frame(&mut stream, 0xff_ffff) {
                    black_box(Frame::decode(frame)).ok();
                }
            },
            criterion::BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, codec, framing);
criterion_main!(benches);
