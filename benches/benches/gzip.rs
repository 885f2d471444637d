//! What each level of gzip costs and what it saves, as a Markdown table: bytes, and microseconds of the fastest of several runs. Quote the
//! ratios; times differ between machines.
//!
//! `cargo bench -p prometheus-rsocket-benches --bench gzip`

use flate2::{Compress, Compression, FlushCompress};
use prometheus_rsocket_benches::metrics;
use prometheus_rsocket_proxy::gzip::deflate_part;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

fn main() {
    let is_test = std::env::args().any(|arg| arg == "--test");
    let (runs, most) = if is_test { (1, 100) } else { (15, 10_000) };
    levels("regular: one uri a series, few values", metrics, runs, most);
    levels("varied: many families, values of all lengths", varied, runs, most);
    for series in [100, 1000].into_iter().filter(|series| *series <= most) {
        neighbours("regular", metrics, series, runs);
        neighbours("varied", varied, series, runs);
    }
}

type Make = fn(&str, usize) -> String;

fn levels(kind: &str, make: Make, runs: u32, most: usize) {
    for series in [100, 1000, 10_000].into_iter().filter(|series| *series <= most) {
        let text = make("orders-1", series);
        println!("\n{kind}, {series} series, {} bytes\n", text.len());
        println!("| level | bytes | times smaller | microseconds |");
        println!("|---|---|---|---|");
        for level in 1..=9 {
            let (len, time) =
                fastest(runs, || deflate_part(black_box(text.as_bytes()), level).bytes().len());
            println!("| {level} | {len} | {:.1} | {time:.0} |", text.len() as f64 / len as f64);
        }
    }
}

/// Texts of applications of one kind: each alone, behind the text of another (as its dictionary), and ten in one part.
fn neighbours(kind: &str, make: Make, series: usize, runs: u32) {
    let texts: Vec<_> = (0..10).map(|app| make(&format!("orders-{app}"), series)).collect();
    let together = texts.concat();
    println!("\n{kind}, {series} series each, ten applications; per application\n");
    println!(
        "| level | alone: bytes | microseconds | primed: bytes | microseconds | together: bytes | microseconds |"
    );
    println!("|---|---|---|---|---|---|---|");
    for level in [1, 2, 3, 4, 5, 6] {
        let alone = fastest(runs, || {
            let parts = texts.iter().map(|text| deflate_part(black_box(text.as_bytes()), level));
            parts.map(|part| part.bytes().len()).sum()
        });
        let mut compress = Compress::new(Compression::new(level), false);
        let primed = fastest(runs, || {
            let pairs = texts.iter().zip(texts.iter().cycle().skip(1));
            pairs.map(|(before, text)| primed(&mut compress, before, text)).sum()
        });
        let together =
            fastest(runs, || deflate_part(black_box(together.as_bytes()), level).bytes().len());
        let mut row = format!("| {level} |");
        for (len, time) in [alone, primed, together] {
            let _ = write!(row, " {} | {:.1} |", len / 10, time / 10.0);
        }
        println!("{row}");
    }
}

#[expect(clippy::unwrap_used, reason = "a bench that fails has nothing to measure")]
fn primed(compress: &mut Compress, before: &str, text: &str) -> usize {
    let window = before.len().saturating_sub(32 * 1024);
    compress.reset();
    compress.set_dictionary(&before.as_bytes()[window..]).unwrap();
    let mut out = Vec::with_capacity(text.len());
    compress.compress_vec(text.as_bytes(), &mut out, FlushCompress::Full).unwrap();
    assert!(out.len() < out.capacity(), "it has to be flushed");
    out.len()
}

/// What it gives, and the microseconds of the fastest run.
fn fastest(runs: u32, mut run: impl FnMut() -> usize) -> (usize, f64) {
    let mut best = f64::INFINITY;
    let mut len = 0;
    for _ in 0..runs {
        let start = Instant::now();
        len = run();
        best = best.min(start.elapsed().as_secs_f64() * 1e6);
    }
    (len, best)
}

/// As of a Spring application: families of eight gauges or of eight summaries, each with a HELP and a TYPE line, and values of all lengths.
fn varied(app: &str, series: usize) -> String {
    const FAMILIES: [&str; 8] = [
        "jvm_memory_used_bytes",
        "jvm_gc_pause_seconds",
        "http_server_requests_seconds",
        "hikaricp_connections",
        "logback_events_total",
        "executor_pool_size_threads",
        "cache_gets_total",
        "spring_data_repository_invocations_seconds",
    ];
    const RESOURCES: [&str; 8] =
        ["orders", "customers", "items", "carts", "payments", "returns", "stock", "prices"];
    let mut text = String::new();
    let mut state = app.bytes().fold(88_172_645_463_325_252, |state: u64, byte| {
        state.wrapping_mul(31).wrapping_add(byte.into())
    });
    let mut number = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut written = 0;
    for round in 0.. {
        for family in FAMILIES {
            let name = format!("{family}_{round}");
            let is_summary = family.ends_with("seconds");
            let kind = if is_summary { "summary" } else { "gauge" };
            let _ =
                writeln!(text, "# HELP {name} {} of this application", family.replace('_', " "));
            let _ = writeln!(text, "# TYPE {name} {kind}");
            for (resource, method) in
                RESOURCES.iter().zip(["GET", "POST", "PUT", "DELETE"].iter().cycle())
            {
                let labels = format!(
                    "application=\"{app}\",exception=\"None\",method=\"{method}\",outcome=\"SUCCESS\",status=\"200\",\
                     uri=\"/api/v{}/{resource}/{{id}}\",",
                    round % 3,
                );
                if written >= series {
                    return text;
                }
                if is_summary {
                    let (count, sum) = (number() % 100_000, number() as f64 / 1e15);
                    let _ = writeln!(text, "{name}_count{{{labels}}} {count}.0");
                    let _ = writeln!(text, "{name}_sum{{{labels}}} {sum}");
                    written += 2;
                } else {
                    let value = number() % 1_000_000;
                    let _ = match value % 3 {
                        0 => writeln!(text, "{name}{{{labels}}} {}.0", value % 1000),
                        1 => writeln!(text, "{name}{{{labels}}} {}E8", value as f64 / 1e5),
                        _ => writeln!(text, "{name}{{{labels}}} {}", value as f64 / 1e6),
                    };
                    written += 1;
                }
            }
        }
    }
    text
}
