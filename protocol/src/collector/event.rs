use super::{AppId, JobError};
use crate::rsocket::connection::{CloseReason, StreamFailure, Violation};
use std::time::Duration;

/// What happened among the applications, for logs and metrics. Nothing needs to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// An application is set up.
    Connected {
        /// Which.
        app: AppId,
    },
    /// An application's connection is over.
    Gone {
        /// Which.
        app: AppId,
        /// Why; `None` if its session was dropped without a word.
        reason: Option<CloseReason>,
        /// Whether it had been set up.
        was_connected: bool,
    },
    /// A push outlived its time without being scraped.
    PushExpired {
        /// Whose.
        app: AppId,
    },
    /// A push is stored.
    PushHeld {
        /// Whose.
        app: AppId,
        /// Whether the application waited to hear so.
        acknowledged: bool,
    },
    /// A push is not stored.
    PushRejected {
        /// Whose.
        app: AppId,
        /// Whether the application waited to hear so.
        acknowledged: bool,
        /// Why.
        error: PushError,
    },
    /// A push reached a scraper, and is forgotten.
    PushServed {
        /// Whose.
        app: AppId,
    },
    /// An application's part of a round is over.
    Scraped {
        /// Which.
        app: AppId,
        /// Bytes of its text, or why there is none.
        result: Result<usize, ScrapeFailure>,
        /// Time since the round began.
        took: Duration,
    },
    /// An application broke a rule on one stream; its connection goes on.
    Violation {
        /// Which.
        app: AppId,
        /// Which rule.
        violation: Violation,
    },
}

/// Why a round has no metrics of an application.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScrapeFailure {
    /// Its connection ended.
    #[error("the connection ended")]
    Closed,
    /// It answered without metrics.
    #[error("answered without metrics")]
    Empty,
    /// Its metrics cannot be opened or read.
    #[error(transparent)]
    Job(#[from] JobError),
    /// It could not be asked.
    #[error("could not be asked: {0}")]
    NotAsked(String),
    /// It answered, but the proxy had no room or no time left to open that.
    #[error("the proxy is overloaded")]
    Overloaded,
    /// It answered by an error, or broke the rules.
    #[error("{0}")]
    Refused(StreamFailure),
    /// It did not answer by the deadline.
    #[error("no answer by the deadline")]
    TimedOut,
}

/// Why a push is not stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// It cannot be opened or read.
    #[error(transparent)]
    Job(#[from] JobError),
    /// As many are held as may be.
    #[error("{limit} pushes are held already")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// Their bytes are as many as may be.
    #[error("pushes of {limit} bytes are held already")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
}

/// Why no round can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{limit} scrapes are under way already")]
pub struct TooManyRounds {
    /// The limit.
    pub limit: usize,
}

/// Why no application can be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{limit} applications are connected already")]
pub struct TooManyApps {
    /// The limit.
    pub limit: usize,
}
