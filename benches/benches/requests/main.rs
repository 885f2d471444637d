//! Requests per second over loopback TCP against `rsocket_rust`: one connection, 64 requests in flight, an echo of a payload.
//!
//! Each side has client and server in this process, on a runtime of two threads, and is used by its own API: a task for each
//! request in flight calls a handle and awaits the response. The sides run in turn, for several rounds. A table goes to standard
//! error, and a line of JSON for each runtime and payload to standard output: requests per second, as medians, and their ratio.
//!
//! ```sh
//! cargo bench -p prometheus-rsocket-benches --bench requests -- --rounds 5
//! ```

mod ours;
mod theirs;

use clap::Parser;
use prometheus_rsocket_smol::Smol;
use prometheus_rsocket_tokio::Tokio;
use std::error::Error;
use std::time::{Duration, Instant};

type Failure = Box<dyn Error + Send + Sync>;

/// Requests that wait for their responses at any time.
const IN_FLIGHT: usize = 64;
/// Threads of the runtime that client and server share.
const THREADS: usize = 2;

#[derive(Parser)]
struct Args {
    /// Requests of each side in a round.
    #[arg(long, default_value_t = 200_000)]
    requests: usize,
    /// How often each side has its turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Lengths of the payloads, in bytes.
    #[arg(long, value_delimiter = ',', default_value = "32,1024")]
    payloads: Vec<usize>,
    /// Only this side: tokio, smol or rsocket_rust.
    #[arg(long)]
    only: Option<String>,
    /// Runs everything once, to see that it works.
    #[arg(long)]
    test: bool,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What one task in flight has to do.
#[derive(Clone, Copy)]
struct Work {
    /// Requests of all tasks.
    requests: usize,
    /// Bytes of data in each request and response.
    payload_len: usize,
}

impl Work {
    fn each(self) -> usize {
        self.requests.div_ceil(IN_FLIGHT)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Theirs,
    Tokio,
    Smol,
}

impl Side {
    const ALL: [Self; 3] = [Self::Theirs, Self::Tokio, Self::Smol];

    fn name(self) -> &'static str {
        match self {
            Self::Theirs => "rsocket_rust",
            Self::Tokio => "tokio",
            Self::Smol => "smol",
        }
    }

    /// How long the work took, from the first request to the last response.
    fn run(self, work: Work) -> Result<Duration, Failure> {
        match self {
            Self::Theirs => Tokio::block_on(Some(THREADS), |_| theirs::run(work))?,
            Self::Tokio => Tokio::block_on(Some(THREADS), |runtime| ours::run(runtime, work))?,
            Self::Smol => Smol::block_on(Some(THREADS), |runtime| ours::run(runtime, work))?,
        }
    }
}

/// One turn of one side.
struct Turn {
    side: Side,
    per_second: f64,
    /// Processor time of client and server, in microseconds for each request.
    cpu_us: f64,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let (rounds, requests) =
        if args.test { (1, IN_FLIGHT) } else { (args.rounds.max(1), args.requests) };
    let is_wanted = |side: &Side| args.only.as_ref().is_none_or(|only| only == side.name());
    eprintln!("payload  side           requests/s   us of CPU each");
    for &payload_len in &args.payloads {
        let work = Work { requests, payload_len };
        let mut turns = Vec::new();
        for _ in 0..rounds {
            for side in Side::ALL.into_iter().filter(is_wanted) {
                turns.push(turn(side, work)?);
            }
        }
        report(payload_len, &turns);
    }
    Ok(())
}

fn turn(side: Side, work: Work) -> Result<Turn, Failure> {
    let (cpu, started) = (cpu_time(), Instant::now());
    let took = side.run(work)?;
    let (cpu, whole) = (cpu_time().saturating_sub(cpu), started.elapsed());
    let requests = (work.each() * IN_FLIGHT) as f64;
    // Connecting and warming up count in the processor time alone, as a share of the whole.
    let share = took.as_secs_f64() / whole.as_secs_f64();
    Ok(Turn {
        side,
        per_second: requests / took.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 * share / requests,
    })
}

fn report(payload_len: usize, turns: &[Turn]) {
    let median = |side: Side, value: fn(&Turn) -> f64| {
        let mut values: Vec<f64> =
            turns.iter().filter(|turn| turn.side == side).map(value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let theirs = median(Side::Theirs, |turn| turn.per_second);
    for side in Side::ALL {
        let Some(ours) = median(side, |turn| turn.per_second) else { continue };
        let cpu_us = median(side, |turn| turn.cpu_us).unwrap_or_default();
        eprintln!("{payload_len:>7}  {:<14} {ours:>10.0}   {cpu_us:>6.2}", side.name());
        if let Some(theirs) = theirs.filter(|_| side != Side::Theirs) {
            let measure = format!("request_response/{payload_len}B/{}", side.name());
            println!(
                "{{\"measure\":\"{measure}\",\"ours\":{ours:.0},\"theirs\":{theirs:.0},\"ratio\":{:.2}}}",
                ours / theirs
            );
        }
    }
}

/// Processor time of this process so far, in steps of 10 ms; zero where the system does not say.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
    Duration::from_millis(10 * ticks.sum::<u64>())
}
