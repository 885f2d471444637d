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

/// The other end of a connection, as seen when it was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address, for people.
    pub address: String,
    /// What carries RSocket's frames.
    pub transport: Transport,
    /// What TLS tells about the peer; `None` without TLS.
    pub tls: Option<PeerTls>,
}

/// The identity of a peer according to TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerTls {
    /// The subject of its client certificate, as text (RFC 4514); `None` if it presented none.
    pub subject: Option<String>,
    /// The subject alternative names of that certificate: `dns:`, `uri:` or `email:`, followed by the name.
    pub names: Vec<String>,
}

impl Peer {
    /// Returns the subject of its client certificate.
    pub fn tls_subject(&self) -> Option<&str> {
        self.tls.as_ref()?.subject.as_deref()
    }
}

/// The transport of an application's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP, or TLS over it.
    Tcp,
    /// WebSocket.
    WebSocket,
}

impl Transport {
    /// Returns the name for logs and the status page.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::WebSocket => "websocket",
        }
    }
}

/// One application: an entry of the registry, from the moment that its connection is accepted until the end of the grace time after it has gone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct App {
    /// Its id. An application that returns keeps it.
    pub id: AppId,
    /// Its path: one segment of a URL, unique in the registry. If the application has an identity, the path is the same after a
    /// restart and on another proxy.
    pub path: Arc<str>,
    /// Its identity; empty if only its connection is known.
    pub labels: Labels,
    /// Where the identity comes from.
    pub source: IdentitySource,
    /// What its credentials grant; `None` if it was admitted without any.
    pub grant: Option<Arc<Grant>>,
    /// What it declared in SETUP.
    pub hello: Hello,
    /// The other end of its current or last connection.
    pub peer: Arc<Peer>,
    /// Its connection; `None` once it has gone.
    pub connection: Option<ConnectionId>,
    /// When its current or last connection was accepted.
    pub since: Instant,
    /// Whether it is connected.
    pub state: AppState,
    /// Its last scrape; `None` if it was never scraped.
    pub last_scrape: Option<LastScrape>,
    /// The last scrape that it answered; `None` if it has answered none.
    pub last_served: Option<LastScrape>,
    /// Its latest run of failed scrapes, over or not; `None` if none ever failed.
    pub trouble: Option<Trouble>,
    /// Since when its answers have taken at least [`SLOW`]; `None` if the last one was faster.
    pub slow_since: Option<Instant>,
    /// Whether a push of it is held.
    pub has_push: bool,
    /// The number of its pushes that were ever held.
    pub pushes: u64,
    /// Whether another live application has its identity.
    pub is_duplicate: bool,
    /// Series that the last scrape left out because another application has them, too.
    pub collisions: usize,
    /// The reason in the last [`Notice::ScrapeFailing`](super::Notice::ScrapeFailing), unless it has recovered.
    pub(super) failing: Option<&'static str>,
    pub(super) reports: Reports,
    /// The rate of its pushes.
    pub(super) pace: Pace,
    /// Whether the entry is kept because pushes are held or being opened.
    pub(super) is_pinned: bool,
}

/// Whether an application is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppState {
    /// Its connection is accepted, but it is not set up yet.
    Connecting,
    /// It is connected and set up.
    Up,
    /// Its connection has ended.
    Gone {
        /// The reason; `None` if its session was dropped.
        reason: Option<CloseReason>,
        /// When it ended.
        at: Instant,
    },
}

/// The result of an application's last scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastScrape {
    /// When the scrape was settled.
    pub at: Instant,
    /// The time from sending the request until the answer arrived, not counting the time to open it. After a failure: the time
    /// since the scrape began.
    pub took: Duration,
    /// Length of the text in bytes; 0 after a failure.
    pub bytes: usize,
    /// Samples in the text; 0 after a failure.
    pub samples: usize,
    /// Why it failed; `None` if it was served.
    pub error: Option<ScrapeFailure>,
}

/// A run of failed scrapes of one application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trouble {
    /// When the first of them was settled.
    pub since: Instant,
    /// When the last one was settled.
    pub at: Instant,
    /// How many failed.
    pub times: u64,
    /// Why the last one failed.
    pub failure: ScrapeFailure,
    /// When the application was served again; `None` if it has not been.
    pub ended: Option<Instant>,
}

/// An application that takes at least this long to answer counts as slow.
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

    /// The current run of failed scrapes; `None` if the last scrape was served.
    pub fn failing(&self) -> Option<&Trouble> {
        self.trouble.as_ref().filter(|trouble| trouble.ended.is_none())
    }

    /// What its owner should know about its last scrape, and since when: that its text was refused, that part of it was left
    /// out, or that series collided.
    pub fn report(&self) -> Option<(&Report, Instant)> {
        self.reports.current()
    }

    /// The first line at fault of the last text that could be opened, as [`ExpositionError::excerpt`](crate::exposition::ExpositionError::excerpt)
    /// gives it. It is part of what was sealed for this proxy: never send it to a peer.
    pub fn faulty_line(&self) -> Option<&str> {
        self.reports.faulty_line()
    }

    /// Records that it has answered a scrape.
    pub(super) fn on_served(&mut self, scrape: LastScrape) {
        let is_slow = scrape.took >= SLOW;
        self.slow_since = is_slow.then(|| self.slow_since.unwrap_or(scrape.at));
        if let Some(trouble) = &mut self.trouble {
            trouble.ended.get_or_insert(scrape.at);
        }
        self.last_served = Some(scrape.clone());
        self.last_scrape = Some(scrape);
    }

    /// Records that a scrape of it failed.
    pub(super) fn on_failed(&mut self, at: Instant, took: Duration, failure: ScrapeFailure) {
        let error = Some(failure.clone());
        self.last_scrape = Some(LastScrape { at, took, bytes: 0, samples: 0, error });
        self.trouble = Some(match self.trouble.take().filter(|trouble| trouble.ended.is_none()) {
            Some(trouble) => Trouble { at, times: trouble.times + 1, failure, ..trouble },
            None => Trouble { since: at, at, times: 1, failure, ended: None },
        });
    }

    /// Whether the application is connected and answered its last scrape, so that its pushes are not its last word.
    pub(super) fn lives_on(&self) -> bool {
        self.is_up() && self.last_scrape.as_ref().is_some_and(|last| last.error.is_none())
    }

    /// The labels that its texts are read with.
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
