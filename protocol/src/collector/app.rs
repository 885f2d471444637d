//! What is known about one application.

use super::identity::IdentitySource;
use super::pace::Pace;
use super::reports::Reports;
use super::{AppId, ConnectionId, Grant, Injected, ScrapeFailure};
use crate::Labels;
use crate::hello::Hello;
use crate::report::Report;
use crate::rsocket::connection::CloseReason;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The other end of a connection, as whoever accepted it knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address, for people.
    pub address: String,
    /// How RSocket's frames travel.
    pub transport: Transport,
    /// What is known from TLS, where it is used.
    pub tls: Option<PeerTls>,
}

/// Who the other end of a connection is by TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerTls {
    /// The subject of the certificate that it showed, as text (RFC 4514).
    pub subject: Option<String>,
    /// The subject alternative names of that certificate: `dns:`, `uri:` or `email:`, and the name.
    pub names: Vec<String>,
}

impl Peer {
    /// The subject of the certificate that it showed.
    pub fn tls_subject(&self) -> Option<&str> {
        self.tls.as_ref()?.subject.as_deref()
    }
}

/// What carries an application's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP, or TLS over it.
    Tcp,
    /// WebSocket.
    WebSocket,
}

impl Transport {
    /// Returns the name that logs and the status page show.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::WebSocket => "websocket",
        }
    }
}

/// What is known about one application: an entry of the registry, from the moment that its connection is accepted to the end
/// of the grace time after it has gone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct App {
    /// Its id. An application that comes back keeps it.
    pub id: AppId,
    /// Its path: a segment of a URL, unique in the registry, and the same after a restart and on another proxy if the
    /// application has an identity.
    pub path: Arc<str>,
    /// Its identity; empty if nothing but its connection is known.
    pub labels: Labels,
    /// Where the identity comes from.
    pub source: IdentitySource,
    /// What its credentials give it, if it was admitted by some.
    pub grant: Option<Arc<Grant>>,
    /// What it said of itself in SETUP.
    pub hello: Hello,
    /// The other end of its connection, or of its last one.
    pub peer: Arc<Peer>,
    /// Its connection; `None` once it has gone.
    pub connection: Option<ConnectionId>,
    /// When that connection, or its last one, was accepted.
    pub since: Instant,
    /// Whether it is there.
    pub state: AppState,
    /// How its last scrape went; `None` if it was never scraped.
    pub last_scrape: Option<LastScrape>,
    /// Its last scrape that it answered, if there was one.
    pub last_served: Option<LastScrape>,
    /// The last time that scrapes of it failed, whether or not they still do.
    pub trouble: Option<Trouble>,
    /// Since when its answers have taken at least [`SLOW`]; `None` if the last one was faster.
    pub slow_since: Option<Instant>,
    /// Whether a push of its is held.
    pub has_push: bool,
    /// Pushes that were held, ever.
    pub pushes: u64,
    /// Whether another live application has its identity.
    pub is_duplicate: bool,
    /// Series that the last scrape left out because another application has them too.
    pub collisions: usize,
    /// The reason that [`Notice::ScrapeFailing`](super::Notice::ScrapeFailing) gave last, unless it has recovered.
    pub(super) failing: Option<&'static str>,
    pub(super) reports: Reports,
    /// How often it pushes.
    pub(super) pace: Pace,
    /// Pushes are held or being opened: the entry is kept for them.
    pub(super) is_pinned: bool,
}

/// Whether an application is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppState {
    /// Its connection is accepted, and SETUP has not come yet.
    Connecting,
    /// It is connected.
    Up,
    /// Its connection has ended.
    Gone {
        /// Why; `None` if its session was dropped without a word.
        reason: Option<CloseReason>,
        /// When.
        at: Instant,
    },
}

/// How an application's last scrape went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastScrape {
    /// When it was settled.
    pub at: Instant,
    /// Time until the answer arrived, which then had to be opened: since the request for it was sent. After a failure, time since the scrape began.
    pub took: Duration,
    /// Bytes of the text; 0 after a failure.
    pub bytes: usize,
    /// Samples of the text; 0 after a failure.
    pub samples: usize,
    /// Why it failed.
    pub error: Option<ScrapeFailure>,
}

/// Scrapes of an application that failed one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trouble {
    /// When the first of them was settled.
    pub since: Instant,
    /// When the last one was.
    pub at: Instant,
    /// How many there were.
    pub times: u64,
    /// Why the last one failed.
    pub failure: ScrapeFailure,
    /// When the application was served again; `None` if it was not.
    pub ended: Option<Instant>,
}

/// How long an application takes to answer, at least, for it to be noted as slow.
pub const SLOW: Duration = Duration::from_secs(1);

impl App {
    /// Whether the application has gone.
    pub fn is_gone(&self) -> bool {
        matches!(self.state, AppState::Gone { .. })
    }

    /// Whether the application is connected and set up.
    pub fn is_up(&self) -> bool {
        self.state == AppState::Up
    }

    /// The scrapes that fail now.
    pub fn failing(&self) -> Option<&Trouble> {
        self.trouble.as_ref().filter(|trouble| trouble.ended.is_none())
    }

    /// What its owner should know of its last text, and since when it is so: that it was refused, that part of it was left out, or that
    /// some series were.
    pub fn report(&self) -> Option<(&Report, Instant)> {
        self.reports.current()
    }

    /// It has answered a scrape.
    pub(super) fn on_served(&mut self, scrape: LastScrape) {
        let is_slow = scrape.took >= SLOW;
        self.slow_since = is_slow.then(|| self.slow_since.unwrap_or(scrape.at));
        if let Some(trouble) = &mut self.trouble {
            trouble.ended.get_or_insert(scrape.at);
        }
        self.last_served = Some(scrape.clone());
        self.last_scrape = Some(scrape);
    }

    /// It has not answered a scrape.
    pub(super) fn on_failed(&mut self, at: Instant, took: Duration, failure: ScrapeFailure) {
        let error = Some(failure.clone());
        self.last_scrape = Some(LastScrape { at, took, bytes: 0, samples: 0, error });
        self.trouble = Some(match self.trouble.take().filter(|trouble| trouble.ended.is_none()) {
            Some(trouble) => Trouble { at, times: trouble.times + 1, failure, ..trouble },
            None => Trouble { since: at, at, times: 1, failure, ended: None },
        });
    }

    /// Whether the application is connected and answered its last scrape, so that what it pushed is not its last word.
    pub(super) fn lives_on(&self) -> bool {
        self.is_up() && self.last_scrape.as_ref().is_some_and(|last| last.error.is_none())
    }

    /// What its texts are read with.
    pub(super) fn injected(&self) -> Injected {
        Injected { labels: self.hello.labels.clone(), is_proven: self.source.is_proven() }
    }

    pub(super) fn gone_at(&self) -> Option<Instant> {
        match self.state {
            AppState::Gone { at, .. } => Some(at),
            AppState::Connecting | AppState::Up => None,
        }
    }
}
