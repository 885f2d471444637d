//! What is reported, as text and as JSON. Times are in seconds, sizes in bytes.

use crate::args::Args;
use crate::fleet::Counts;
use crate::scrape::Scrape;
use serde::Serialize;
use std::fmt;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) apps: usize,
    pub(crate) series: usize,
    pub(crate) connected: Option<Connected>,
    /// Only if the proxy's process is known.
    pub(crate) memory: Option<Memory>,
    pub(crate) scrapes: Option<Scrapes>,
    pub(crate) churn: Option<Churn>,
    /// Connections over the whole run.
    pub(crate) ended: Counts,
}

/// Until all applications had a key at the same moment.
#[derive(Debug, Serialize)]
pub(crate) struct Connected {
    pub(crate) seconds: f64,
    /// The proxy's.
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) counts: Counts,
}

/// The proxy's resident memory.
#[derive(Debug, Serialize)]
pub(crate) struct Memory {
    before_bytes: u64,
    idle_bytes: u64,
    /// What it grew by when the applications connected, by their number.
    bytes_per_connection: f64,
    pub(crate) peak_bytes: u64,
}

impl Memory {
    pub(crate) fn idle(before_bytes: u64, idle_bytes: u64, apps: usize) -> Self {
        let bytes_per_connection = (idle_bytes as f64 - before_bytes as f64) / apps as f64;
        Self { before_bytes, idle_bytes, bytes_per_connection, peak_bytes: idle_bytes }
    }
}

/// Scrapes that were measured.
#[derive(Debug, Serialize)]
pub(crate) struct Scrapes {
    count: usize,
    latency: Percentiles,
    /// The proxy's, of the middle scrape, from the request to the end of the answer.
    cpu_seconds: Option<f64>,
    /// Of the middle scrape, as sent.
    wire_bytes: u64,
    text_bytes: u64,
    series: u64,
    /// The most applications that a scrape left out.
    missing: usize,
    each: Vec<Scrape>,
}

impl Scrapes {
    /// Sums up scrapes; `None` if there was none.
    pub(crate) fn of(all: &[Scrape]) -> Option<Self> {
        let middle_of = |value: fn(&Scrape) -> u64| {
            let mut values: Vec<u64> = all.iter().map(value).collect();
            values.sort_unstable();
            values.get(values.len() / 2).copied()
        };
        Some(Self {
            count: all.len(),
            latency: Percentiles::of(all.iter().map(|scrape| scrape.seconds).collect())?,
            cpu_seconds: Percentiles::of(
                all.iter().filter_map(|scrape| scrape.cpu_seconds).collect(),
            )
            .map(|cpu| cpu.p50),
            wire_bytes: middle_of(|scrape| scrape.wire_bytes)?,
            text_bytes: middle_of(|scrape| scrape.text_bytes)?,
            series: middle_of(|scrape| scrape.series)?,
            missing: all.iter().map(|scrape| scrape.missing).max()?,
            each: all.to_vec(),
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    min: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

impl Percentiles {
    /// By the nearest rank; `None` of nothing.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let at =
            |percent: usize| values.get((values.len() * percent).div_ceil(100).max(1) - 1).copied();
        Some(Self { min: at(0)?, p50: at(50)?, p90: at(90)?, p99: at(99)?, max: at(100)? })
    }
}

/// A time of churn.
#[derive(Debug, Serialize)]
pub(crate) struct Churn {
    pub(crate) seconds: f64,
    pub(crate) reconnects: usize,
    pub(crate) scrapes: Option<Scrapes>,
    pub(crate) samples: Vec<Sample>,
}

/// The proxy at a moment of the churn.
#[derive(Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) seconds: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) descriptors: usize,
    pub(crate) cpu_seconds: f64,
    pub(crate) connected: usize,
}

impl Report {
    pub(crate) fn new(args: &Args) -> Self {
        Self {
            apps: args.apps,
            series: args.series,
            connected: None,
            memory: None,
            scrapes: None,
            churn: None,
            ended: Counts::default(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} applications with {} series each", self.apps, self.series)?;
        if let Some(Connected { seconds, cpu_seconds, .. }) = &self.connected {
            writeln!(f, "connect: all have a key after {seconds:.3} s{}", Cpu(*cpu_seconds))?;
        }
        if let Some(memory) = &self.memory {
            writeln!(
                f,
                "memory: {:.1} MB before, {:.1} MB idle with all connected, {:.1} KiB for each; peak {:.1} MB",
                mb(memory.before_bytes),
                mb(memory.idle_bytes),
                memory.bytes_per_connection / 1024.0,
                mb(memory.peak_bytes)
            )?;
        }
        if let Some(scrapes) = &self.scrapes {
            writeln!(f, "scrape: {scrapes}")?;
        }
        if let Some(churn) = &self.churn {
            writeln!(f, "churn: {} reconnects in {:.0} s", churn.reconnects, churn.seconds)?;
            if let Some(scrapes) = &churn.scrapes {
                writeln!(f, "scrape during it: {scrapes}")?;
            }
            for sample in &churn.samples {
                let Sample { seconds, resident_bytes, descriptors, cpu_seconds, connected } =
                    sample;
                let resident = mb(*resident_bytes);
                writeln!(
                    f,
                    "  {seconds:6.0} s: {resident:.1} MB, {descriptors} descriptors, {cpu_seconds:.2} CPU-s, {connected} connected"
                )?;
            }
        }
        write!(f, "{}", self.ended)
    }
}

impl fmt::Display for Scrapes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, latency, cpu_seconds, wire_bytes, text_bytes, series, missing, .. } =
            self;
        let Percentiles { min, p50, p90, p99, max } = latency;
        write!(
            f,
            "{count} of them; latency {min:.3} s at least, {p50:.3} p50, {p90:.3} p90, {p99:.3} p99, {max:.3} at most{}; \
             {wire_bytes} bytes sent, {text_bytes} bytes of text, {series} series, {missing} applications missing",
            Cpu(*cpu_seconds)
        )
    }
}

/// Processor time at the end of a list, if known.
pub(crate) struct Cpu(pub(crate) Option<f64>);

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |seconds| write!(f, ", {seconds:.2} CPU-s"))
    }
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        assert_eq!(Percentiles::of(Vec::new()), None);
        let ten = Percentiles::of((1..=10).rev().map(f64::from).collect()).unwrap();
        assert_eq!((ten.min, ten.p50, ten.p90, ten.p99, ten.max), (1.0, 5.0, 9.0, 10.0, 10.0));
        let one = Percentiles::of(vec![3.0]).unwrap();
        assert_eq!((one.min, one.max), (3.0, 3.0));
    }
}
