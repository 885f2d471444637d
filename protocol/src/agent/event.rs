use super::KeyNotPinned;
use crate::envelope::{Fingerprint, KeyError, SealError};
use crate::fields::FieldError;
use crate::report::Report;
use crate::rsocket::connection::CloseReason;
use std::fmt;
use std::time::Duration;

/// Stands for metrics that are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

/// Stands for a push that was asked for. Those who ask while another push is under way share the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PushId(pub(super) u64);

/// What happened on the application's side.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Metrics that were wanted are not any more: the scrape was cancelled, its connection ended, or the push was given up. To answer all
    /// the same does no harm.
    Canceled {
        /// Which.
        ticket: Ticket,
    },
    /// A connection ended, or could not be opened; another will be tried after the pause.
    Disconnected {
        /// The proxy that the connection led to, or should have.
        proxy: usize,
        /// Why.
        reason: DisconnectReason,
        /// The pause. It is zero where another proxy is tried at once.
        retry_in: Duration,
    },
    /// As many attempts to connect have failed as [`Config::max_retries`](super::Config::max_retries) allows. [`Stopped`](Self::Stopped) follows.
    GaveUp {
        /// Why the last one failed.
        reason: DisconnectReason,
    },
    /// A proxy's first key came, and is the one that it is to have from now on ([`Pins::FirstUse`](super::Pins::FirstUse)): store it.
    KeyPinned {
        /// The proxy.
        proxy: usize,
        /// The key's fingerprint.
        fingerprint: Fingerprint,
    },
    /// The proxy sent something that is no key. The one before it, if any, stays in use.
    KeyRefused {
        /// What is wrong with it.
        error: KeyError,
    },
    /// The proxy's offer of version 2 of the envelope cannot be read. What came with it is not answered.
    OfferRefused {
        /// What is wrong with it.
        error: FieldError,
    },
    /// The proxy is not to have the metrics; the connection is being ended.
    ProxyRefused {
        /// Why.
        reason: ProxyRefusal,
    },
    /// A push that was sent already has to be sealed anew for this connection: call [`Agent::seal_again`](super::Agent::seal_again).
    SealWanted {
        /// For whom.
        ticket: Ticket,
    },
    /// There is a key: the application can be scraped, and can push. Once for each connection.
    Ready,
    /// Metrics are wanted: call [`Agent::answer`](super::Agent::answer) with them.
    MetricsWanted {
        /// For whom.
        ticket: Ticket,
    },
    /// Whether a proxy can be reached is wanted to know: open a transport to it beside the running connection, drop it, and call
    /// [`Agent::handle_probed`](super::Agent::handle_probed). The end of the connection cancels this.
    ProbeWanted {
        /// The proxy, one before the current one.
        proxy: usize,
    },
    /// A push is over; after the last one the connection is being closed.
    Pushed {
        /// Which.
        push: PushId,
        /// Whether it was the last one.
        is_last: bool,
        /// How it went.
        result: Result<(), PushFailure>,
    },
    /// The proxy says what became of the metrics. It holds until the next one, or the end of the connection.
    Reported {
        /// What it says.
        report: Report,
    },
    /// It is all over. The last event.
    Stopped,
}

/// Why a proxy is not to have the metrics. The text is what it is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyRefusal {
    /// It does not offer the version of the envelope that is required.
    #[error("this client requires version 2 of the metrics envelope, and was not offered it")]
    Envelope,
    /// Its key is not one that is pinned.
    #[error(transparent)]
    Key(#[from] KeyNotPinned),
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// There was one.
    Closed(CloseReason),
    /// None could be opened.
    NotConnected(String),
    /// There was one, and its transport failed.
    Transport(String),
    /// There was one, and an earlier proxy can be reached again.
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
    /// The time was over, and there was no connection.
    #[error("the push took too long: there is no connection: {reason}")]
    NotConnected {
        /// Why there is none.
        reason: String,
    },
    /// As many attempts to connect have failed as there may be.
    #[error("the client has given up connecting: {reason}")]
    GaveUp {
        /// Why the last one failed.
        reason: String,
    },
    /// The time was over: no key came, or no metrics, or no word from the proxy.
    #[error("the push took too long: {waiting_for}")]
    TimedOut {
        /// What was waited for.
        waiting_for: &'static str,
    },
    /// The metrics could not be had.
    #[error("no metrics: {0}")]
    NoMetrics(String),
    /// They could not be sealed.
    #[error("the metrics cannot be sealed: {0}")]
    Seal(#[from] SealError),
    /// They could not be sent.
    #[error("the metrics cannot be sent: {0}")]
    NotSent(String),
    /// The proxy refused them, or went away.
    #[error("the proxy did not take the metrics: {0}")]
    Refused(String),
    /// Closing had begun already.
    #[error("the client is closed")]
    Closed,
}
