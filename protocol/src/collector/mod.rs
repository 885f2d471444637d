//! The proxy's side, without IO: the registry of applications, scrapes, and the last metrics of applications that are gone.
//!
//! ```text
//!   transport ── Session ── SessionEvent ──▶ Collector ── Outcome ──▶ the scraper's answer
//!                    ▲                        │  │  ▲
//!                    └──── SessionCommand ────┘  ▼  │ JobDone
//!                                              Job (run elsewhere: RSA, AES, Snappy, reading the text)
//! ```
//!
//! # Applications
//!
//! A *connection* is one transport. An *application* is an entry of the registry ([`App`]), from the moment that its connection is accepted until
//! the end of its grace time after it has gone. Its *identity* is a set of labels: those of its credentials or its [hello](crate::hello), else
//! labels with one constant value in its text, which are learnt at its first scrape ([`Policy::identity_labels`](crate::exposition::Policy)).
//! Without any of these, only the number of its connection identifies it.
//!
//! * An application that returns with the identity of one that has gone takes over its entry: id, path, place in the order, history and pushes.
//! * Two live applications with one identity are both kept and both flagged. The one that had the identity first keeps its path
//!   as long as its connection lives, even while that is half open; the path of the other ends in a number. As soon as one of
//!   them goes, a single entry is left, with the path and history of the first: an application whose connection broke returns,
//!   often over another transport, before the proxy has noticed.
//! * A connection that ends before SETUP leaves no entry.
//!
//! # Admission
//!
//! With [`Config::admission`], an application that has sent SETUP is still *connecting*: it gets no key, is not scraped, and
//! its pushes are refused. [`Collector::poll_admission`] hands out its credentials, which the embedder checks, and
//! [`Collector::handle_admission`] takes the result: a [`Grant`], no grant, or the reason for turning it away. The labels of a
//! grant are the application's identity. Labels that it declares itself can neither replace them nor form the identity of
//! another grant. The labels of a grant are added to all its series, in place of labels of the same names in its text.
//!
//! # Scrapes
//!
//! [`Collector::start_scrape`] asks one, some or all applications. [`Collector::poll_scrape`] then hands out exactly one
//! [`Outcome`] for each, in the order of first connecting, whether the application is served or not. One request at a time is
//! under way on a connection; scrapes that want its answer share it until the deadline of the scrape that caused it. When no
//! scrape waits for a request any more, it is cancelled and a late answer is dropped.
//!
//! An application that has gone stays part of scrapes of all applications until its grace time is over, failed with the reason
//! `gone`. So an alert on `prometheus_proxy_app_up` sees it, and a restart within the grace time does not make two series of
//! one application. An application without identity cannot return. It stays only if it was scraped before, so that a series
//! that began with 1 ends with 0, while a client that reconnects in a loop makes no series at all. A scrape of some
//! applications has an outcome for each that it names.
//!
//! # Pushes
//!
//! A *push* is opened and read like an answer, then held, and only then acknowledged. It stands in for the answer of an
//! application that has gone, is half open, or fails; the outcome then says so. It is held until it expires, and served to each
//! [`Scraper`] until that has received it, or the answer to a request that was sent after the push; a scrape counts as received
//! once it was delivered completely. So no scraper sees an older value after a newer one. While a scrape with a push is under
//! way, or was sent and perhaps not read, other scrapes of the same scraper leave the push out.
//!
//! A later push of an application replaces an earlier one if it has all of its series. Otherwise both are held and served in
//! the order of arrival; for a series in both, the later one counts. With [`PushKeep::All`] no push replaces another. The same
//! sealed bytes that arrive twice because an acknowledgement was lost are held once. In plaintext mode this applies only within
//! one identity, since another application may send the same bytes.
//!
//! Each application has its share of work and room: a number of pushes being opened and held at once, bytes, and pushes per
//! second ([`Config`]). A push over a share is refused before any work is done on it.
//!
//! When the room for pushes is used up, other pushes give way to a new one. First are those that every scraper seen in the last
//! ten minutes has received, and at least one has; then those that some scraper has received and whose application lives on;
//! then the others that some scraper has received. Within each group the oldest is first. An application lives on while it is
//! connected and has answered its last scrape: it can be asked again, so its push is not its last word. A push that no scraper
//! has received gives way to none; if too few can, the new push is refused. (The order may be a second old.)
//!
//! With [`Config::stores_pushes`] a push is held and acknowledged only once it is safe on a disk, which the embedder writes:
//! [`Collector::poll_store`] returns what to write or remove, [`Collector::handle_stored`] takes the result, and
//! [`Collector::restore_push`] takes what an earlier process has left. Which scrapers have received a push is not stored.
//!
//! # Order of work
//!
//! [`Collector::poll_job`] hands out answers before pushes, answers to the scrape that ends first before other answers, and
//! pushes of each application in turn.
//!
//! # Jumps of the clock
//!
//! If [`Collector::handle_timeout`] is called more than two seconds after a deadline, the process was suspended or the clock
//! jumped, and answers that arrived meanwhile have not been read yet. Such a scrape continues for one more second, once.

mod admitting;
mod app;
mod app_events;
mod config;
mod content;
mod event;
mod failure;
mod identity;
mod job;
mod jobs;
mod outcome;
mod pace;
mod push;
mod pushing;
mod reconfigure;
mod record;
mod registry;
mod rekey;
mod reports;
mod request;
mod requests;
mod room;
mod scrape;
mod scrapers;
mod session;
mod storing;
mod views;

#[cfg(test)]
mod tests;

pub use admitting::{AdmissionRequest, Grant, GrantId};
pub use app::{App, AppState, LastScrape, Peer, PeerTls, SLOW, Transport, Trouble};
pub use config::{Config, PushKeep};
pub use event::{AppRef, Notice, PushEviction, is_ordinary};
pub use failure::{PushError, PushShare, ScrapeFailure, TooManyApps, TooManyScrapes, TurnedAway};
pub use identity::IdentitySource;
pub use job::{Job, JobDone, JobError, JobTicket, Tools};
pub use outcome::{Answer, Injected, Outcome, Progress, Summary, Targets};
pub use record::{PushRecord, RecordError, RestoredPush};
pub use request::RequestId;
pub use scrape::ScrapeId;
pub use scrapers::Scraper;
pub use session::{Session, SessionCommand, SessionEvent};
pub use storing::{StoreCommand, StoreId};
pub use views::HeldPush;

use crate::envelope::v2::KnownKey;
use crate::rsocket::frame::ErrorCode;
use admitting::Admissions;
use content::ContentKeys;
use job::Purpose;
use jobs::Jobs;
use push::Pushes;
use registry::Registry;
use rekey::Rekeying;
use request::Request;
use room::Yielding;
use scrape::{Delivery, Scrapes};
use scrapers::{Scrapers, Whose};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;
use storing::Storing;

/// Identifies a connection. Numbers are assigned in the order of accepting and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// Returns the number.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identifies an application: an entry of the registry. Ids are in the order of first connecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppId(u64);

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// All applications of one proxy. See the [module](self).
#[derive(Debug)]
pub struct Collector {
    config: Config,
    registry: Registry,
    admissions: Admissions,
    scrapes: Scrapes,
    /// The request that is under way on each connection.
    requests: BTreeMap<ConnectionId, Request>,
    scrapers: Scrapers,
    pushes: Pushes,
    storing: Storing,
    yielding: Yielding,
    jobs: Jobs,
    content_keys: BTreeMap<ConnectionId, ContentKeys>,
    rekeying: Rekeying,
    /// Connections to close once they have answered, and the message for each.
    leaving: BTreeMap<ConnectionId, String>,
    commands: VecDeque<(ConnectionId, SessionCommand)>,
    notices: VecDeque<Notice>,
    /// Numbers requests and pushes in one sequence.
    next_number: u64,
}

impl Collector {
    /// A collector without applications.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            registry: Registry::default(),
            admissions: Admissions::default(),
            scrapes: Scrapes::default(),
            requests: BTreeMap::new(),
            scrapers: Scrapers::default(),
            pushes: Pushes::default(),
            storing: Storing::default(),
            yielding: Yielding::default(),
            jobs: Jobs::default(),
            content_keys: BTreeMap::new(),
            rekeying: Rekeying::default(),
            leaving: BTreeMap::new(),
            commands: VecDeque::new(),
            notices: VecDeque::new(),
            next_number: 0,
        }
    }

    /// Adds an entry for the application of a transport that was just accepted. Returns the connection's id, for a [`Session`].
    ///
    /// # Errors
    ///
    /// If there are [`Config::max_connections`] connections.
    pub fn accept(&mut self, now: Instant, peer: Peer) -> Result<ConnectionId, TooManyApps> {
        let limit = self.config.max_connections;
        if self.registry.connections() >= limit {
            return Err(TooManyApps { limit });
        }
        Ok(self.registry.accept(now, peer))
    }

    /// Closes a connection, unless it is being asked for metrics or is unknown. Returns whether it does. The peer gets
    /// `message`; its application may connect again, here or elsewhere.
    pub fn let_go(&mut self, connection: ConnectionId, message: &str) -> bool {
        let is_known = self.registry.app_of(connection).is_some();
        if !is_known || self.requests.contains_key(&connection) {
            return false;
        }
        self.leaving.remove(&connection);
        self.commands.push_back((connection, goodbye(message.to_owned())));
        true
    }

    /// Closes a connection after its next request, answered or not, when the time until the following one is longest. Returns
    /// whether this is new.
    pub fn let_go_after_request(&mut self, connection: ConnectionId, message: &str) -> bool {
        let is_known = self.registry.app_of(connection).is_some();
        let is_news = is_known && !self.leaving.contains_key(&connection);
        if is_news {
            self.leaving.insert(connection, message.to_owned());
        }
        is_news
    }

    /// Removes a connection whose session ended without [`SessionEvent::Closed`]. Does nothing if the connection is already gone.
    pub fn remove(&mut self, now: Instant, connection: ConnectionId) {
        self.on_gone(now, connection, None);
    }

    /// Takes an event of an application's session.
    pub fn handle_session(&mut self, now: Instant, connection: ConnectionId, event: SessionEvent) {
        match event {
            SessionEvent::Answered { request, payload, binding } => {
                self.on_answered(now, connection, request, (payload, binding));
            }
            SessionEvent::Closed { reason } => self.on_gone(now, connection, Some(reason)),
            SessionEvent::Connected { hello, token } => {
                self.on_connected(connection, hello, token);
            }
            SessionEvent::Failed { request, error } => {
                self.on_request_failed(now, connection, request, error.into());
            }
            SessionEvent::NotAsked { request, error } => {
                let failure = ScrapeFailure::NotAsked(error);
                self.on_request_failed(now, connection, request, failure);
            }
            SessionEvent::Pushed { stream_id, payload, binding } => {
                self.on_pushed(now, connection, stream_id, (payload, binding));
            }
            SessionEvent::StreamViolation { violation } => {
                let app = self.registry.app_of(connection);
                if let Some(app) = app.and_then(|app| self.registry.reference(app)) {
                    self.notices.push_back(Notice::Violation { app, violation });
                }
            }
        }
    }

    /// Starts a scrape. Connected applications are asked; the outcomes of others are available immediately. Applications that
    /// are missing at `deadline` fail.
    ///
    /// Pushes are served to each scraper once. At most 64 scrapers are known. To make room for another, the one without a name that was not seen
    /// for longest is forgotten, or, if all have names, the one of the most common origin that was not seen for longest.
    ///
    /// # Errors
    ///
    /// If there are [`Config::max_scrapes`] scrapes.
    pub fn start_scrape(
        &mut self,
        now: Instant,
        deadline: Instant,
        targets: Targets,
        scraper: &Scraper,
    ) -> Result<ScrapeId, TooManyScrapes> {
        self.check_scrapes()?;
        let (whose, forgotten) = self.scrapers.see(now, scraper);
        self.pushes.forget_scrapers(forgotten);
        let scrape = self.scrapes.start(now, deadline, whose);
        let apps: Vec<AppId> = match targets {
            Targets::All => {
                let apps = self.apps().filter(|app| self.is_target_for(now, app, whose));
                apps.map(|app| app.id).collect()
            }
            Targets::Some(mut apps) => {
                apps.sort_unstable();
                apps.dedup();
                apps
            }
        };
        for app in apps {
            self.add_target(now, scrape, deadline, app);
        }
        Ok(scrape)
    }

    /// Starts a scrape of one application for a viewer who is not a scraper. The proxy does not expect the viewer to return: a push that is shown
    /// stays held for all scrapers, and the result is neither counted nor kept as the application's last scrape.
    ///
    /// # Errors
    ///
    /// If there are [`Config::max_scrapes`] scrapes.
    pub fn start_look(
        &mut self,
        now: Instant,
        deadline: Instant,
        app: AppId,
    ) -> Result<ScrapeId, TooManyScrapes> {
        self.check_scrapes()?;
        let scrape = self.scrapes.start(now, deadline, Whose::NOBODY);
        self.add_target(now, scrape, deadline, app);
        Ok(scrape)
    }

    fn check_scrapes(&self) -> Result<(), TooManyScrapes> {
        let limit = self.config.max_scrapes;
        if self.scrapes.len() >= limit { Err(TooManyScrapes { limit }) } else { Ok(()) }
    }

    /// Returns the next outcome of a scrape. Outcomes are in the order of first connecting, unless answers take up the room
    /// ([`is_pressed`](Self::is_pressed)) and more than a quarter of the scrape's time has passed: then they do not wait for
    /// applications before them. Call [`end_scrape`](Self::end_scrape) once the scrape is finished.
    pub fn poll_scrape(&mut self, id: ScrapeId) -> Progress {
        self.scrapes.poll(id, self.is_pressed())
    }

    /// Returns the next answer of a scrape in the order of arrival, perhaps before its turn, so that work on it can begin.
    /// Returns each answer at most once; [`poll_scrape`](Self::poll_scrape) still hands it out in its turn.
    pub fn poll_early(&mut self, id: ScrapeId) -> Option<(AppId, Answer)> {
        self.scrapes.poll_early(id)
    }

    /// What [`poll_scrape`](Self::poll_scrape) handed out for this application is not part of the scraper's answer: its pushes do
    /// not count as delivered.
    pub fn leave_out(&mut self, id: ScrapeId, app: AppId) {
        self.scrapes.leave_out(id, app);
    }

    /// Notes that the transport has taken all that a scrape handed out, which then no longer counts towards
    /// [`Config::max_scrapes`]. Until [`end_scrape`](Self::end_scrape) says whether it was read, other scrapes of the same
    /// scraper leave its pushes out. At most 1,024 such scrapes are kept; beyond that the oldest ends as not delivered.
    pub fn scrape_sent(&mut self, id: ScrapeId) {
        #[cfg(planted_faults)]
        if crate::planted::is_planted(crate::planted::Fault::EarlyDelivery) {
            return self.end_scrape(id, true);
        }
        let Some((asked, delivery)) = self.scrapes.end(id) else { return };
        for connection in asked {
            self.leave_request(connection, id);
        }
        for push in &delivery.claims {
            self.pushes.on_sent(*push, id);
        }
        if !delivery.claims.is_empty()
            && let Some(oldest) = self.scrapes.keep_sent(id, delivery)
        {
            self.end_scrape(oldest, false);
        }
    }

    /// Ends a scrape. If `delivered`, all that it handed out reached the scraper, which does not get these pushes again;
    /// otherwise its next scrape has them. Requests that no other scrape waits for are cancelled.
    pub fn end_scrape(&mut self, id: ScrapeId, delivered: bool) {
        let Some((asked, delivery)) = self.scrapes.end(id) else { return };
        let Delivery { whose, claims, pushes, superseded } = delivery;
        for connection in asked {
            self.leave_request(connection, id);
        }
        for push in claims {
            self.pushes.release(push, id);
        }
        if delivered {
            self.on_pushes_delivered(whose, pushes, false);
            self.on_pushes_delivered(whose, superseded, true);
        }
    }

    /// Takes the result of a job.
    pub fn handle_job(&mut self, now: Instant, done: JobDone) {
        self.jobs.on_done(&done);
        match done.purpose {
            Purpose::Answer { connection, request } => {
                self.learn_content_key(connection, done.content.map(|(key, _)| key));
                self.on_opened(now, connection, request, done.result, done.faulty_line);
                if self.is_pressed() {
                    self.scrapes.on_pressed();
                }
            }
            Purpose::Push { push } => self.on_push_opened(now, push, done),
        }
    }

    /// Keeps an unwrapped content key as long as its connection lives.
    fn learn_content_key(&mut self, connection: ConnectionId, key: Option<Arc<KnownKey>>) {
        if let Some(key) = key
            && self.registry.app_of(connection).is_some()
        {
            self.content_keys.entry(connection).or_default().add(key);
        }
    }

    /// Sets how many series of an application were left out of an answer because an earlier application has them, too. Call it
    /// for every application of an answer that was checked for collisions, also with 0. A change is reported
    /// to the application.
    pub fn report_collisions(&mut self, now: Instant, app: AppId, count: usize) {
        let Some(entry) = self.registry.get_mut(app) else { return };
        entry.collisions = count;
        entry.reports.on_collisions(now, count);
        self.report(app);
    }

    /// Advances the time: ends what scrapes at their deadline wait for, and forgets expired pushes and entries.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.on_deadlines(now);
        while let Some(held) = self.pushes.pop_expired(now) {
            let was_served = !held.had.is_empty();
            let app = self.registry.reference(held.app);
            self.notices.extend(app.map(|app| Notice::PushExpired { app, was_served }));
            self.pin(held.app);
        }
        self.registry.expire(now, self.config.grace);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due next; `None` if nothing is waiting.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let pushes = self.pushes.next_expiry();
        let gone = self.registry.next_expiry(self.config.grace);
        [self.scrapes.next_deadline(), pushes, gone].into_iter().flatten().min()
    }

    /// Returns the job that [`poll_job`](Self::poll_job) would return, without taking it. A job that has to wait, for memory
    /// say, should wait here: it may be forgotten, or a more urgent one may arrive.
    pub fn peek_job(&self) -> Option<&Job> {
        self.jobs.peek()
    }

    /// Returns the next piece of CPU-heavy work: answers before pushes, and pushes of each application in turn. Any number of
    /// jobs may be under way at once; as many as there are cores make sense.
    pub fn poll_job(&mut self) -> Option<Job> {
        self.jobs.pop()
    }

    /// Returns the next command for a session. Drop it if the session is gone.
    pub fn poll_command(&mut self) -> Option<(ConnectionId, SessionCommand)> {
        self.commands.pop_front()
    }

    /// Returns the next event to log or count.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Returns the next scrape for which [`poll_scrape`](Self::poll_scrape) has something new.
    pub fn poll_news(&mut self) -> Option<ScrapeId> {
        self.scrapes.poll_news()
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }
}

fn goodbye(message: String) -> SessionCommand {
    SessionCommand::Close { code: ErrorCode::CONNECTION_ERROR, message }
}
