//! A whole scrape in memory, without sockets, on one thread; see `World`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use prometheus_rsocket_benches::World;

fn scrapes(c: &mut Criterion) {
    let mut group = c.benchmark_group("scrape_1000_series_each");
    group.sample_size(10);
    for apps in [10, 100, 1000] {
        let mut world = World::encrypted(apps);
        group.throughput(Throughput::Elements(apps as u64));
        group.bench_function(BenchmarkId::from_parameter(apps), |b| b.iter(|| world.scrape()));
    }
    group.finish();
}

criterion_group!(benches, scrapes);
criterion_main!(benches);
