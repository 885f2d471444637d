//! What really happened to a fleet.

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
    /// Each time that its metrics were asked for; the index is the text's serial number.
    pub(super) calls: Vec<At>,
    pub(super) pushes: Vec<Push>,
}

/// A push of which the application has heard that it is stored.
#[derive(Clone, Debug)]
pub(super) struct Push {
    pub(super) at: At,
    pub(super) stored: At,
    /// The texts that it may be.
    pub(super) serials: std::ops::Range<usize>,
    /// Who has said so.
    pub(super) by: Life,
}

/// An answer that a scraper has read as a whole.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) scraper: usize,
    pub(super) of: Life,
    pub(super) end: At,
    /// Whose texts are in it, and which.
    pub(super) texts: Vec<(usize, usize)>,
}

/// All proxies scraped at once when all is calm.
#[derive(Clone, Debug, Default)]
pub(super) struct Round {
    pub(super) start: At,
    pub(super) end: At,
    /// What each proxy has; nothing where its answer broke.
    pub(super) answers: Vec<Option<Vec<(usize, usize)>>>,
    /// Which applications had one connection for all of it.
    pub(super) settled: Vec<bool>,
}
