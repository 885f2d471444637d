use super::{App, AppId, Peer, PushError, ScrapeFailure, Transport, TurnedAway};
use crate::Labels;
use crate::hello::HelloError;
use crate::report::Report;
use crate::rsocket::connection::{CloseReason, Violation};
use std::sync::Arc;
use std::time::Duration;

/// Which application a [`Notice`] or an outcome is about, as it was at that time. Clones are cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppRef {
    /// Its id.
    pub id: AppId,
    /// Its path, unique among the applications of the registry.
    pub path: Arc<str>,
    /// Its identity; empty if nothing but its connection is known.
    pub labels: Labels,
    /// The other end of its connection.
    pub peer: Arc<Peer>,
    /// Whose credentials it has shown, if any.
    pub entry: Option<Arc<str>>,
}

impl AppRef {
    /// Stands for an application that is not known.
    pub(super) fn unknown(id: AppId) -> Self {
        let peer = Peer { address: String::new(), transport: Transport::Tcp, tls: None };
        Self { id, path: "".into(), labels: Labels::default(), peer: Arc::new(peer), entry: None }
    }
}

impl From<&App> for AppRef {
    fn from(app: &App) -> Self {
        Self {
            id: app.id,
            path: Arc::clone(&app.path),
            labels: app.labels.clone(),
            peer: Arc::clone(&app.peer),
            entry: app.grant.as_ref().map(|grant| Arc::clone(&grant.entry)),
        }
    }
}

/// Something that happened among the applications, for logs and counters. Nothing needs to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// An application is set up.
    Connected {
        /// Which.
        app: AppRef,
        /// Whether it came back to an entry of its identity.
        came_back: bool,
        /// Whether another live application has its identity.
        is_duplicate: bool,
    },
    /// A connection is over.
    Gone {
        /// Whose.
        app: AppRef,
        /// Why; `None` if its session was dropped without a word.
        reason: Option<CloseReason>,
        /// Whether it had been set up.
        was_connected: bool,
    },
    /// The hello in an application's SETUP cannot be read. The application is served as one that sent none.
    HelloIgnored {
        /// Whose.
        app: AppRef,
        /// What is wrong with it.
        error: HelloError,
    },
    /// An application's identity was learnt from its text.
    Identified {
        /// Which, with its identity.
        app: AppRef,
        /// Whether it came back to an entry of its identity.
        came_back: bool,
        /// Whether another live application has its identity.
        is_duplicate: bool,
    },
    /// An application is not admitted; its connection is being ended.
    TurnedAway {
        /// Whose.
        app: AppRef,
        /// Why.
        reason: TurnedAway,
    },
    /// A push that some scraper has had was dropped to make room for another one.
    PushEvicted {
        /// Whose.
        app: AppRef,
        /// Why this one.
        cause: PushEviction,
    },
    /// The time of a push is over.
    PushExpired {
        /// Whose.
        app: AppRef,
        /// Whether any scraper has had it.
        was_served: bool,
    },
    /// A push is held.
    PushHeld {
        /// Whose.
        app: AppRef,
        /// Whether the application waited to hear so.
        acknowledged: bool,
    },
    /// A push is not held.
    PushRejected {
        /// Whose.
        app: AppRef,
        /// Whether the application waited to hear so.
        acknowledged: bool,
        /// Why.
        error: PushError,
    },
    /// A push came a second time, and is held once.
    PushRepeated {
        /// Whose.
        app: AppRef,
        /// Whether the application waited to hear that it is held.
        acknowledged: bool,
    },
    /// A push is forgotten because its application made a later one with every series of it.
    PushReplaced {
        /// Whose.
        app: AppRef,
    },
    /// A push reached a scraper, which does not get it again.
    PushServed {
        /// Whose.
        app: AppRef,
    },
    /// A scraper does not get a push because it has got an answer that the application was asked for after it.
    PushSuperseded {
        /// Whose.
        app: AppRef,
    },
    /// An application can be scraped again, after [`ScrapeFailing`](Self::ScrapeFailing).
    Recovered {
        /// Which.
        app: AppRef,
    },
    /// What an application's owner should know has changed. It was told so as well if its hello says that it reads reports.
    Reported {
        /// Which.
        app: AppRef,
        /// What.
        report: Report,
    },
    /// An application's part in a scrape is settled. For counters: there is one for each scrape that asked it, but none
    /// for an application that had gone before.
    Scraped {
        /// Which.
        app: AppRef,
        /// Bytes of its text, or why it has not answered.
        result: Result<usize, ScrapeFailure>,
        /// Whether a push stands in for the answer. It does so without there being a failure if the application had gone.
        is_push: bool,
        /// Time since the scrape began.
        took: Duration,
    },
    /// Scrapes of an application have begun to fail, or fail for another reason than before. For logs: once until that changes.
    ScrapeFailing {
        /// Which.
        app: AppRef,
        /// Why.
        failure: ScrapeFailure,
    },
    /// An application broke a rule on one stream; its connection goes on.
    Violation {
        /// Which.
        app: AppRef,
        /// Which rule.
        violation: Violation,
    },
}

/// Why a push gives way to a newcomer, the first to go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PushEviction {
    /// Every scraper that was seen in the last ten minutes has had it, and at least one has.
    Delivered,
    /// Some scraper has had it, and its application can be asked again.
    LivesOn,
    /// Some scraper has had it.
    PartlyDelivered,
}

/// Whether a connection that ends in this way was ended on purpose, by either side: an ordinary event, and no fault.
pub fn is_ordinary(reason: &CloseReason) -> bool {
    reason.is_ordinary()
}
