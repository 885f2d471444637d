//! Sealing and opening 1,000 series, step by step, and reading, rendering and deflating the text.

use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use prometheus_rsocket_benches::metrics;
use prometheus_rsocket_protocol::Labels;
use prometheus_rsocket_protocol::envelope::{
    self, AesKeySize, KeyUnwrap, OpenLimits, PeerKey, RsaKeyPair, SecretKey,
};
use prometheus_rsocket_protocol::exposition::{
    Escaping, Format, Inject, Policy, Source, Target, read, render,
};
#[cfg(feature = "openssl")]
use prometheus_rsocket_proxy::OpenSslKeyPair;
use prometheus_rsocket_proxy::gzip;
use prometheus_rsocket_testkit::vectors;
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
    expositions(&mut group, &text);
    for level in [1, gzip::LEVEL, 3, 6] {
        let len = gzip::deflate_part(&text, level).bytes().len();
        let name = format!("then/deflate/level_{level}_to_{len}_bytes");
        group.bench_function(name, |b| b.iter(|| gzip::deflate_part(black_box(&text), level)));
    }
    group.finish();
}

/// Reading the text, and rendering it in the ways that scrapers ask for.
#[expect(clippy::unwrap_used, reason = "a bench that cannot start has nothing to measure")]
fn expositions(group: &mut BenchmarkGroup<'_, WallTime>, text: &[u8]) {
    let identity = Labels::new([("host", "node-1"), ("instance", "orders-1")]).unwrap();
    let nobody = Labels::default();
    let source = |identity| Source { text, identity, inject: Inject::Missing, seed: 1 };
    let policy = Policy::default();
    let text = Target { format: Format::Text004, escaping: Escaping::AllowUtf8 };
    let open_metrics = Target { format: Format::OpenMetrics1, ..text };
    group.bench_function("then/read", |b| {
        b.iter(|| read(black_box(&source(&nobody)), &policy));
    });
    group.bench_function("then/read_and_label", |b| {
        b.iter(|| read(black_box(&source(&identity)), &policy));
    });
    for (name, identity, target) in [
        ("then/render_as_it_is", &nobody, text),
        ("then/render_labelled", &identity, text),
        ("then/render_open_metrics", &nobody, open_metrics),
    ] {
        let source = source(identity);
        let facts = read(&source, &policy).unwrap();
        let mut out = Vec::new();
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                render(black_box(&source), &policy, &facts, target, &[], &mut out);
            });
        });
    }
}

/// Unwrapping alone, with each backend and size of key.
#[expect(clippy::unwrap_used, reason = "a bench that cannot start has nothing to measure")]
fn unwraps(c: &mut Criterion) {
    let mut keys: Vec<(String, Box<dyn KeyUnwrap>)> = Vec::new();
    let two_primes = [(2048, vectors::RSA2048), (3072, vectors::RSA3072), (4096, vectors::RSA4096)];
    for (bits, der) in two_primes {
        let key = RsaKeyPair::from_pkcs8_der(der).unwrap();
        keys.push((format!("{bits}/rust_two_primes"), Box::new(key)));
        let key = RsaKeyPair::generate(bits, [1; 32]).unwrap();
        keys.push((format!("{bits}/rust_three_primes"), Box::new(key)));
        #[cfg(feature = "openssl")]
        {
            let key = OpenSslKeyPair::generate(bits).unwrap();
            keys.push((format!("{bits}/openssl"), Box::new(key)));
        }
    }
    let mut group = c.benchmark_group("unwrap");
    for (name, key) in keys {
        let secret = SecretKey::new(vec![7; 16]).unwrap();
        let wrapped = PeerKey::parse(&key.public_key()).unwrap().wrap(&secret, [2; 32]).unwrap();
        group.bench_function(name, |b| b.iter(|| key.unwrap_key(black_box(&wrapped), [3; 32])));
    }
    group.finish();
}

criterion_group!(benches, steps, unwraps);
criterion_main!(benches);
