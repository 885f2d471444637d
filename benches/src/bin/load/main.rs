//! The load generator: connects many applications to a running proxy, scrapes it, and reports what that took.
//!
//! ```sh
//! cargo build --release --workspace
//! target/release/prometheus-rsocket-proxy --listen-tcp 127.0.0.1:7001 --listen-http 127.0.0.1:8080 & proxy=$!
//! target/release/load --apps 1000 --series 1000 --scrapes 5 --pid $proxy
//! kill $proxy
//! ```
//!
//! It speaks the wire itself, by the crate `protocol`, and does not use the client library. Each application seals its own text, once
//! for each key that a proxy sends it, before the first scrape, so that a scrape finds all answers ready.

mod application;
mod args;
mod churn;
mod fleet;
mod process;
mod report;
mod scrape;
mod transport;

use args::Args;
use clap::Parser;
use fleet::Fleet;
use prometheus_rsocket_runtime::{Runtime, sleep_until};
use prometheus_rsocket_tokio::Tokio;
use report::{Connected, Memory, Report, Scrapes};
use std::error::Error;
use std::io::Read;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use transport::Dialer;

type Failure = Box<dyn Error + Send + Sync>;

/// How often the fleet is looked at while it connects. It bounds the error of the time until all have a key.
const GLANCE: Duration = Duration::from_millis(1);

fn main() -> ExitCode {
    let args = Args::parse();
    match args.check().and_then(|()| Tokio::block_on(None, |runtime| run(runtime, args))?) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(runtime: Tokio, args: Args) -> Result<(), Failure> {
    let args = Arc::new(args);
    let dialer = Arc::new(Dialer::new(&args)?);
    let fleet = Arc::new(Fleet::new(&args));
    let rss_before = args.pid.map(process::resident_bytes).transpose()?;

    let mut report = Report::new(&args);
    report.connected = Some(connect(&runtime, &args, &fleet, &dialer).await?);
    sleep_until(&runtime, Instant::now() + args.settle).await;
    if let (Some(pid), Some(before)) = (args.pid, rss_before) {
        report.memory = Some(Memory::idle(before, process::resident_bytes(pid)?, args.apps));
    }
    fleet.prepare(&runtime).await?;
    report.scrapes = scrapes(&runtime, &args, &fleet).await?;
    if args.duration > Duration::ZERO {
        report.churn = Some(churn::run(&runtime, &args, &fleet).await?);
    }
    if let (Some(pid), Some(memory)) = (args.pid, &mut report.memory) {
        memory.peak_bytes = process::peak_bytes(pid)?;
    }
    report.ended = fleet.counts();
    println!("{report}");
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if args.hold {
        println!("holding the applications until standard input ends");
        runtime.unblock(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    }
    Ok(())
}

/// Connects all applications, and waits until each has a key at the same moment.
async fn connect(
    runtime: &Tokio,
    args: &Arc<Args>,
    fleet: &Arc<Fleet>,
    dialer: &Arc<Dialer>,
) -> Result<Connected, Failure> {
    let cpu_before = args.pid.map(process::cpu_seconds).transpose()?;
    let started = Instant::now();
    for number in 0..args.apps {
        let (fleet, dialer, own) = (Arc::clone(fleet), Arc::clone(dialer), runtime.clone());
        let begin = started + args.ramp.mul_f64(number as f64 / args.apps as f64);
        runtime.spawn(async move {
            sleep_until(&own, begin).await;
            application::run(&own, &fleet, &dialer, number).await;
        });
    }
    while fleet.keyed() < args.apps {
        if started.elapsed() > args.key_timeout {
            let (keyed, counts) = (fleet.keyed(), fleet.counts());
            let limit = args.key_timeout.as_secs_f64();
            return Err(
                format!("{keyed} of {} have a key after {limit} s; {counts}", args.apps).into()
            );
        }
        sleep_until(runtime, Instant::now() + GLANCE).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    let cpu_after = args.pid.map(process::cpu_seconds).transpose()?;
    let cpu_seconds = cpu_before.zip(cpu_after).map(|(before, after)| after - before);
    Ok(Connected { seconds, cpu_seconds, counts: fleet.counts() })
}

/// Scrapes one after the other; the first ones warm the proxy up and are not reported.
async fn scrapes(
    runtime: &Tokio,
    args: &Arc<Args>,
    fleet: &Arc<Fleet>,
) -> Result<Option<Scrapes>, Failure> {
    let mut measured = Vec::new();
    for number in 0..args.warm_up + args.scrapes {
        // An application that came back meanwhile may have got another key.
        fleet.prepare(runtime).await?;
        let own = Arc::clone(args);
        let scrape = runtime.unblock(move || scrape::measured(&own)).await??;
        if number >= args.warm_up {
            println!("scrape {}: {scrape}", number + 1 - args.warm_up);
            measured.push(scrape);
        }
    }
    Ok(Scrapes::of(&measured))
}
