//! Reading and rendering texts of several kinds. `memchr` (its lines counted) and `memcpy` of each text are measured beside, as what the
//! machine can do: quote ratios to them, not times.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prometheus_rsocket_benches::metrics;
use prometheus_rsocket_protocol::Labels;
use prometheus_rsocket_protocol::envelope;
use prometheus_rsocket_protocol::exposition::{
    Escaping, Format, Inject, Policy, Source, Target, read, render,
};
use std::fmt::Write as _;
use std::hint::black_box;

/// Texts of about 100 to 200 KB.
fn texts() -> [(&'static str, String); 5] {
    [
        ("micrometer", metrics("orders-1", 1000)),
        ("histograms", histograms()),
        ("long_values", long_values()),
        ("escapes", escapes()),
        ("openmetrics", open_metrics()),
    ]
}

/// 14 histograms with 68 bounds each, and a count and a sum.
fn histograms() -> String {
    let mut text = String::from(
        "# HELP http_server_requests_seconds Duration of requests\n# TYPE http_server_requests_seconds histogram\n",
    );
    for uri in 0..14 {
        let labels = format!(
            "application=\"orders-1\",method=\"GET\",outcome=\"SUCCESS\",status=\"200\",uri=\"/api/v1/{uri}\""
        );
        for bound in 0_u64..68 {
            let _ = writeln!(
                text,
                "http_server_requests_seconds_bucket{{{labels},le=\"{}.{:09}\"}} {}.0",
                bound / 7,
                bound * 104_729_771 % 999_999_937,
                bound * uri,
            );
        }
        let _ =
            writeln!(text, "http_server_requests_seconds_bucket{{{labels},le=\"+Inf\"}} {uri}99.0");
        let _ = writeln!(text, "http_server_requests_seconds_count{{{labels}}} {uri}99.0");
        let _ = writeln!(text, "http_server_requests_seconds_sum{{{labels}}} {uri}.123456789E-4");
    }
    text
}

/// Values of 150 bytes, each of its own, half of them not ASCII.
fn long_values() -> String {
    let mut text = String::from("# HELP queries Of the database\n# TYPE queries counter\n");
    for number in 0..600 {
        let name = if number % 2 == 0 { "größe" } else { "number" };
        let _ = writeln!(
            text,
            "queries{{statement=\"select {name}, {number} from orders left join customers on orders.customer = customers.id \
             where orders.placed > now() - interval '{number} days' order by 1\"}} {number}",
        );
    }
    text
}

/// Paths of Windows and quotes, in each series others.
fn escapes() -> String {
    let mut text = String::from("# HELP disk_free Of \\\\ and \\n\n# TYPE disk_free gauge\n");
    for number in 0..1000 {
        let _ = writeln!(
            text,
            "disk_free{{path=\"C:\\\\data\\\\{number}\\\\files\",note=\"the \\\"{number}th\\\" of all\\nand more\",host=\"node-1\"}} {number}e3",
        );
    }
    text
}

/// Counters with their creation, units and exemplars.
fn open_metrics() -> String {
    let mut text = String::new();
    for family in 0..25 {
        let _ = writeln!(text, "# TYPE requests_{family}_seconds counter");
        let _ = writeln!(text, "# UNIT requests_{family}_seconds seconds");
        let _ = writeln!(text, "# HELP requests_{family}_seconds Time of requests");
        for number in 0..20 {
            let labels = format!("application=\"orders-1\",uri=\"/api/v1/{number}\"");
            let _ = writeln!(
                text,
                "requests_{family}_seconds_total{{{labels}}} {number}.25 # {{trace_id=\"4bf92f3577b34da6{number:04}\"}} 0.5 1700000000.123",
            );
            let _ =
                writeln!(text, "requests_{family}_seconds_created{{{labels}}} 1700000000.{number}");
        }
    }
    text + "# EOF\n"
}

#[expect(clippy::unwrap_used, reason = "a bench that cannot start has nothing to measure")]
fn expositions(c: &mut Criterion) {
    let injected = Labels::new([("host", "node-1"), ("instance", "orders-1")]).unwrap();
    let nobody = Labels::default();
    let policy = Policy::default();
    let target = Target { format: Format::Text004, escaping: Escaping::AllowUtf8 };
    for (name, text) in texts() {
        let text = text.as_bytes();
        let block = envelope::compress(text);
        let source = |identity| Source { text, identity, inject: Inject::Missing, seed: 1 };
        let facts = read(&source(&injected), &policy).unwrap();
        let mut out = Vec::with_capacity(text.len() * 2);
        let mut group = c.benchmark_group(format!("exposition/{name}"));
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function("memcpy", |b| {
            b.iter(|| {
                out.clear();
                out.extend_from_slice(black_box(text));
                black_box(&out);
            });
        });
        group.bench_function("memchr", |b| {
            b.iter(|| memchr::memchr_iter(b'\n', black_box(text)).count());
        });
        group.bench_function("expand", |b| {
            b.iter(|| envelope::expand(black_box(&block), usize::MAX));
        });
        group.bench_function("read", |b| b.iter(|| read(black_box(&source(&nobody)), &policy)));
        group.bench_function("read_and_label", |b| {
            b.iter(|| read(black_box(&source(&injected)), &policy));
        });
        group.bench_function("render_labelled", |b| {
            b.iter(|| {
                out.clear();
                render(black_box(&source(&injected)), &policy, &facts, target, &[], &mut out);
            });
        });
        group.finish();
    }
}

criterion_group!(benches, expositions);
criterion_main!(benches);
