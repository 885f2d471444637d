//! Copies of the hub's data, for people.

use super::Hub;
use crate::status::{History, Seen, SeenApp, SeenLimits};
use event_listener::Event;
use prometheus_rsocket_protocol::collector::{App, AppId, HeldPush, ScrapeId, TooManyScrapes};
use std::sync::Arc;
use std::time::Instant;

impl Hub {
    /// Copies all entries, and up to `max_pushes` of the held pushes. The lock is held only for that: some milliseconds with 10,000 applications.
    pub(crate) fn look(&self, now: Instant, max_pushes: usize) -> Seen {
        let state = self.lock();
        let collector = &state.collector;
        let config = collector.config();
        let gone = collector.entries().saturating_sub(collector.connections());
        let limits = SeenLimits {
            connections: collector.connections(),
            gone: (gone, config.max_gone),
            scrapes: (collector.scrapes(), config.max_scrapes),
            held_pushes: (collector.held_pushes(), config.max_pushes),
            push_bytes: (collector.push_bytes(), config.max_push_bytes),
            pending_bytes: (collector.pending_bytes(), config.max_pending_bytes),
            connection_bytes: (self.memory.used(), self.memory.max()),
        };
        let scrapers = collector.known_scrapers().into_iter();
        Seen {
            apps: collector.apps().cloned().collect(),
            pushes: collector.held(now, None).take(max_pushes).collect(),
            missed_pushes: collector.missed_pushes(now),
            scrapers: scrapers.map(|(name, seen)| (name.to_owned(), seen)).collect(),
            limits,
        }
    }

    /// Copies one application's entry and its pushes.
    pub(crate) fn look_at(&self, now: Instant, app: AppId) -> Option<SeenApp> {
        let state = self.lock();
        let app: App = state.collector.app(app)?.clone();
        let pushes: Vec<HeldPush> = state.collector.held(now, Some(app.id)).collect();
        Some(SeenApp { app, pushes })
    }

    /// Begins a look, which is a scrape that counts as nobody's. The event is as in [`start_scrape`](Self::start_scrape).
    pub(crate) fn start_look(
        &self,
        now: Instant,
        deadline: Instant,
        app: AppId,
    ) -> Result<(ScrapeId, Arc<Event>), TooManyScrapes> {
        self.with(now, |state| {
            let scrape = state.collector.start_look(now, deadline, app)?;
            let news = Arc::new(Event::new());
            state.scrapes.insert(scrape, Arc::clone(&news));
            Ok((scrape, news))
        })
    }

    /// Returns the path of an application; empty if the application is no longer known.
    pub(crate) fn path_of(&self, app: AppId) -> Arc<str> {
        self.lock().collector.app(app).map_or_else(|| "".into(), |app| Arc::clone(&app.path))
    }

    /// Returns the recent events.
    pub(crate) fn history(&self) -> &History {
        &self.history
    }
}
