//! A time of churn: applications reconnect and push while the proxy is scraped, and its memory is looked at.

use crate::args::Args;
use crate::fleet::{Command, Fleet};
use crate::report::{Churn, Sample, Scrapes};
use crate::{Failure, process, scrape};
use prometheus_rsocket_runtime::{Runtime, sleep_until};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is decided who reconnects and who pushes.
const STEP: Duration = Duration::from_millis(50);

pub(crate) async fn run<R: Runtime>(
    runtime: &R,
    args: &Arc<Args>,
    fleet: &Arc<Fleet>,
) -> Result<Churn, Failure> {
    let started = Instant::now();
    let (mut reconnects, mut pushes) = (Turns::new(args.churn), Turns::new(args.pushes));
    let (mut next_scrape, mut scraping) = (started, None);
    let (mut measured, mut samples) = (Vec::new(), Vec::new());
    while started.elapsed() < args.duration {
        for turn in reconnects.due(started.elapsed()) {
            let command = [Command::Close, Command::Cut, Command::PushAndClose][turn % 3];
            fleet.apps[turn % fleet.apps.len()].tell(command);
        }
        for turn in pushes.due(started.elapsed()) {
            // From the other end, so that these are seldom those that reconnect.
            fleet.apps[fleet.apps.len() - 1 - turn % fleet.apps.len()].tell(Command::Push);
        }
        if Instant::now() >= next_scrape {
            next_scrape += args.interval;
            if let Some(scrape) = scraping.take() {
                measured.push(done(scrape).await?);
            }
            let own = Arc::clone(args);
            scraping = Some(runtime.unblock(move || scrape::measured(&own)));
            samples.extend(sample(args, started, fleet)?);
        }
        sleep_until(runtime, Instant::now() + STEP).await;
    }
    if let Some(scrape) = scraping {
        measured.push(done(scrape).await?);
    }
    samples.extend(sample(args, started, fleet)?);
    let seconds = started.elapsed().as_secs_f64();
    Ok(Churn { seconds, reconnects: reconnects.taken, scrapes: Scrapes::of(&measured), samples })
}

async fn done<T, E, L>(
    scraping: impl Future<Output = Result<Result<T, E>, L>>,
) -> Result<T, Failure>
where
    Failure: From<E> + From<L>,
{
    Ok(scraping.await??)
}

fn sample(args: &Args, started: Instant, fleet: &Fleet) -> Result<Option<Sample>, Failure> {
    let Some(pid) = args.pid else { return Ok(None) };
    Ok(Some(Sample {
        seconds: started.elapsed().as_secs_f64(),
        resident_bytes: process::resident_bytes(pid)?,
        descriptors: process::descriptors(pid)?,
        cpu_seconds: process::cpu_seconds(pid)?,
        connected: fleet.keyed(),
    }))
}

/// Numbers that come due at a rate, one after the other.
struct Turns {
    rate: f64,
    taken: usize,
}

impl Turns {
    fn new(rate: f64) -> Self {
        Self { rate, taken: 0 }
    }

    /// The numbers that are due `elapsed` after the beginning and were not before.
    fn due(&mut self, elapsed: Duration) -> std::ops::Range<usize> {
        let all = (elapsed.as_secs_f64() * self.rate) as usize;
        let due = self.taken..all.max(self.taken);
        self.taken = due.end;
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_at_their_rate() {
        let mut turns = Turns::new(4.0);
        assert_eq!(turns.due(Duration::from_millis(600)), 0..2);
        assert_eq!(turns.due(Duration::from_millis(700)), 2..2);
        assert_eq!(turns.due(Duration::from_secs(2)), 2..8);
    }
}
