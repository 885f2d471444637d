//! A simulated hour of the whole proxy with 1,000 applications, scraped every 15 s: 240 scrapes, without faults, in plaintext mode.
//!
//! What is asked of it is "well under a minute": its time is that of one core, so it is the cost of all that is not a system call.

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use prometheus_rsocket_proxy::config::Envelope;
use prometheus_rsocket_simulation::{Scenario, run};
use std::hint::black_box;
use std::time::Duration;

fn hour(criterion: &mut Criterion) {
    let mut scenario = Scenario::new(1);
    scenario.calm = true;
    scenario.apps = 1000;
    scenario.time = Duration::from_secs(3600);
    scenario.interval = Duration::from_secs(15);
    scenario.envelope = Envelope::Plaintext;
    let mut group = criterion.benchmark_group("simulation");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_secs(1));
    group.bench_function("hour/1000", |bencher| {
        bencher.iter(|| {
            let report = run(black_box(&scenario), |_world| {});
            assert!(report.is_ok(), "{report}");
            report.digest
        });
    });
    group.finish();
}

criterion_group!(benches, hour);
criterion_main!(benches);
