//! Simulates seeds, or one of them again; see CONTRIBUTING.md.

use clap::{Parser, ValueEnum};
use prometheus_rsocket_proxy::config::Envelope;
use prometheus_rsocket_sim::{Balance, Sim};
use prometheus_rsocket_simulation::{
    Counts, Disks, Fleet, Gone, Report, Scenario, run, run_fleet, stampede,
};
use std::fmt;
use std::io::{self, Write};
use std::ops::Range;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// Simulates the proxy, its applications and its scrapers, with faults, and checks what must always hold. Ends with status 1 where
/// it does not.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The seed to simulate.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// The seeds to simulate, FROM..TO; the last is TO - 1.
    #[arg(long, default_value = "0..100", value_parser = seeds)]
    seeds: Range<u64>,
    /// How many applications; otherwise the seed says.
    #[arg(long)]
    apps: Option<usize>,
    /// How long there are faults, in simulated time (90s, 10m, 1h, 500ms); otherwise the seed says.
    #[arg(long, value_parser = duration)]
    time: Option<Duration>,
    /// How often the first scraper scrapes.
    #[arg(long, value_parser = duration)]
    interval: Option<Duration>,
    /// How applications send their metrics; otherwise the seed says.
    #[arg(long)]
    envelope: Option<EnvelopeArg>,
    /// Without faults and strangers, and with one scraper.
    #[arg(long)]
    calm: bool,
    /// Simulate so many proxies behind a load balancer, which are rolled out anew, added to, and killed.
    #[arg(long)]
    proxies: Option<usize>,
    /// How the load balancer chooses; otherwise the seed says.
    #[arg(long, requires = "proxies")]
    balance: Option<BalanceArg>,
    /// How long connections last at most behind the load balancer; 0s is for ever.
    #[arg(long, value_parser = duration, requires = "proxies")]
    max_connection_age: Option<Duration>,
    /// Over what time a proxy that stops lets its applications go.
    #[arg(long, value_parser = duration, requires = "proxies")]
    drain_spread: Option<Duration>,
    /// How long a proxy that stops waits for its pushes to be scraped.
    #[arg(long, value_parser = duration, requires = "proxies")]
    push_linger: Option<Duration>,
    /// Whether proxies keep pushes on disks; otherwise the seed says.
    #[arg(long, requires = "proxies")]
    disks: Option<DisksArg>,
    /// Have one of the proxies go with all its applications, and nothing else, and count who connects to the others.
    #[arg(long, requires = "proxies")]
    stampede: Option<GoneArg>,
    /// Print what happens, each line with the simulated time.
    #[arg(long)]
    log: bool,
    /// Print also what the programs log, filtered as tracing-subscriber does (debug, warn).
    #[arg(long)]
    trace: Option<String>,
    /// Have the proxy do something wrong.
    #[cfg(planted_faults)]
    #[arg(long, value_parser = fault)]
    fault: Option<prometheus_rsocket_protocol::planted::Fault>,
}

#[derive(Clone, Copy, ValueEnum)]
enum EnvelopeArg {
    Encrypted,
    Plaintext,
}

#[derive(Clone, Copy, ValueEnum)]
enum BalanceArg {
    LeastConnections,
    Random,
    RoundRobin,
}

#[derive(Clone, Copy, ValueEnum)]
enum DisksArg {
    None,
    Safe,
    /// They lose everything with power.
    Lying,
}

#[derive(Clone, Copy, ValueEnum)]
enum GoneArg {
    Killed,
    Lost,
    Stopped,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let seeds = args.seed.map_or_else(|| args.seeds.clone(), |seed| seed..seed + 1);
    let (mut counts, mut violated) = (Counts::default(), 0);
    for seed in seeds.clone() {
        if let (Some(fleet), Some(gone)) = (args.fleet(seed), args.stampede) {
            let gone = match gone {
                GoneArg::Killed => Gone::Killed,
                GoneArg::Lost => Gone::Lost,
                GoneArg::Stopped => Gone::Stopped,
            };
            let found = stampede(&fleet, gone, |sim| args.log_to(sim));
            print(format_args!("seed {seed}, {gone:?}: {found}"));
            continue;
        }
        let report = simulate(&args, seed);
        counts.add_all(&report.counts);
        violated += u32::from(!report.is_ok());
    }
    print(format_args!("{counts}"));
    if violated > 0 {
        print(format_args!("{violated} of {} seeds violated", seeds.end - seeds.start));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that wants to know how long it really takes"
)]
fn simulate(args: &Args, seed: u64) -> Report {
    let clock = Clock::default();
    let started = Instant::now();
    let go = || {
        let prepare = |sim: &Sim| {
            args.log_to(sim);
            // The clock is not set until here.
            let _ = clock.0.set(sim.clone());
        };
        match args.fleet(seed) {
            Some(fleet) => run_fleet(&fleet, prepare),
            None => run(&args.scenario(seed), prepare),
        }
    };
    let report = match &args.trace {
        Some(filter) => {
            let subscriber = tracing_subscriber::fmt()
                .with_env_filter(EnvFilter::new(filter))
                .with_timer(clock.clone())
                .with_ansi(false)
                .finish();
            tracing::subscriber::with_default(subscriber, go)
        }
        None => go(),
    };
    let took = started.elapsed().as_secs_f64();
    print(format_args!("{report}"));
    // Not in a log that must be the same in two runs.
    if !args.log {
        let times = report.elapsed.as_secs_f64() / took.max(1e-9);
        print(format_args!("  {took:.2} s, {times:.0} times as fast, {} polls", report.polls));
    }
    report
}

impl Args {
    fn log_to(&self, sim: &Sim) {
        if self.log {
            sim.log_to(|at, line| print(format_args!("{:.9} {line}", at.as_secs_f64())));
        }
    }

    /// Returns the scenario with several proxies, if it is requested.
    fn fleet(&self, seed: u64) -> Option<Fleet> {
        let mut fleet = Fleet::new(seed, self.proxies?);
        fleet.apps = self.apps.unwrap_or(fleet.apps);
        fleet.balance = match self.balance {
            Some(BalanceArg::LeastConnections) => Balance::LeastConnections,
            Some(BalanceArg::Random) => Balance::Random,
            Some(BalanceArg::RoundRobin) => Balance::RoundRobin,
            None => fleet.balance,
        };
        if let Some(age) = self.max_connection_age {
            fleet.max_connection_age = Some(age).filter(|age| !age.is_zero());
        }
        fleet.drain_spread = self.drain_spread.unwrap_or(fleet.drain_spread);
        fleet.push_linger = self.push_linger.unwrap_or(fleet.push_linger);
        fleet.disks = match self.disks {
            Some(DisksArg::None) => Disks::None,
            Some(DisksArg::Safe) => Disks::Safe,
            Some(DisksArg::Lying) => Disks::Lying,
            None => fleet.disks,
        };
        Some(fleet)
    }

    fn scenario(&self, seed: u64) -> Scenario {
        let mut scenario = Scenario::new(seed);
        scenario.calm = self.calm;
        scenario.apps = self.apps.unwrap_or(scenario.apps);
        scenario.time = self.time.unwrap_or(scenario.time);
        scenario.interval = self.interval.unwrap_or(scenario.interval);
        scenario.envelope = match self.envelope {
            Some(EnvelopeArg::Encrypted) => Envelope::Encrypted,
            Some(EnvelopeArg::Plaintext) => Envelope::Plaintext,
            None => scenario.envelope,
        };
        #[cfg(planted_faults)]
        {
            scenario.fault = self.fault;
        }
        scenario
    }
}

/// The simulated time, for log lines.
#[derive(Clone, Default)]
struct Clock(std::sync::Arc<OnceLock<Sim>>);

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let elapsed = self.0.get().map_or(Duration::ZERO, Sim::elapsed);
        write!(writer, "{:.9}", elapsed.as_secs_f64())
    }
}

/// Prints a line, unless nobody reads any more.
fn print(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("it should be FROM..TO")?;
    match (from.parse(), to.parse()) {
        (Ok(from), Ok(to)) if from < to => Ok(from..to),
        _ => Err("it should be two numbers, the second larger".to_owned()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("it should be a number and ms, s, m or h".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "there should be a number".to_owned())?;
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(|| "too long".to_owned())
}

#[cfg(planted_faults)]
fn fault(name: &str) -> Result<prometheus_rsocket_protocol::planted::Fault, String> {
    use prometheus_rsocket_protocol::planted::Fault;
    let known = Fault::ALL.into_iter().find(|fault| fault.name() == name);
    known.ok_or_else(|| format!("it is one of {:?}", Fault::ALL.map(Fault::name)))
}
