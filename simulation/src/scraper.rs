//! Scrapers: real HTTP, well-mannered and other.

use crate::http::{Connection, Get};
use crate::ledger::{ScrapeEnd, ScrapeRecord};
use crate::report::Kind;
use crate::text;
use crate::world::World;
use fastrand::Rng;
use flate2::Crc;
use prometheus_rsocket_runtime::{Runtime, timeout};
use prometheus_rsocket_sim::SimHost;
use std::sync::Arc;
use std::time::Duration;

/// One scraper, with the connection that it may use again.
pub(crate) struct Scraper {
    world: Arc<World>,
    number: usize,
    host: SimHost,
    connection: Option<Connection>,
}

/// How a scraper behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Goes away after a time.
    Leaving(Duration),
    /// Goes away before anybody can have answered.
    LeavingAtOnce,
    Prompt,
    /// Waits before each piece that it reads.
    Slow(Duration),
}

impl Scraper {
    pub(crate) fn new(world: &Arc<World>, number: usize) -> Self {
        let host = world.scrapers[number].clone();
        Self { world: Arc::clone(world), number, host, connection: None }
    }

    /// Scrapes at intervals until it is over. Each scrape begins when it is due, also if the one before takes longer.
    pub(crate) async fn scrape_at_intervals(mut self, interval: Duration, mut rng: Rng) {
        let mut due = self.host.now();
        while !self.world.is_over() {
            self.scrape(rng.bool(), Manner::Prompt).await;
            if rng.u8(..4) == 0 {
                self.connection = None;
            }
            // As Prometheus, which leaves out what it is too late for.
            let now = self.host.now();
            while due <= now {
                due += interval;
            }
            self.world.sleep(&self.host, due - now).await;
        }
    }

    /// Scrapes once, and writes down what came of it.
    pub(crate) async fn scrape(&mut self, gzip: bool, manner: Manner) {
        let start = self.world.now();
        self.connection.take_if(|connection| !connection.is_open());
        let opened = self.connection.as_ref().map_or(start, |connection| connection.opened);
        let record = ScrapeRecord {
            scraper: self.number,
            opened,
            start,
            timeout: self.world.terms.scrape_timeout,
            ready: self.world.ready(),
            prompt: manner == Manner::Prompt,
            end: None,
        };
        let index = {
            let mut ledger = self.world.ledger();
            ledger.scrapes.push(record);
            ledger.scrapes.len() - 1
        };
        self.world.sim.note(&format!("scrape {index} begins: gzip {gzip}, {manner:?}"));
        let body = self.fetch(gzip, manner).await;
        if !matches!(body, Some(Ok(_))) {
            self.connection = None;
        }
        let end = match body {
            None => ScrapeEnd::Abandoned { early: manner == Manner::LeavingAtOnce },
            Some(Err(error)) => ScrapeEnd::Failed(error),
            Some(Ok(body)) => {
                let mut crc = Crc::new();
                crc.update(&body);
                self.world.sim.note(&format!("scrape {index} has CRC {:08x}", crc.sum()));
                ScrapeEnd::Whole { len: body.len(), sections: self.take_apart(index, &body) }
            }
        };
        self.world.sim.note(&format!("scrape {index} ends: {}", summary(&end)));
        let now = self.world.now();
        self.world.ledger().scrapes[index].end = Some((now, end));
    }

    /// The body, or nothing where it was not waited for.
    async fn fetch(&mut self, gzip: bool, manner: Manner) -> Option<Result<Vec<u8>, String>> {
        let begin = self.host.now();
        let timeout_ = self.world.terms.scrape_timeout;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => match Connection::open(&self.host, self.world.now()).await {
                Ok(connection) => connection,
                Err(error) => return Some(Err(error)),
            },
        };
        let pause = if let Manner::Slow(pause) = manner { pause } else { Duration::ZERO };
        let get = Get { path: "/metrics/connected", gzip, timeout: timeout_, pause };
        let give_up = match manner {
            Manner::Leaving(after) => self.host.now() + after,
            Manner::LeavingAtOnce => self.host.now() + AT_ONCE,
            Manner::Prompt => begin + timeout_ + PATIENCE,
            Manner::Slow(_) => begin + timeout_ + SLOW_PATIENCE,
        };
        let got = timeout(&self.host, give_up, connection.get(get)).await;
        self.connection = Some(connection);
        match (got, manner) {
            (Ok(body), _) => Some(body),
            (Err(_), Manner::Leaving(_) | Manner::LeavingAtOnce) => None,
            (Err(_), Manner::Prompt | Manner::Slow(_)) => Some(Err("it did not end".to_owned())),
        }
    }

    /// Finds the applications' texts in an answer, each as it was given.
    fn take_apart(&self, index: usize, body: &[u8]) -> Vec<(usize, usize)> {
        let sections = match text::sections(body) {
            Ok(sections) => sections,
            Err(error) => {
                self.world.violation(Kind::Altered, format!("scrape {index}: {error}"));
                return Vec::new();
            }
        };
        let mut found = Vec::with_capacity(sections.len());
        for section in sections {
            let (app, serial) = (section.app, section.serial);
            let shape = self.world.ledger().apps.get(app).and_then(|record| record.shape(serial));
            let is_given = shape
                .is_some_and(|shape| text::served(app, serial, shape).as_bytes() == section.bytes);
            if is_given {
                found.push((app, serial));
            } else {
                let what = format!("scrape {index}: app-{app} never gave its text {serial} so");
                self.world.violation(Kind::Altered, what);
            }
        }
        found
    }
}

fn summary(end: &ScrapeEnd) -> String {
    match end {
        ScrapeEnd::Abandoned { .. } => "abandoned".to_owned(),
        ScrapeEnd::Failed(error) => format!("failed: {error}"),
        ScrapeEnd::Whole { len, sections } => {
            format!("{len} bytes, {} texts {sections:?}", sections.len())
        }
    }
}

/// Less than any application's bytes travel.
const AT_ONCE: Duration = Duration::from_micros(100);
/// How long a scraper looks on beyond the time that it has given.
const PATIENCE: Duration = Duration::from_secs(6);
/// More than the proxy gives to those who read slowly, and what is on its way after that.
const SLOW_PATIENCE: Duration = Duration::from_secs(100);
