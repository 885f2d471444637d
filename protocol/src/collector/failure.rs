use super::JobError;
use crate::envelope::OpenError;
use crate::exposition::ExpositionErrorKind;
use crate::rsocket::connection::StreamFailure;
use bytes::Bytes;
use std::sync::Arc;

/// Bytes that are kept of what an application says in an ERROR frame.
const MAX_ERROR_DATA: usize = 1024;

/// Why a scrape has no answer of an application.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScrapeFailure {
    /// Its connection ended while it was being asked.
    #[error("the connection ended")]
    Closed,
    /// It is connected, but has sent no SETUP yet.
    #[error("not set up yet")]
    Connecting,
    /// It answered without metrics.
    #[error("answered without metrics")]
    Empty,
    /// It had gone before the scrape began.
    #[error("gone")]
    Gone,
    /// Its metrics cannot be opened or read.
    #[error(transparent)]
    Job(#[from] JobError),
    /// It could not be asked.
    #[error("could not be asked: {0}")]
    NotAsked(String),
    /// It answered, but the proxy had no room or no time left to open the answer.
    #[error("the proxy is overloaded")]
    Overloaded,
    /// It answered by an error, of whose text the first 1,024 bytes are kept, or broke the rules.
    #[error("{0}")]
    Refused(StreamFailure),
    /// It did not answer by the deadline.
    #[error("no answer by the deadline")]
    TimedOut,
    /// No application of this id is known, or no longer.
    #[error("unknown application")]
    Unknown,
}

impl ScrapeFailure {
    /// All values of [`reason`](Self::reason).
    pub const REASONS: [&str; 13] = [
        "closed",
        "connecting",
        "decrypt",
        "empty",
        "exposition",
        "gone",
        "not_asked",
        "overloaded",
        "refused",
        "timeout",
        "too_large",
        "unknown",
        "worker",
    ];

    /// Returns the reason as the value of a label, one of [`REASONS`](Self::REASONS).
    ///
    /// | reason | meaning |
    /// |---|---|
    /// | `closed` | the connection ended during the scrape |
    /// | `connecting` | connected, but no SETUP yet |
    /// | `decrypt` | the answer cannot be decrypted or decompressed |
    /// | `empty` | an answer without metrics |
    /// | `exposition` | Prometheus could not read the text |
    /// | `gone` | the application had gone before, and its grace time is not over |
    /// | `not_asked` | the connection takes no more requests |
    /// | `overloaded` | the proxy had no room or time to open the answer |
    /// | `refused` | the application answered by an error |
    /// | `timeout` | no answer by the deadline |
    /// | `too_large` | the text is over a limit |
    /// | `unknown` | no such application |
    /// | `worker` | the proxy failed while it opened the answer |
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Connecting => "connecting",
            Self::Empty => "empty",
            Self::Gone => "gone",
            Self::Job(error) => error.reason(),
            Self::NotAsked(_) => "not_asked",
            Self::Overloaded => "overloaded",
            Self::Refused(_) => "refused",
            Self::TimedOut => "timeout",
            Self::Unknown => "unknown",
        }
    }
}

impl From<StreamFailure> for ScrapeFailure {
    fn from(failure: StreamFailure) -> Self {
        match failure {
            StreamFailure::Closed => Self::Closed,
            // Copied, as the failure is kept until the next scrape: a slice would keep all alive that it was read with.
            StreamFailure::Error { code, data } => {
                let data = data.get(..MAX_ERROR_DATA).unwrap_or(&data);
                Self::Refused(StreamFailure::Error { code, data: Bytes::copy_from_slice(data) })
            }
            StreamFailure::Violation(_) => Self::Refused(failure),
        }
    }
}

impl JobError {
    /// Returns the reason as the value of a label, one of [`ScrapeFailure::REASONS`].
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Open(OpenError::TooLong { .. }) => "too_large",
            Self::Open(_) => "decrypt",
            Self::Exposition(error) => match error.kind {
                ExpositionErrorKind::LineTooLong { .. }
                | ExpositionErrorKind::TextTooLong { .. }
                | ExpositionErrorKind::TooManyFamilies { .. }
                | ExpositionErrorKind::TooManyLabels { .. }
                | ExpositionErrorKind::TooManySeries { .. } => "too_large",
                _ => "exposition",
            },
            Self::Worker => "worker",
        }
    }
}

/// Why a push is not held.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// It cannot be opened or read.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Its application is not admitted, or not yet.
    #[error("the application is not admitted yet")]
    NotAdmitted,
    /// Its application has its share already.
    #[error(transparent)]
    OverShare(#[from] PushShare),
    /// As many pushes are held as allowed, and nobody has had them yet.
    #[error("{limit} pushes are held already")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// It could not be stored.
    #[error("it cannot be written to disk: {reason}")]
    Store {
        /// Why.
        reason: String,
    },
    /// Its bytes do not fit in beside those that are held.
    #[error("no room for it beside other pushes, with a limit of {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
}

/// What one application may have of the room for pushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushShare {
    /// Bytes of pushes, held or being opened.
    #[error(
        "no room for it beside other pushes of this application, with a limit of {limit} bytes"
    )]
    Bytes {
        /// The limit.
        limit: usize,
    },
    /// Pushes held.
    #[error("{limit} pushes of this application are held already, and nobody has had them")]
    Held {
        /// The limit.
        limit: usize,
    },
    /// Pushes being opened at once.
    #[error("{limit} pushes of this application are being opened already")]
    Opening {
        /// The limit.
        limit: usize,
    },
    /// Pushes a second.
    #[error("this application pushes more than {limit} times a second")]
    Rate {
        /// The limit.
        limit: u32,
    },
}

/// Why no scrape can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{limit} scrapes are under way already")]
pub struct TooManyScrapes {
    /// The limit.
    pub limit: usize,
}

/// Why an application is not admitted. The text is what it is told: nothing that helps a stranger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TurnedAway {
    /// Its token is wrong.
    #[error("not admitted")]
    Credentials,
    /// It cannot seal in the version of the envelope that is required.
    #[error("this proxy requires version 2 of the metrics envelope")]
    Envelope,
    /// It shows no credentials that are known, and some are required.
    #[error("not admitted")]
    Identity,
    /// Too many others wait for their credentials to be checked.
    #[error("too many applications wait to be admitted; try again later")]
    Overloaded,
    /// Its address has shown wrong credentials too often lately.
    #[error("not admitted")]
    Throttled,
    /// Its credentials are right, but not for this transport.
    #[error("not admitted")]
    Transport {
        /// Whose credentials they are.
        entry: Arc<str>,
    },
}

impl TurnedAway {
    /// Returns the reason as the value of a label.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Envelope => "envelope",
            Self::Identity => "identity",
            Self::Overloaded => "overloaded",
            Self::Throttled => "throttled",
            Self::Transport { .. } => "transport",
        }
    }
}

/// Why no connection can be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{limit} applications are connected already")]
pub struct TooManyApps {
    /// The limit.
    pub limit: usize,
}

#[cfg(test)]
mod tests {
    use super::{MAX_ERROR_DATA, ScrapeFailure};
    use crate::rsocket::connection::StreamFailure;
    use crate::rsocket::frame::ErrorCode;

    #[test]
    fn little_is_kept_of_what_an_application_says() {
        let code = ErrorCode::APPLICATION_ERROR;
        let failure = StreamFailure::Error { code, data: vec![b'x'; 16 << 20].into() };
        // As text, it is bounded before it is kept, too.
        assert!(failure.to_string().len() < 1_100);
        let ScrapeFailure::Refused(StreamFailure::Error { data, .. }) = failure.into() else {
            panic!("an application's error");
        };
        assert_eq!(data.len(), MAX_ERROR_DATA);
    }
}
