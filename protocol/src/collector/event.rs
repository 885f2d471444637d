use super::{App, AppId, Peer, PushError, ScrapeFailure, Transport, TurnedAway};
use crate::Labels;
use crate::hello::HelloError;
use crate::report::Report;
use crate::rsocket::connection::{CloseReason, Violation};
use std::sync::Arc;
use std::time::Duration;

/// The application that a [`Notice`] or an outcome is about, as it was at that time. Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppRef {
    /// Its id.
    pub id: AppId,
    /// Its path, unique among the applications in the registry.
    pub path: Arc<str>,
    /// Its identity; empty if only its connection is known.
    pub labels: Labels,
    /// The other end of its connection.
    pub peer: Arc<Peer>,
    /// The entry of the credentials that it presented; `None` if it was admitted without any.
    pub entry: Option<Arc<str>>,
}

impl AppRef {
    /// Stands for an unknown application.
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

/// Something that happened to an application, for logs and counters. It needs no reaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// An application is set up.
    Connected {
        /// The application.
        app: AppRef,
        /// Whether it returned to an entry with its identity.
        came_back: bool,
        /// Whether another live application has its identity.
        is_duplicate: bool,
    },
    /// A connection has ended.
    Gone {
        /// The application.
        app: AppRef,
        /// The reason; `None` if its session was dropped.
        reason: Option<CloseReason>,
        /// Whether it had been set up.
        was_connected: bool,
    },
    /// The hello in an application's SETUP cannot be read. The application is served as if it had sent none.
    HelloIgnored {
        /// The application.
        app: AppRef,
        /// The error.
        error: HelloError,
    },
    /// An application's identity was learnt from its text.
    Identified {
        /// The application, with its identity.
        app: AppRef,
        /// Whether it returned to an entry with its identity.
        came_back: bool,
        /// Whether another live application has its identity.
        is_duplicate: bool,
    },
    /// An application was not admitted; its connection is being closed.
    TurnedAway {
        /// The application.
        app: AppRef,
        /// The reason.
        reason: TurnedAway,
    },
    /// A push that some scraper has received was dropped to make room for another.
    PushEvicted {
        /// The application.
        app: AppRef,
        /// Why this push was dropped.
        cause: PushEviction,
    },
    /// A push has expired.
    PushExpired {
        /// The application.
        app: AppRef,
        /// Whether any scraper has received it.
        was_served: bool,
    },
    /// A push is held.
    PushHeld {
        /// The application.
        app: AppRef,
        /// Whether the application waits for the acknowledgement.
        acknowledged: bool,
    },
    /// A push was refused.
    PushRejected {
        /// The application.
        app: AppRef,
        /// Whether the application waits for the acknowledgement.
        acknowledged: bool,
        /// The error.
        error: PushError,
    },
    /// A push arrived again and is held once.
    PushRepeated {
        /// The application.
        app: AppRef,
        /// Whether the application waits for the acknowledgement.
        acknowledged: bool,
    },
    /// A push was dropped because its application made a later one with all of its series.
    PushReplaced {
        /// The application.
        app: AppRef,
    },
    /// A push reached a scraper, which does not get it again.
    PushServed {
        /// The application.
        app: AppRef,
    },
    /// A scraper does not get a push because it received the answer to a request that was sent after the push.
    PushSuperseded {
        /// The application.
        app: AppRef,
    },
    /// An application can be scraped again, after [`ScrapeFailing`](Self::ScrapeFailing).
    Recovered {
        /// The application.
        app: AppRef,
    },
    /// What an application's owner should know has changed. The application received the report, too, if its hello says that it reads reports.
    Reported {
        /// The application.
        app: AppRef,
        /// The report.
        report: Report,
    },
    /// An application's part in a scrape is settled. For counters: one for each scrape that asked the application or in which a
    /// push stands in for it.
    Scraped {
        /// The application.
        app: AppRef,
        /// The length of its text in bytes, or why there is none.
        result: Result<usize, ScrapeFailure>,
        /// Whether a push stands in for the answer.
        is_push: bool,
        /// Time since the scrape began.
        took: Duration,
    },
    /// Scrapes of an application have started to fail, or fail for another reason than before. For logs: not repeated until that changes.
    ScrapeFailing {
        /// The application.
        app: AppRef,
        /// The failure.
        failure: ScrapeFailure,
    },
    /// An application violated the protocol on one stream; its connection goes on.
    Violation {
        /// The application.
        app: AppRef,
        /// The violation.
        violation: Violation,
    },
}

/// Why a push is dropped for a new one. The first in the order is dropped first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PushEviction {
    /// Every scraper seen in the last ten minutes has received it, and at least one has.
    Delivered,
    /// Some scraper has received it, and its application can be asked again.
    LivesOn,
    /// Some scraper has received it.
    PartlyDelivered,
}

/// Whether the connection was ended on purpose by either side: an ordinary event, not a fault.
pub fn is_ordinary(reason: &CloseReason) -> bool {
    reason.is_ordinary()
}
