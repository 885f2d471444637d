use super::KeyNotPinned;
use crate::envelope::{Fingerprint, KeyError, SealError};
use crate::fields::FieldError;
use crate::report::Report;
use crate::rsocket::connection::CloseReason;
use std::fmt;
use std::time::Duration;

/// Identifies metrics that are wanted, for one scrape or one push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

/// Identifies a push. Calls during a push that is under way share the id of the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PushId(pub(super) u64);

/// An event of an [`Agent`](super::Agent).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Wanted metrics are no longer wanted: the scrape was cancelled, its connection ended, or the push is over. Answering all
    /// the same is harmless.
    Canceled {
        /// The metrics.
        ticket: Ticket,
    },
    /// A connection ended or could not be opened. The agent tries again after the pause.
    Disconnected {
        /// The proxy of the connection, by its place in the list.
        proxy: usize,
        /// The reason.
        reason: DisconnectReason,
        /// The pause; zero if another proxy is tried immediately.
        retry_in: Duration,
    },
    /// More attempts to connect have failed than [`Config::max_retries`](super::Config::max_retries) allows.
    /// [`Stopped`](Self::Stopped) follows.
    GaveUp {
        /// Why the last attempt failed.
        reason: DisconnectReason,
    },
    /// A proxy's first key arrived and is now pinned ([`Pins::FirstUse`](super::Pins::FirstUse)). Store the fingerprint.
    KeyPinned {
        /// The proxy.
        proxy: usize,
        /// The key's fingerprint.
        fingerprint: Fingerprint,
    },
    /// The proxy sent a key that cannot be parsed. The previous key, if any, stays in use.
    KeyRefused {
        /// The error.
        error: KeyError,
    },
    /// The proxy's offer of version 2 of the envelope cannot be decoded. The scrape that carried it is rejected; a pushed key is ignored.
    OfferRefused {
        /// The error.
        error: FieldError,
    },
    /// The proxy may not receive the metrics. The agent is closing the connection.
    ProxyRefused {
        /// The reason.
        reason: ProxyRefusal,
    },
    /// A push that was already sent must be sealed again for this connection. Call
    /// [`Agent::seal_again`](super::Agent::seal_again).
    SealWanted {
        /// The push's metrics.
        ticket: Ticket,
    },
    /// A key has arrived: the application can be scraped and can push. Once per connection.
    Ready,
    /// Metrics are wanted. Call [`Agent::answer`](super::Agent::answer).
    MetricsWanted {
        /// Identifies the scrape or push.
        ticket: Ticket,
    },
    /// The agent needs to know whether a proxy can be reached. Open a transport to it beside the current connection, drop that transport, and
    /// call [`Agent::handle_probed`](super::Agent::handle_probed). The end of the current connection cancels the probe.
    ProbeWanted {
        /// The proxy's place in the list, before that of the current one.
        proxy: usize,
    },
    /// A push is over. After the last push, the agent closes the connection.
    Pushed {
        /// The push.
        push: PushId,
        /// Whether the agent stops after it.
        is_last: bool,
        /// Whether it succeeded.
        result: Result<(), PushFailure>,
    },
    /// The proxy reported on the state of the metrics. The report holds until the next one or the end of the connection.
    Reported {
        /// The report.
        report: Report,
    },
    /// The agent has stopped. This is the last event.
    Stopped,
}

/// Why a proxy may not receive the metrics. The text is also sent to the proxy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyRefusal {
    /// The proxy does not offer the required version of the envelope.
    #[error("this client requires version 2 of the metrics envelope, and was not offered it")]
    Envelope,
    /// The proxy's key is not a pinned one.
    #[error(transparent)]
    Key(#[from] KeyNotPinned),
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The connection was closed.
    Closed(CloseReason),
    /// No connection could be opened. The text says why.
    NotConnected(String),
    /// The transport of the connection failed. The text says why.
    Transport(String),
    /// The agent closed the connection because an earlier proxy can be reached again.
    Returning,
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(reason) => reason.fmt(f),
            Self::NotConnected(error) => write!(f, "cannot connect: {error}"),
            Self::Transport(error) => write!(f, "the connection failed: {error}"),
            Self::Returning => f.write_str("an earlier proxy can be reached again"),
        }
    }
}

/// Why pushed metrics may not have reached the proxy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushFailure {
    /// The time limit passed without a connection.
    #[error("the push took too long: there is no connection: {reason}")]
    NotConnected {
        /// Why there is no connection.
        reason: String,
    },
    /// The agent gave up connecting.
    #[error("the client has given up connecting: {reason}")]
    GaveUp {
        /// Why the last attempt failed.
        reason: String,
    },
    /// The time limit passed before a key, the metrics, or the proxy's acknowledgement arrived.
    #[error("the push took too long: {waiting_for}")]
    TimedOut {
        /// What the push was waiting for.
        waiting_for: &'static str,
    },
    /// The application could not provide its metrics.
    #[error("no metrics: {0}")]
    NoMetrics(String),
    /// The metrics could not be sealed.
    #[error("the metrics cannot be sealed: {0}")]
    Seal(#[from] SealError),
    /// The metrics could not be sent.
    #[error("the metrics cannot be sent: {0}")]
    NotSent(String),
    /// The proxy rejected the metrics, or violated the protocol.
    #[error("the proxy did not take the metrics: {0}")]
    Refused(String),
    /// The agent was closing or closed.
    #[error("the client is closed")]
    Closed,
}
