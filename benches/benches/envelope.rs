//! Sealing and opening 1,000 series, step by step, and reading and deflating the text.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prometheus_rsocket_benches::metrics;
use prometheus_rsocket_protocol::Labels;
use prometheus_rsocket_protocol::envelope::{
    self, AesKeySize, KeyUnwrap, OpenLimits, PeerKey, RsaKeyPair,
};
use prometheus_rsocket_protocol::exposition::{self, Inject, Policy, Source};
use prometheus_rsocket_proxy::gzip;
use std::hint::black_box;

#[expect(clippy::unwrap_used, reason = "a bench that cannot start has nothing to measure")]
fn steps(c: &mut Criterion) {
    let keys = RsaKeyPair::generate(2048, [1; 32]).unwrap();
    let peer = PeerKey::parse(&keys.public_key()).unwrap();
    let text = Bytes::from(metrics("orders-1", 1000));
    let payload = envelope::seal(&peer, &text, AesKeySize::Aes128, [2; 32]).unwrap();
    let wrapped = payload.metadata.clone().unwrap();
    let key = keys.unwrap_key(&wrapped, [3; 32]).unwrap();
    let block = envelope::decrypt(&key, payload.data.clone()).unwrap();
    let limits = OpenLimits::default();

    let mut group = c.benchmark_group("envelope_1000_series");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("seal", |b| {
        b.iter(|| envelope::seal(&peer, black_box(&text), AesKeySize::Aes128, [2; 32]));
    });
    group.bench_function("open", |b| {
        b.iter(|| envelope::open(&keys, black_box(payload.clone()), &limits, [3; 32]));
    });
    group.bench_function("open/1_unwrap", |b| {
        b.iter(|| keys.unwrap_key(black_box(&wrapped), [3; 32]));
    });
    group.bench_function("open/2_decrypt", |b| {
        b.iter(|| envelope::decrypt(&key, black_box(payload.data.clone())));
    });
    group.bench_function("open/3_expand", |b| {
        b.iter(|| envelope::expand(black_box(&block), limits.max_text_len));
    });
    group.bench_function("then/read", |b| {
        let (identity, policy) = (Labels::default(), Policy::default());
        b.iter(|| {
            let text = black_box(&text);
            let source = Source { text, identity: &identity, inject: Inject::Missing, seed: 7 };
            exposition::read(&source, &policy)
        });
    });
    group.bench_function("then/deflate", |b| b.iter(|| gzip::deflate_part(black_box(&text))));
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
