use super::event::Violation;
use crate::rsocket::frame::{EncodeError, ErrorCode, FrameType, StreamId};
use bytes::Bytes;
use std::fmt;

/// Why a request of the peer's is not served, although it breaks no rule. Its text is what the ERROR frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It came without a lease, or after that was used up or over.
    #[error("no lease for this request")]
    NoLease,
    /// Requests of this kind are not served here.
    #[error("{0} is not supported")]
    NotServed(FrameType),
    /// As many requests are open as are allowed at once.
    #[error("more than {limit} streams open at once")]
    TooManyStreams {
        /// The limit.
        limit: usize,
    },
}

/// Why a request of ours failed. As text it has at most the first 1,024 bytes of what the peer sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamFailure {
    /// The peer answered by an ERROR frame.
    Error {
        /// Its code.
        code: ErrorCode,
        /// Its text, as received.
        data: Bytes,
    },
    /// The peer's answer broke the rules.
    Violation(Violation),
    /// The connection ended first.
    Closed,
}

impl fmt::Display for StreamFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error { code, data } => {
                // A frame may hold 16 MB of it.
                let start = data.get(..1024).unwrap_or(data);
                write!(f, "{code}: {}", String::from_utf8_lossy(start))
            }
            Self::Violation(violation) => violation.fmt(f),
            Self::Closed => f.write_str("the connection ended"),
        }
    }
}

/// Why a request cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The connection is closed or closing.
    #[error("the connection is closed")]
    Closed,
    /// SETUP had no flag L, so that leases mean nothing on this connection.
    #[error("leases were not agreed on")]
    LeaseNotAgreed,
    /// The peer's lease is used up, over, or has not come yet.
    #[error("the peer allows no more requests for now")]
    NoLease,
    /// The connection waits to be resumed, and what is about it alone cannot wait.
    #[error("the connection waits to be resumed")]
    Suspended,
    /// No SETUP was received yet.
    #[error("the connection is not set up yet")]
    NotSetUp,
    /// Too many requests of ours are open.
    #[error("more than {limit} requests open at once")]
    TooManyStreams {
        /// The limit.
        limit: usize,
    },
    /// The peer does not take what is queued already.
    #[error("{bytes} bytes in {frames} frames wait to be sent already")]
    Saturated {
        /// Bytes that wait.
        bytes: usize,
        /// Frames that wait.
        frames: usize,
    },
    /// The frame would be longer than one may be, or one of its fields.
    #[error(transparent)]
    TooLong(#[from] EncodeError),
}

/// Why a stream cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The stream does not allow this: it is over, its direction is, or it was never there.
    #[error("stream {0} is not open for this")]
    NotOpen(StreamId),
    /// The peer takes no more payloads for now: wait for [`Event::CreditReceived`](super::Event::CreditReceived).
    #[error("stream {0} has no credit")]
    NoCredit(StreamId),
    /// The payload cannot be sent; the stream stays open, to be rejected or answered otherwise.
    #[error(transparent)]
    Unsendable(#[from] RequestError),
}
