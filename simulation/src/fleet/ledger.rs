//! What really happened in a fleet.

use crate::ledger::At;
use crate::report::{Counts, Violation};

#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) apps: Vec<AppRecord>,
    pub(super) scrapers: usize,
    pub(super) answers: Vec<Answer>,
    pub(super) kills: Vec<(At, Life)>,
    pub(super) rounds: Vec<Round>,
    pub(super) counts: Counts,
    pub(super) violations: Vec<Violation>,
}

/// One life of a proxy, from its start to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) proxy: usize,
    pub(super) number: u32,
}

#[derive(Debug, Default)]
pub(super) struct AppRecord {
    /// Each call for its metrics. The index is the serial number of the text.
    pub(super) calls: Vec<At>,
    pub(super) pushes: Vec<Push>,
}

/// A push that was acknowledged to the application.
#[derive(Clone, Debug)]
pub(super) struct Push {
    pub(super) at: At,
    pub(super) stored: At,
    /// The texts that it may be.
    pub(super) serials: std::ops::Range<usize>,
    /// The life of the proxy that acknowledged it.
    pub(super) by: Life,
}

/// An answer that a scraper has read in full.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) scraper: usize,
    pub(super) of: Life,
    pub(super) end: At,
    /// The application and number of each text in it.
    pub(super) texts: Vec<(usize, usize)>,
}

/// A scrape of all proxies at once, when everything is calm.
#[derive(Clone, Debug, Default)]
pub(super) struct Round {
    pub(super) start: At,
    pub(super) end: At,
    /// The contents of each proxy's answer; `None` if the answer broke.
    pub(super) answers: Vec<Option<Vec<(usize, usize)>>>,
    /// Which applications had one connection throughout.
    pub(super) settled: Vec<bool>,
}
