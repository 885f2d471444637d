use super::jobs::Turn;
use super::{AppId, ScrapeId};
use std::time::{Duration, Instant};

/// A request for metrics on one connection. Ids are never given out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// The request that is under way on a connection, for all scrapes that wait for its application.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: RequestId,
    /// When it was sent.
    pub(super) asked: Instant,
    /// How long after that the answer arrived; zero until it has.
    pub(super) answered_in: Duration,
    /// The deadline of the scrape that had it sent. Until then other scrapes join; after that, the next one asks again.
    pub(super) deadline: Instant,
    /// The place of the answer among the jobs; `None` until it is there. A worker may have it already.
    pub(super) answered: Option<Turn>,
    /// Which of the proxy's keys it carries.
    pub(super) key: u64,
    /// Whether the answer is in version 2 of the envelope.
    pub(super) is_bound: bool,
    /// Whether the application is asked for the second time, because its content key was not known.
    pub(super) is_repeated: bool,
    /// Scrapes that wait, and for which of their slots.
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
