//! What has happened lately, in rings of fixed size.

use super::{MAX_DEPARTURES, MAX_MISSING, MAX_ROUNDS, Missing};
use prometheus_rsocket_protocol::collector::{AppRef, Notice, Outcome};
use prometheus_rsocket_runtime::Line;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The latest rounds and departures.
#[derive(Debug, Default)]
pub(crate) struct History {
    rings: Mutex<Rings>,
}

#[derive(Debug, Default)]
struct Rings {
    rounds: VecDeque<RoundRecord>,
    departures: VecDeque<Gone>,
}

/// A round that has ended.
#[derive(Clone, Debug)]
pub(super) struct RoundRecord {
    pub(super) scraper: String,
    pub(super) peer: String,
    pub(super) ended: Instant,
    pub(super) took: Duration,
    pub(super) outcome: &'static str,
    pub(super) round: Counted,
}

/// A connection that has ended.
#[derive(Clone, Debug)]
pub(super) struct Gone {
    pub(super) app: AppRef,
    pub(super) at: Instant,
    pub(super) reason: String,
}

/// What has come of the applications of a round so far. At most [`MAX_MISSING`] of them are kept by name.
#[derive(Debug, Default)]
pub(crate) struct Round(Mutex<Counted>);

#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    pub(super) apps: usize,
    pub(super) served: usize,
    pub(super) pushes: usize,
    pub(super) missing: usize,
    pub(super) first: Vec<Missing>,
}

impl Round {
    /// Notes what has come of one application.
    pub(crate) fn add(&self, outcome: &Outcome) {
        let mut counted = lock(&self.0);
        counted.apps += 1;
        match &outcome.result {
            Ok(answer) => {
                counted.served += 1;
                counted.pushes += usize::from(answer.is_push);
            }
            Err(failure) => counted.miss(&outcome.app.path, failure.reason()),
        }
    }

    /// An application's answer is not in the body after all.
    pub(crate) fn on_left_out(&self, path: &str, reason: &'static str) {
        let mut counted = lock(&self.0);
        counted.served = counted.served.saturating_sub(1);
        counted.miss(path, reason);
    }
}

impl Counted {
    fn miss(&mut self, path: &str, reason: &'static str) {
        self.missing += 1;
        if self.first.len() < MAX_MISSING {
            self.first.push(Missing { id: path.to_owned(), reason });
        }
    }
}

impl History {
    /// Notes a round that has ended.
    pub(crate) fn on_round(
        &self,
        now: Instant,
        took: Duration,
        (scraper, peer): (&str, String),
        outcome: &'static str,
        round: &Round,
    ) {
        let round = lock(&round.0).clone();
        // Escaped, and cut at 200 bytes.
        let scraper = Line(scraper).to_string();
        let record = RoundRecord { scraper, peer, ended: now, took, outcome, round };
        push(&mut lock(&self.rings).rounds, record, MAX_ROUNDS);
    }

    /// Notes what has happened among the applications.
    pub(crate) fn on_notice(&self, now: Instant, notice: &Notice) {
        let Notice::Gone { app, reason, was_connected: true } = notice else { return };
        let reason = reason.as_ref().map(|reason| Line(reason).to_string());
        let reason = reason.unwrap_or_else(|| "its session ended without a word".to_owned());
        let gone = Gone { app: app.clone(), at: now, reason };
        push(&mut lock(&self.rings).departures, gone, MAX_DEPARTURES);
    }

    /// The rounds, the latest first.
    pub(super) fn rounds(&self) -> Vec<RoundRecord> {
        lock(&self.rings).rounds.iter().rev().cloned().collect()
    }

    /// The departures, the latest first.
    pub(super) fn departures(&self) -> Vec<Gone> {
        lock(&self.rings).departures.iter().rev().cloned().collect()
    }
}

fn push<T>(ring: &mut VecDeque<T>, item: T, max: usize) {
    if ring.len() == max {
        ring.pop_front();
    }
    ring.push_back(item);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is done under it can be left half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
