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
//! A *connection* is one transport; an *application* is an entry of the registry ([`App`]), from the moment that its
//! connection is accepted to the end of its grace time after it has gone. Its *identity* is a set of labels: those of its
//! [hello](crate::hello), else labels with one constant value in its text, which are learnt at its first scrape
//! ([`Policy::identity_labels`](crate::exposition::Policy)), else nothing but the number of its connection.
//!
//! * An application that comes back with the identity of one that has gone takes over its entry: id, path, place in the order,
//!   history and pushes.
//! * Two live applications of one identity are both kept and both flagged. The one that had the identity first keeps its path as long as its
//!   connection lives, also while that is half open; the path of the other has a number at its end. As soon
//!   as one of them goes, what is left is one entry, with the path and history of the one that was first: an application whose
//!   connection broke comes back, often over another transport, before the proxy has found out.
//! * A connection that ends without SETUP leaves nothing.
//!
//! # Admission
//!
//! With [`Config::admission`], an application that has sent SETUP is *connecting* still: it gets no key, is not scraped, and its pushes are
//! refused. [`Collector::poll_admission`] hands out what it shows, for the embedder to check, and [`Collector::handle_admission`] takes what
//! came of it: a [`Grant`], no grant, or why it is turned away. The labels of a grant are the application's identity, and those that it
//! says itself can neither replace them nor make up the identity of another grant; they are added to all its series in place of what its
//! text says.
//!
//! # Scrapes
//!
//! [`Collector::start_scrape`] asks one, some or all applications. [`Collector::poll_scrape`] then hands out exactly one
//! [`Outcome`] for each, in the order of first connecting, whether it is served or not. On a connection, one request is under way
//! at a time; scrapes that want its answer share it until the deadline of the scrape that had it sent. When nobody waits for a request any
//! more it is cancelled, and its late answer is dropped.
//!
//! An application that has gone is in a scrape of all, as failed with the reason `gone`, until its grace time is over: an
//! alert on `prometheus_proxy_app_up` sees it, and a restart within the grace time does not make two series of one application.
//! One without identity cannot come back; it is there only if a scrape asked it before, so that a series that began with 1 ends with 0,
//! and a client that reconnects in a loop makes no series at all. A scrape of some applications tells of all that it names.
//!
//! # Pushes
//!
//! A *push* is opened and read like an answer, then held, and only then acknowledged. It stands in for the answer wherever its
//! application has gone, is half open, or fails; the outcome then says so. It is held until its time is over, and served to each
//! [`Scraper`] until that one has had it: a scrape that had it was delivered as a whole, or one
//! with an answer that the application was asked for after the push. So no scraper sees an older value after a newer one. While a scrape
//! that has a push is under way, or was sent and may have been read or not, other scrapes of the same scraper leave it out.
//!
//! A later push of an application replaces an earlier one if it has every series of it. Otherwise both are held, and served in the order of
//! arrival; of a series that both have, the later one counts. [`PushKeep::All`] has all kept. The same sealed bytes that come twice, because
//! an acknowledgement was lost, are held once; in plaintext only those of one identity, as another's may be the same.
//!
//! Each application has its share of the work and the room: so many pushes being opened and held at once, so many bytes, and so many
//! pushes a second ([`Config`]). What exceeds a share is refused before anything is done with it.
//!
//! When all room for pushes is taken, others give way to a new one, the oldest of these first: first those that every scraper
//! seen in the last ten minutes has had, and at least one has; then those that some scraper has had, and of these first those whose application
//! lives on. An application lives on while it is connected and its last scrape was answered: it can be asked again, so its push is not its
//! last word. What nobody has had gives way to nobody: if too few can, the new push is refused. (The order may be a second old.)
//!
//! With [`Config::stores_pushes`] a push is held and acknowledged only once it is safe on a disk, which is not here:
//! [`Collector::poll_store`] says what is to be written or removed, [`Collector::handle_stored`] takes how that went, and
//! [`Collector::restore_push`] what an earlier process has left. Who has had a push is not stored.
//!
//! # Order of work
//!
//! [`Collector::poll_job`] hands out answers before pushes, answers to the scrape that ends first before others, and pushes of each
//! application in turn.
//!
//! # Jumps of the clock
//!
//! A deadline that [`Collector::handle_timeout`] hears of more than two seconds late was missed because the process was suspended
//! or the clock jumped. What applications answered meanwhile has not been read yet. Such a scrape goes on for one more second,
//! once.

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

/// A connection. Numbers are given out in the order of accepting, and never again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// Its number.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An application: an entry of the registry. Ids are in the order of first connecting.
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
    /// The request under way on each connection.
    requests: BTreeMap<ConnectionId, Request>,
    scrapers: Scrapers,
    pushes: Pushes,
    storing: Storing,
    yielding: Yielding,
    jobs: Jobs,
    content_keys: BTreeMap<ConnectionId, ContentKeys>,
    rekeying: Rekeying,
    /// Connections that end once they have answered, and what they are told.
    leaving: BTreeMap<ConnectionId, String>,
    commands: VecDeque<(ConnectionId, SessionCommand)>,
    notices: VecDeque<Notice>,
    /// Numbers requests and pushes, in one sequence.
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

    /// A transport was accepted: begins an entry for its application. Returns the connection's id, for a [`Session`].
    pub fn accept(&mut self, now: Instant, peer: Peer) -> Result<ConnectionId, TooManyApps> {
        let limit = self.config.max_connections;
        if self.registry.connections() >= limit {
            return Err(TooManyApps { limit });
        }
        Ok(self.registry.accept(now, peer))
    }

    /// Ends a connection, unless it is being asked for metrics; says whether it does. Its application may connect again, here or elsewhere.
    pub fn let_go(&mut self, connection: ConnectionId, message: &str) -> bool {
        let is_known = self.registry.app_of(connection).is_some();
        if !is_known || self.requests.contains_key(&connection) {
            return false;
        }
        self.leaving.remove(&connection);
        self.commands.push_back((connection, goodbye(message.to_owned())));
        true
    }

    /// Ends a connection after the next request, be it answered or not, when it is longest until the one after; says whether that is news.
    pub fn let_go_after_request(&mut self, connection: ConnectionId, message: &str) -> bool {
        let is_known = self.registry.app_of(connection).is_some();
        let is_news = is_known && !self.leaving.contains_key(&connection);
        if is_news {
            self.leaving.insert(connection, message.to_owned());
        }
        is_news
    }

    /// A session is over without having said so. Does nothing if it has.
    pub fn remove(&mut self, now: Instant, connection: ConnectionId) {
        self.on_gone(now, connection, None);
    }

    /// Takes what an application's session says.
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

    /// Begins a scrape. Applications that are connected are asked; what is known of the others is told at once. Whatever is missing
    /// at `deadline` is given up.
    ///
    /// Pushes are served to each scraper once. Up to 64 are known; one without a name, or else the one of the most common origin that was not
    /// seen for longest is forgotten for another.
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

    /// Begins a scrape of one application by somebody who only looks at it. He is no scraper: nobody waits for him to come again, a push
    /// that he is shown stays held for all scrapers, and what comes of it is neither counted nor kept as the application's last scrape.
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

    /// Returns what a scrape has to hand out next: in the order of first connecting, unless an application keeps others waiting for more than
    /// a quarter of the time while answers take up the room ([`is_pressed`](Self::is_pressed)). Of a scrape that is finished, [`end_scrape`](Self::end_scrape) is to follow.
    pub fn poll_scrape(&mut self, id: ScrapeId) -> Progress {
        self.scrapes.poll(id, self.is_pressed())
    }

    /// Returns the next answer of a scrape in the order of arrival, which may be before its turn, so that work on it can begin. Each
    /// answer comes here at most once, and [`poll_scrape`](Self::poll_scrape) hands it out in its turn whether it was looked at or not.
    pub fn poll_early(&mut self, id: ScrapeId) -> Option<(AppId, Answer)> {
        self.scrapes.poll_early(id)
    }

    /// What [`poll_scrape`](Self::poll_scrape) handed out for an application is not in the scraper's answer after all: its pushes do not count
    /// as delivered.
    pub fn leave_out(&mut self, id: ScrapeId, app: AppId) {
        self.scrapes.leave_out(id, app);
    }

    /// The transport has taken all that a scrape handed out: it no longer counts as one. As long as it is not known whether it was read,
    /// other scrapes of the same scraper leave its pushes out; [`end_scrape`](Self::end_scrape) is to follow. Of more than 1,024 such scrapes the
    /// oldest ends as one that was not delivered.
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

    /// Forgets a scrape. If all that it handed out reached the scraper, that one does not get its pushes again; otherwise its next
    /// scrape has them. Requests that nobody else waits for are cancelled.
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

    /// Takes a job's result.
    pub fn handle_job(&mut self, now: Instant, done: JobDone) {
        self.jobs.on_done(&done);
        match done.purpose {
            Purpose::Answer { connection, request } => {
                self.learn_content_key(connection, done.content.map(|(key, _)| key));
                self.on_opened(now, connection, request, done.result);
                if self.is_pressed() {
                    self.scrapes.on_pressed();
                }
            }
            Purpose::Push { push } => self.on_push_opened(now, push, done),
        }
    }

    /// Keeps a content key that was unwrapped, as long as its connection lives.
    fn learn_content_key(&mut self, connection: ConnectionId, key: Option<Arc<KnownKey>>) {
        if let Some(key) = key
            && self.registry.app_of(connection).is_some()
        {
            self.content_keys.entry(connection).or_default().add(key);
        }
    }

    /// Says how many series of an application were left out of an answer because an application before it has them too. To be called for every application of an answer that looked for collisions, also with 0.
    /// The application's owner hears of it.
    pub fn report_collisions(&mut self, now: Instant, app: AppId, count: usize) {
        let Some(entry) = self.registry.get_mut(app) else { return };
        entry.collisions = count;
        entry.reports.on_collisions(now, count);
        self.report(app);
    }

    /// Lets time pass: gives up what scrapes at their deadline wait for, and forgets pushes and entries that are too old.
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

    /// When [`handle_timeout`](Self::handle_timeout) is due next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let pushes = self.pushes.next_expiry();
        let gone = self.registry.next_expiry(self.config.grace);
        [self.scrapes.next_deadline(), pushes, gone].into_iter().flatten().min()
    }

    /// Returns the job that [`poll_job`](Self::poll_job) would return, and leaves it where it is. Whoever has to wait before it can be run, for
    /// memory say, does so without taking it: it may yet be forgotten, or a more urgent one may come.
    pub fn peek_job(&self) -> Option<&Job> {
        self.jobs.peek()
    }

    /// Returns the next piece of CPU-heavy work: answers before pushes, and pushes of each application in turn. As many may be
    /// under way at once as there are cores to run them.
    pub fn poll_job(&mut self) -> Option<Job> {
        self.jobs.pop()
    }

    /// Returns the next command for a session. A session that is gone needs none.
    pub fn poll_command(&mut self) -> Option<(ConnectionId, SessionCommand)> {
        self.commands.pop_front()
    }

    /// Returns the next thing to log or count.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Returns the next scrape whose [`poll_scrape`](Self::poll_scrape) has something new.
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
