//! Scrapers that speak real HTTP, well-mannered and ill-mannered ones.

use crate::body::{self, BodyFormat, Contents, Fault};
use crate::http::{Connection, Get, Got};
use crate::ledger::{At, ListRecord, Of, ScrapeEnd, ScrapeRecord};
use crate::targets;
use crate::world::World;
use fastrand::Rng;
use flate2::Crc;
use http::StatusCode;
use prometheus_rsocket_protocol::collector::ScrapeFailure;
use prometheus_rsocket_proxy::config::Envelope;
use prometheus_rsocket_runtime::{Runtime, timeout};
use prometheus_rsocket_sim::{SimHost, Strike};
use std::sync::Arc;
use std::time::Duration;

/// One scraper, with the connection that it may use again.
pub(crate) struct Scraper {
    world: Arc<World>,
    number: usize,
    host: SimHost,
    connection: Option<Connection>,
    /// The last scrape that was answered over `connection`.
    answered: Option<usize>,
}

/// How a scraper behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Requests only the headers.
    Headers,
    /// Goes away after a time.
    Leaving(Duration),
    /// Goes away before anybody can have answered.
    LeavingAtOnce,
    Prompt,
    /// Has its connections reset once the answer begins.
    Resetting,
    /// Waits before each piece that it reads.
    Slow(Duration),
}

/// What a scraper requests.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) path: String,
    pub(crate) of: Of,
    pub(crate) gzip: bool,
    pub(crate) open_metrics: bool,
}

impl Ask {
    /// All applications, in any encoding and format.
    pub(crate) fn draw(rng: &mut Rng, calm: bool) -> Self {
        Self { gzip: rng.bool(), open_metrics: !calm && rng.u8(..5) == 0, ..Self::default() }
    }
}

impl Default for Ask {
    fn default() -> Self {
        let path = "/metrics/connected".to_owned();
        Self { path, of: Of::All, gzip: false, open_metrics: false }
    }
}

impl Scraper {
    pub(crate) fn new(world: &Arc<World>, number: usize) -> Self {
        let host = world.scrapers[number].clone();
        Self { world: Arc::clone(world), number, host, connection: None, answered: None }
    }

    /// Scrapes at intervals until the simulation is over. Each scrape begins when it is due, or late if the previous one takes longer.
    pub(crate) async fn scrape_at_intervals(mut self, interval: Duration, mut rng: Rng) {
        let mut due = self.host.now();
        while !self.world.is_over() {
            let ask = Ask::draw(&mut rng, self.world.scenario.calm);
            self.scrape(ask, Manner::Prompt).await;
            if rng.u8(..4) == 0 {
                self.go_on();
                self.connection = None;
            }
            // Like Prometheus, which skips scrapes for which it is too late.
            let now = self.host.now();
            while due <= now {
                due += interval;
            }
            self.world.sleep(&self.host, due - now).await;
        }
    }

    /// Scrapes once, and records the result.
    pub(crate) async fn scrape(&mut self, ask: Ask, manner: Manner) {
        let (start, opened) = self.reuse();
        let record = ScrapeRecord {
            scraper: self.number,
            of: ask.of,
            opened,
            start,
            timeout: self.world.terms.scrape_timeout,
            ready: self.world.ready(),
            prompt: manner == Manner::Prompt,
            end: None,
            went_on: None,
        };
        let index = {
            let mut ledger = self.world.ledger();
            ledger.scrapes.push(record);
            ledger.scrapes.len() - 1
        };
        self.world.sim.note(&format!("scrape {index} begins: {ask:?}, {manner:?}"));
        let got = self.fetch(&ask, manner).await;
        let end = match got {
            None => ScrapeEnd::Abandoned { early: manner == Manner::LeavingAtOnce },
            Some(Err(error)) if error == UNENDED => ScrapeEnd::Unended,
            Some(Err(error)) => ScrapeEnd::Failed(error),
            Some(Ok(_)) if manner == Manner::Headers => ScrapeEnd::Headers,
            Some(Ok(got)) if got.status == StatusCode::OK => {
                let mut crc = Crc::new();
                crc.update(&got.body);
                self.world.sim.note(&format!("scrape {index} has CRC {:08x}", crc.sum()));
                let len = got.body.len();
                match self.take_apart(&ask, &got.body) {
                    Ok(Contents { sections, rows }) => ScrapeEnd::Whole { len, sections, rows },
                    Err((kind, what)) => {
                        self.world.violation(kind, format!("scrape {index}: {what}"));
                        ScrapeEnd::Failed("it cannot be taken apart".to_owned())
                    }
                }
            }
            Some(Ok(got)) if ask.of != Of::All => down(&got),
            Some(Ok(got)) => ScrapeEnd::Failed(format!("status {}", got.status)),
        };
        self.world.sim.note(&format!("scrape {index} ends: {}", summary(&end)));
        let now = self.world.now();
        self.answered = self.connection.is_some().then_some(index);
        self.world.ledger().scrapes[index].end = Some((now, end));
    }

    /// Requests the list of targets, and records it.
    pub(crate) async fn list(&mut self) -> Vec<String> {
        let (start, opened) = self.reuse();
        let ask = Ask { path: "/sd".to_owned(), ..Ask::default() };
        let paths = match self.fetch(&ask, Manner::Prompt).await {
            Some(Ok(got)) if got.status == StatusCode::OK => targets::paths(&got.body),
            Some(Ok(got)) => Err(format!("status {}", got.status)),
            Some(Err(error)) => Err(error),
            None => Err("nothing came".to_owned()),
        };
        self.world.sim.note(&format!("the list of targets is {paths:?}"));
        let end = self.world.now();
        let found = paths.clone().unwrap_or_default();
        let record = ListRecord { scraper: self.number, opened, start, end, paths };
        self.world.ledger().lists.push(record);
        found
    }

    /// Returns the time, and when the connection that will be used was opened.
    fn reuse(&mut self) -> (At, At) {
        let start = self.world.now();
        self.go_on();
        self.connection.take_if(|connection| !connection.is_open());
        (start, self.connection.as_ref().map_or(start, |connection| connection.opened))
    }

    /// The connection is about to be used again, or to end in order, which tells the proxy that its last answer was read.
    fn go_on(&mut self) {
        let Some(answered) = self.answered.take() else { return };
        if self.connection.as_ref().is_some_and(Connection::is_open) {
            let now = self.world.now();
            self.world.ledger().scrapes[answered].went_on = Some(now);
        }
    }

    /// Returns the answer, or `None` if it was not waited for.
    async fn fetch(&mut self, ask: &Ask, manner: Manner) -> Option<Result<Got, String>> {
        let begin = self.host.now();
        let timeout_ = self.world.terms.scrape_timeout;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => match Connection::open(&self.host, "proxy", self.world.now()).await {
                Ok(connection) => connection,
                Err(error) => return Some(Err(error)),
            },
        };
        let pause = if let Manner::Slow(pause) = manner { pause } else { Duration::ZERO };
        let Ask { path, gzip, open_metrics, .. } = ask.clone();
        let head = manner == Manner::Headers;
        let first = manner == Manner::Resetting;
        let get = Get { path, head, gzip, open_metrics, timeout: timeout_, pause, first };
        let give_up = match manner {
            Manner::Leaving(after) => self.host.now() + after,
            Manner::LeavingAtOnce => self.host.now() + AT_ONCE,
            Manner::Headers | Manner::Prompt | Manner::Resetting => begin + timeout_ + PATIENCE,
            Manner::Slow(_) => begin + timeout_ + SLOW_PATIENCE,
        };
        let got = timeout(&self.host, give_up, connection.get(get)).await;
        if first {
            let now = self.world.now();
            self.world.ledger().scrapers[self.number].add(now, now);
            self.world.count("answers reset");
            self.world.sim.strike(&self.host, Strike::Reset);
        }
        match (got, manner) {
            (Ok(got), _) => {
                self.connection = got.is_ok().then_some(connection);
                Some(got)
            }
            (Err(_), Manner::Leaving(_) | Manner::LeavingAtOnce) => None,
            (Err(_), Manner::Headers | Manner::Prompt | Manner::Resetting | Manner::Slow(_)) => {
                Some(Err(UNENDED.to_owned()))
            }
        }
    }

    /// Finds the applications' texts in an answer, each as it was given.
    fn take_apart(&self, ask: &Ask, bytes: &[u8]) -> Result<Contents, Fault> {
        let is_of_all = ask.of == Of::All;
        let format = BodyFormat {
            grouped: ask.open_metrics || is_of_all && self.world.scenario.group_families(),
            open_metrics: ask.open_metrics,
            states: is_of_all,
            is_version_1: self.world.scenario.envelope == Envelope::Plaintext,
        };
        let ledger = self.world.ledger();
        let shape_of =
            |app: usize, serial| ledger.apps.get(app).and_then(|record| record.shape(serial));
        body::read(bytes, format, shape_of)
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        self.go_on();
    }
}

/// Returns what the proxy says about an application that is down.
fn down(got: &Got) -> ScrapeEnd {
    let text = String::from_utf8_lossy(&got.body);
    let mut reasons = ScrapeFailure::REASONS.into_iter();
    let reason = reasons.find(|reason| text.contains(&format!("is down ({reason})")));
    ScrapeEnd::Down { status: got.status.as_u16(), reason }
}

fn summary(end: &ScrapeEnd) -> String {
    match end {
        ScrapeEnd::Abandoned { .. } => "abandoned".to_owned(),
        ScrapeEnd::Failed(error) => format!("failed: {error}"),
        ScrapeEnd::Unended => UNENDED.to_owned(),
        ScrapeEnd::Headers => "headers".to_owned(),
        ScrapeEnd::Down { status, reason } => format!("status {status}, {reason:?}"),
        ScrapeEnd::Whole { len, sections, .. } => {
            format!("{len} bytes, {} texts {sections:?}", sections.len())
        }
    }
}

/// The error of an answer without an end.
const UNENDED: &str = "it did not end";
/// Less than the bytes of any application need.
const AT_ONCE: Duration = Duration::from_micros(100);
/// How long a scraper waits beyond its limit.
const PATIENCE: Duration = Duration::from_secs(6);
/// More than the proxy allows to slow readers, including what is on its way after that.
const SLOW_PATIENCE: Duration = Duration::from_secs(100);
