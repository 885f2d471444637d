use super::JobError;
use crate::envelope::OpenError;
use crate::exposition::ExpositionErrorKind;
use crate::rsocket::connection::StreamFailure;
use bytes::Bytes;
use std::sync::Arc;

/// The number of bytes kept of an application's ERROR text.
const MAX_ERROR_DATA: usize = 1024;

/// Why a scrape has no answer of an application.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScrapeFailure {
    /// Its connection ended before it answered.
    #[error("the connection ended")]
    Closed,
    /// It is connected, but not set up yet.
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
    /// The request could not be sent.
    #[error("could not be asked: {0}")]
    NotAsked(String),
    /// It answered, but the proxy lacked the room or the time to open the answer.
    #[error("the proxy is overloaded")]
    Overloaded,
    /// It answered with an error, of whose text the first 1,024 bytes are kept, or violated the protocol.
    #[error("{0}")]
    Refused(StreamFailure),
    /// It did not answer by the deadline.
    #[error("no answer by the deadline")]
    TimedOut,
    /// There is no application with this id, or no longer.
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

    /// Returns the reason as the value of a label: one of [`REASONS`](Self::REASONS).
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
            // Copied: the failure is kept until the next scrape, and a slice would keep the whole input buffer alive.
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

/// Why a push is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// It cannot be opened or read.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Its application is not admitted, or not yet.
    #[error("the application is not admitted yet")]
    NotAdmitted,
    /// Its application has used up its share.
    #[error(transparent)]
    OverShare(#[from] PushShare),
    /// The maximum number of pushes is held or being opened, and no scraper has received them yet.
    #[error("{limit} pushes are held already")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// It could not be stored.
    #[error("it cannot be written to disk: {reason}")]
    Store {
        /// The reason.
        reason: String,
    },
    /// Its size exceeds the room that the held pushes leave.
    #[error("no room for it beside other pushes, with a limit of {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
}

/// The share of one application that a push would exceed.
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
    /// Pushes per second.
    #[error("this application pushes more than {limit} times a second")]
    Rate {
        /// The limit.
        limit: u32,
    },
}

/// The maximum number of scrapes is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{limit} scrapes are under way already")]
pub struct TooManyScrapes {
    /// The limit.
    pub limit: usize,
}

/// Why an application is not admitted. The text is sent to the peer and reveals nothing useful to a stranger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TurnedAway {
    /// Its credentials are wrong, or were withdrawn.
    #[error("not admitted")]
    Credentials,
    /// It cannot seal in the version of the envelope that is required.
    #[error("this proxy requires version 2 of the metrics envelope")]
    Envelope,
    /// It presented no known credentials, and some are required.
    #[error("not admitted")]
    Identity,
    /// Too many other applications wait for their credentials to be checked.
    #[error("too many applications wait to be admitted; try again later")]
    Overloaded,
    /// Its address has presented wrong credentials too often recently.
    #[error("not admitted")]
    Throttled,
    /// Its credentials are right, but not valid over this transport.
    #[error("not admitted")]
    Transport {
        /// The entry of the credentials.
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

/// The maximum number of connections is reached.
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
