//! The state of a collector, for viewing.

use super::{App, AppId, Collector, Config, ConnectionId};
use std::time::{Duration, Instant};

/// A held push.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldPush {
    /// The application that pushed.
    pub app: AppId,
    /// Length of its text in bytes.
    pub text_len: usize,
    /// Compressed size in bytes, which is what is held.
    pub bytes: usize,
    /// Samples in its text.
    pub samples: usize,
    /// How long it has been held: its time to live less what is left of that. So the time before a restart counts if the time
    /// to live has not changed.
    pub age: Duration,
    /// How much longer it is held at most.
    pub left: Duration,
    /// Whether it is also stored on a disk.
    pub is_stored: bool,
    /// The names of the scrapers that have received it or a later answer.
    pub had: Vec<String>,
    /// The names of scrapers seen in the last ten minutes that have not.
    pub missing: Vec<String>,
}

impl Collector {
    /// Returns the current limits.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether answers that wait to be opened or handed out take up half of their room. Hold back events of sessions then,
    /// except for connections that are [heads](Self::heads), so that applications wait instead of failing as overloaded.
    pub fn is_pressed(&self) -> bool {
        self.answer_bytes() >= self.config.max_pending_bytes / 2
    }

    /// The connections that scrapes wait for next, at most four per scrape. Their answers must get through even if
    /// [`is_pressed`](Self::is_pressed).
    pub fn heads(&self) -> impl Iterator<Item = ConnectionId> {
        self.scrapes.heads()
    }

    /// All applications, in the order of first connecting: connecting, up, gone within their grace time, or kept for their pushes.
    pub fn apps(&self) -> impl Iterator<Item = &App> {
        self.registry.iter()
    }

    /// The applications that are part of a scrape of all applications, in the same order. One beyond its grace time is among
    /// them while no scraper has received its push, or one seen in the last ten minutes has not.
    pub fn targets(&self, now: Instant) -> impl Iterator<Item = &App> {
        let lately = self.scrapers.seen_lately(now);
        let is_missed = move |app: &App| app.is_pinned && self.pushes.has_missed(app.id, lately);
        self.registry.iter().filter(move |app| self.is_target(now, app, is_missed(app)))
    }

    /// Finds an application by its id. The id of an entry that was merged into another is unknown.
    pub fn app(&self, id: AppId) -> Option<&App> {
        self.registry.get(id)
    }

    /// Finds an application by its path.
    pub fn app_at(&self, path: &str) -> Option<&App> {
        self.registry.by_path(path)
    }

    /// Whether [`poll_job`](Self::poll_job) has a job.
    pub fn has_jobs(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Returns the number of applications that are set up.
    pub fn connected(&self) -> usize {
        self.registry.connected()
    }

    /// Returns the number of connections, set up or not.
    pub fn connections(&self) -> usize {
        self.registry.connections()
    }

    /// Returns the number of entries in the registry, including those of applications that are gone.
    pub fn entries(&self) -> usize {
        self.registry.len()
    }

    /// Returns the number of held pushes.
    pub fn held_pushes(&self) -> usize {
        self.pushes.held()
    }

    /// Returns the number of held pushes that no scraper has received, or that a scraper seen in the last ten minutes has not.
    /// Examines each push.
    pub fn missed_pushes(&self, now: Instant) -> usize {
        self.pushes.missed(self.scrapers.seen_lately(now))
    }

    /// Returns the number of those that were not even sent to such a scraper.
    pub fn unsent_pushes(&self, now: Instant) -> usize {
        self.pushes.unsent(self.scrapers.seen_lately(now))
    }

    /// Returns the number of pushes being opened or stored.
    pub fn opening_pushes(&self) -> usize {
        self.pushes.len() - self.pushes.held()
    }

    /// Returns the bytes of pushes held or being opened.
    pub fn push_bytes(&self) -> usize {
        self.pushes.bytes()
    }

    /// The held pushes of one application, or of all if `app` is `None`, in the order of arrival.
    pub fn held(&self, now: Instant, app: Option<AppId>) -> impl Iterator<Item = HeldPush> {
        let lately = self.scrapers.seen_lately(now);
        let of_app = app.into_iter().flat_map(|app| self.pushes.of(app));
        let of_all = app.is_none().then(|| self.pushes.iter()).into_iter().flatten();
        of_app.chain(of_all).map(move |(_, held)| {
            let names =
                |set| self.scrapers.of(set).into_iter().map(|(name, _)| name.to_owned()).collect();
            let left = held.expires.saturating_duration_since(now);
            HeldPush {
                app: held.app,
                text_len: held.answer.text_len,
                bytes: held.answer.block.len(),
                samples: held.answer.facts.samples,
                age: self.config.push_ttl.saturating_sub(left),
                left,
                is_stored: held.is_stored,
                had: names(held.had),
                missing: names(lately.without(held.had)),
            }
        })
    }

    /// Returns the names of the known scrapers, at most 64, and when each was last seen.
    pub fn known_scrapers(&self) -> Vec<(&str, Instant)> {
        self.scrapers.all()
    }

    /// Returns the number of scrapes under way.
    pub fn scrapes(&self) -> usize {
        self.scrapes.len()
    }

    /// Returns the number of requests under way: at most one per connection.
    pub fn requests(&self) -> usize {
        self.requests.len()
    }

    /// Returns the bytes of answers that wait to be opened or are being opened. Pushes have limits of their own and do not count.
    pub fn unopened_bytes(&self) -> usize {
        self.jobs.answer_bytes()
    }

    /// Returns the bytes of answers and pushes that wait to be opened or handed out.
    pub fn pending_bytes(&self) -> usize {
        self.jobs.bytes() + self.scrapes.held_bytes()
    }
}
