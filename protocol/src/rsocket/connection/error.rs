use super::event::Violation;
use crate::rsocket::frame::{EncodeError, ErrorCode, FrameType, StreamId};
use bytes::Bytes;
use std::fmt;

/// Why a request of the peer's is refused although it breaks no rule. Its text is the message of the ERROR frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The peer had no lease, or the lease was used up or had expired.
    #[error("no lease for this request")]
    NoLease,
    /// Requests of this type are not served.
    #[error("{0} is not supported")]
    NotServed(FrameType),
    /// The peer has as many requests open as are allowed at once.
    #[error("more than {limit} streams open at once")]
    TooManyStreams {
        /// The limit: [`max_open_streams`](super::Config::max_open_streams).
        limit: usize,
    },
}

/// Why a request of ours failed. Its text contains at most the first 1,024 bytes of what the peer sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamFailure {
    /// The peer answered by an ERROR frame.
    Error {
        /// The code of the ERROR frame.
        code: ErrorCode,
        /// The message, as received. It need not be UTF-8.
        data: Bytes,
    },
    /// The peer's answer violated the protocol.
    Violation(Violation),
    /// The connection ended first.
    Closed,
}

impl fmt::Display for StreamFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error { code, data } => {
                // The message may have 16 MB.
                let start = data.get(..1024).unwrap_or(data);
                write!(f, "{code}: {}", String::from_utf8_lossy(start))
            }
            Self::Violation(violation) => violation.fmt(f),
            Self::Closed => f.write_str("the connection ended"),
        }
    }
}

/// Why a frame cannot be queued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The connection is closed or closing, or the peer has announced by CONNECTION_CLOSE that it is.
    #[error("the connection is closed")]
    Closed,
    /// SETUP had no flag L, so there are no leases on this connection.
    #[error("leases were not agreed on")]
    LeaseNotAgreed,
    /// The peer's lease is used up, has expired, or has not arrived yet.
    #[error("the peer allows no more requests for now")]
    NoLease,
    /// The connection waits to be resumed. Requests and payloads are queued meanwhile; METADATA_PUSH, LEASE and EXT are not.
    #[error("the connection waits to be resumed")]
    Suspended,
    /// No SETUP was received yet, or RESUME was received and has not been decided on.
    #[error("the connection is not set up yet")]
    NotSetUp,
    /// We have as many requests open as are allowed at once.
    #[error("more than {limit} requests open at once")]
    TooManyStreams {
        /// The limit: [`max_open_streams`](super::Config::max_open_streams).
        limit: usize,
    },
    /// Too much output is queued already: see [`max_queued_output`](super::Config::max_queued_output) and
    /// [`max_queued_frames`](super::Config::max_queued_frames).
    #[error("{bytes} bytes in {frames} frames wait to be sent already")]
    Saturated {
        /// Bytes that are queued, without prefixes.
        bytes: usize,
        /// Frames that are queued.
        frames: usize,
    },
    /// The frame, or one of its fields, would be too long.
    #[error(transparent)]
    TooLong(#[from] EncodeError),
}

/// Why a command on a stream fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The stream is over, the direction that the command needs is closed, or the stream never existed.
    #[error("stream {0} is not open for this")]
    NotOpen(StreamId),
    /// The peer has granted no credit for another payload: wait for [`Event::CreditReceived`](super::Event::CreditReceived).
    #[error("stream {0} has no credit")]
    NoCredit(StreamId),
    /// The frame cannot be queued. The stream stays as it was, and can be rejected or answered later.
    #[error(transparent)]
    Unsendable(#[from] RequestError),
}
