//! What a collector has, to be looked at.

use super::{App, AppId, Collector, Config, ConnectionId};
use std::time::{Duration, Instant};

/// A push that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldPush {
    /// Whose it is.
    pub app: AppId,
    /// Bytes of its text.
    pub text_len: usize,
    /// Bytes that are held, compressed.
    pub bytes: usize,
    /// Samples of its text.
    pub samples: usize,
    /// How long it has been held, from its time to live and what is left of that: so the time before a restart counts if the time to live is
    /// still the same.
    pub age: Duration,
    /// How long it will be held at most.
    pub left: Duration,
    /// Whether it is on a disk as well.
    pub is_stored: bool,
    /// The names of the scrapers that have had it, or a later answer in its place.
    pub had: Vec<String>,
    /// The names of those that were seen in the last ten minutes and have not.
    pub missing: Vec<String>,
}

impl Collector {
    /// Its limits.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether answers that wait to be opened or handed out take half of the room that they have. Whoever carries session events should then hold
    /// back those of connections that are not [heads](Self::heads), so that applications wait instead of failing as overloaded.
    pub fn is_pressed(&self) -> bool {
        self.answer_bytes() >= self.config.max_pending_bytes / 2
    }

    /// The connections that scrapes wait for next, at most four for each scrape: their answers have to get through even so.
    pub fn heads(&self) -> impl Iterator<Item = ConnectionId> {
        self.scrapes.heads()
    }

    /// All applications, in the order of first connecting: those that are connecting, up, or gone within their grace time.
    pub fn apps(&self) -> impl Iterator<Item = &App> {
        self.registry.iter()
    }

    /// The applications that are part of a scrape of all, in the same order. One that has gone for longer than its grace time is among them
    /// while a scraper that was seen in the last ten minutes, or everybody, has not had what it pushed.
    pub fn targets(&self, now: Instant) -> impl Iterator<Item = &App> {
        let lately = self.scrapers.seen_lately(now);
        let is_missed = move |app: &App| app.is_pinned && self.pushes.has_missed(app.id, lately);
        self.registry.iter().filter(move |app| self.is_target(now, app, is_missed(app)))
    }

    /// Finds an application by its id. One that was merged into another has the other's.
    pub fn app(&self, id: AppId) -> Option<&App> {
        self.registry.get(id)
    }

    /// Finds an application by its path.
    pub fn app_at(&self, path: &str) -> Option<&App> {
        self.registry.by_path(path)
    }

    /// Whether [`poll_job`](Self::poll_job) has work.
    pub fn has_jobs(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Applications that are set up.
    pub fn connected(&self) -> usize {
        self.registry.connected()
    }

    /// Connections, set up or not.
    pub fn connections(&self) -> usize {
        self.registry.connections()
    }

    /// Entries of the registry, those of applications that are gone included.
    pub fn entries(&self) -> usize {
        self.registry.len()
    }

    /// Pushes held.
    pub fn held_pushes(&self) -> usize {
        self.pushes.held()
    }

    /// Pushes that nobody has had, or that a scraper that was seen in the last ten minutes has not had. Takes a look at each push.
    pub fn missed_pushes(&self, now: Instant) -> usize {
        self.pushes.missed(self.scrapers.seen_lately(now))
    }

    /// Of these, those that were not even sent to such a scraper.
    pub fn unsent_pushes(&self, now: Instant) -> usize {
        self.pushes.unsent(self.scrapers.seen_lately(now))
    }

    /// Pushes being opened or stored.
    pub fn opening_pushes(&self) -> usize {
        self.pushes.len() - self.pushes.held()
    }

    /// Bytes of pushes held or being opened.
    pub fn push_bytes(&self) -> usize {
        self.pushes.bytes()
    }

    /// The pushes of an application that are held, or of all applications, in the order of arrival.
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

    /// The scrapers that are known, at most 64, and when they were seen last.
    pub fn known_scrapers(&self) -> Vec<(&str, Instant)> {
        self.scrapers.all()
    }

    /// Scrapes under way.
    pub fn scrapes(&self) -> usize {
        self.scrapes.len()
    }

    /// Requests under way: at most one for each connection.
    pub fn requests(&self) -> usize {
        self.requests.len()
    }

    /// Bytes of answers that wait to be opened or are being opened. Pushes have a limit of their own, and take none of the answers' room.
    pub fn unopened_bytes(&self) -> usize {
        self.jobs.answer_bytes()
    }

    /// Bytes of answers and pushes that wait to be opened or handed out.
    pub fn pending_bytes(&self) -> usize {
        self.jobs.bytes() + self.scrapes.held_bytes()
    }
}
