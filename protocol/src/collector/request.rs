use super::jobs::Turn;
use super::{AppId, ScrapeId};
use std::time::{Duration, Instant};

/// Identifies a request for metrics on one connection. Ids are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// The request that is under way on a connection, for all scrapes that wait for its application.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: RequestId,
    /// When it was sent.
    pub(super) asked: Instant,
    /// The time from then until the answer arrived; zero before.
    pub(super) answered_in: Duration,
    /// The deadline of the scrape that caused it. Until then other scrapes join; after that, the next one sends a new request.
    pub(super) deadline: Instant,
    /// The answer's place among the jobs; `None` until it has arrived. A worker may have it already.
    pub(super) answered: Option<Turn>,
    /// The number of the proxy's key that it carries.
    pub(super) key: u64,
    /// Whether the answer is in version 2 of the envelope.
    pub(super) is_bound: bool,
    /// Whether this is the second request, because the content key of the first answer was not known.
    pub(super) is_repeated: bool,
    /// Scrapes that wait, each with the slot that it waits for.
    pub(super) waiters: Vec<(ScrapeId, AppId)>,
}

impl Request {
    pub(super) fn is_joinable(&self, now: Instant) -> bool {
        now < self.deadline
    }

    pub(super) fn remove_waiter(&mut self, scrape: ScrapeId) {
        self.waiters.retain(|(waiter, _)| *waiter != scrape);
    }
}
