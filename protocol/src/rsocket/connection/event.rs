use super::credit::Credit;
use super::error::{Refusal, StreamFailure};
use super::resume::{ResumeError, ResumeRequest};
use crate::rsocket::Payload;
use crate::rsocket::frame::{DecodeError, ErrorCode, FrameType, Setup, StreamId, Version};
use crate::rsocket::framing::{Foreign, FrameTooLong};
use bytes::Bytes;
use std::fmt;
use std::time::Duration;

/// What happened on a connection. Its owner takes events by [`poll_event`](super::Connection::poll_event).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The connection is over. This is the last event; each open stream had its own before.
    Closed {
        /// The reason.
        reason: CloseReason,
    },
    /// A request of the peer's ended before we completed it: the peer canceled it or broke a rule on it, or the connection
    /// ended. Nothing more can be sent on the stream. If the peer broke a rule, [`StreamViolation`](Self::StreamViolation)
    /// follows.
    Canceled {
        /// The peer's stream, which is over.
        stream_id: StreamId,
    },
    /// The peer has sent its last payload on a stream of ours or on a channel. A channel is over once both sides have.
    Completed {
        /// The stream.
        stream_id: StreamId,
    },
    /// The peer grants credit for more payloads on its stream or on a channel (REQUEST_N).
    CreditReceived {
        /// The stream.
        stream_id: StreamId,
        /// How many more payloads.
        credit: Credit,
    },
    /// An EXT frame. Occurs only with [`serve_extensions`](super::Config::serve_extensions).
    Extension {
        /// The stream of the frame, open or not; stream 0 for the connection.
        stream_id: StreamId,
        /// Flag I: a receiver that does not understand the frame may ignore it.
        can_ignore: bool,
        /// The extended type, 31 bits.
        extended_type: u32,
        /// The payload of the frame.
        payload: Payload,
    },
    /// The peer sent REQUEST_FNF, a request without an answer.
    FireAndForget {
        /// The peer's stream, which is over already.
        stream_id: StreamId,
        /// The request.
        payload: Payload,
    },
    /// The peer granted a lease, which replaces the previous one.
    LeaseReceived {
        /// How long the lease is valid, from now; whole milliseconds.
        ttl: Duration,
        /// How many requests the peer takes.
        requests: u32,
        /// Metadata of the LEASE frame; `None` if it had none.
        metadata: Option<Bytes>,
    },
    /// The peer sent METADATA_PUSH, which concerns the connection.
    MetadataPush {
        /// The metadata.
        metadata: Bytes,
    },
    /// The peer sent a payload on a stream of ours or on a channel.
    Payload {
        /// The stream.
        stream_id: StreamId,
        /// The payload.
        payload: Payload,
    },
    /// The peer ended a channel of its own by an ERROR frame.
    PeerFailed {
        /// The peer's stream, which is over.
        stream_id: StreamId,
        /// The code of the ERROR frame.
        code: ErrorCode,
        /// The message, as received. It need not be UTF-8.
        data: Bytes,
    },
    /// The peer opened a channel. It may send more payloads once we [grant](super::Connection::request_n) it credit, and before
    /// that as many as [`channel_tolerance`](super::Config::channel_tolerance) says.
    RequestChannel {
        /// The peer's stream.
        stream_id: StreamId,
        /// The first payload.
        payload: Payload,
        /// How many payloads the peer takes. `None` if the frame said 0, which the specification forbids: wait for credit.
        initial_n: Option<Credit>,
        /// Flag C: the peer sends no further payload. [`Completed`](Self::Completed) does not follow.
        complete: bool,
    },
    /// The peer sent REQUEST_RESPONSE. Answer it by [`respond`](super::Connection::respond),
    /// [`complete`](super::Connection::complete) or [`reject`](super::Connection::reject).
    RequestResponse {
        /// The peer's stream.
        stream_id: StreamId,
        /// The request.
        payload: Payload,
    },
    /// The peer answered a REQUEST_RESPONSE of ours.
    Response {
        /// Our stream, which is over.
        stream_id: StreamId,
        /// The answer; `None` if the peer completed the stream without one.
        payload: Option<Payload>,
    },
    /// A request of ours failed, of any kind that opens a stream.
    RequestFailed {
        /// Our stream, which is over.
        stream_id: StreamId,
        /// The reason.
        error: StreamFailure,
    },
    /// The peer sent REQUEST_STREAM. [`send`](super::Connection::send) as many payloads as it takes, then
    /// [`complete`](super::Connection::complete).
    RequestStream {
        /// The peer's stream.
        stream_id: StreamId,
        /// The request.
        payload: Payload,
        /// How many payloads the peer takes. `None` if the frame said 0, which the specification forbids: wait for credit.
        initial_n: Option<Credit>,
    },
    /// A request of the peer's that breaks no rule was refused by ERROR REJECTED. The owner need not do anything.
    RequestRefused {
        /// The peer's stream, which was not opened.
        stream_id: StreamId,
        /// The reason.
        refusal: Refusal,
    },
    /// The connection continues over a new transport.
    Resumed,
    /// A client asks to resume a connection. Look for the connection with the token of the request. If there is one, give it
    /// the request by [`accept_resume`](super::Connection::accept_resume), and the transport of this connection. Otherwise call
    /// [`reject_resume`](super::Connection::reject_resume) on this one.
    ResumeReceived {
        /// The content of the RESUME frame.
        request: ResumeRequest,
    },
    /// The peer takes no more payloads on a channel of ours. It may still send.
    SendingCanceled {
        /// Our stream.
        stream_id: StreamId,
    },
    /// A client's SETUP was accepted. To reject it all the same, [`close`](super::Connection::close) the connection with
    /// [`ErrorCode::REJECTED_SETUP`].
    SetupReceived {
        /// The content of the SETUP frame.
        setup: Box<Setup>,
    },
    /// The transport is gone, and the connection waits to be resumed. Drop what is left of the transport.
    Suspended,
    /// The peer broke a rule on one of its streams, which was answered by an ERROR frame; the connection goes on. A violation
    /// on a stream of ours is reported as [`RequestFailed`](Self::RequestFailed).
    StreamViolation {
        /// The stream.
        stream_id: StreamId,
        /// The rule that was broken.
        violation: Violation,
    },
}

impl Event {
    /// Bytes of payload that this event holds.
    pub(super) fn payload_len(&self) -> usize {
        match self {
            Self::Extension { payload, .. }
            | Self::FireAndForget { payload, .. }
            | Self::Payload { payload, .. }
            | Self::RequestChannel { payload, .. }
            | Self::RequestResponse { payload, .. }
            | Self::RequestStream { payload, .. }
            | Self::Response { payload: Some(payload), .. } => payload.encoded_len(),
            Self::LeaseReceived { metadata, .. } => metadata.as_ref().map_or(0, Bytes::len),
            Self::MetadataPush { metadata } => metadata.len(),
            Self::PeerFailed { data, .. }
            | Self::RequestFailed { error: StreamFailure::Error { data, .. }, .. } => data.len(),
            Self::ResumeReceived { request } => request.token.len(),
            Self::SetupReceived { setup } => setup.payload.encoded_len(),
            Self::Canceled { .. }
            | Self::Closed { .. }
            | Self::Completed { .. }
            | Self::CreditReceived { .. }
            | Self::RequestFailed { .. }
            | Self::RequestRefused { .. }
            | Self::Response { .. }
            | Self::Resumed
            | Self::SendingCanceled { .. }
            | Self::Suspended
            | Self::StreamViolation { .. } => 0,
        }
    }
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The owner closed it.
    Local {
        /// The code of the ERROR frame that was sent, if one was.
        code: ErrorCode,
        /// Its message.
        message: String,
    },
    /// The peer sent an ERROR frame on stream 0, which ends the connection.
    PeerError {
        /// The code of the ERROR frame.
        code: ErrorCode,
        /// Its message: the first 1,024 bytes, with invalid UTF-8 replaced.
        message: String,
    },
    /// The peer closed the transport.
    Eof {
        /// Bytes of an unfinished frame that had arrived.
        unfinished: usize,
    },
    /// The transport failed.
    Transport {
        /// The error of the transport.
        error: String,
        /// Bytes of an unfinished frame that had arrived.
        unfinished: usize,
    },
    /// The transport was closed by the peer or failed, and the bytes that the peer had sent are not RSocket but another protocol.
    NotRsocket(Foreign),
    /// No whole SETUP arrived in time.
    SetupTimeout {
        /// The limit, [`setup_timeout`](super::Config::setup_timeout).
        after: Duration,
    },
    /// No whole frame arrived from the peer for its max lifetime.
    KeepAliveTimeout {
        /// The max lifetime.
        after: Duration,
    },
    /// The connection was suspended, and was not resumed in time.
    ResumeTimeout {
        /// The limit, [`ResumeConfig::timeout`](super::ResumeConfig::timeout).
        after: Duration,
    },
    /// The peer broke a rule.
    Violation(Violation),
}

impl CloseReason {
    /// Whether either side ended the connection on purpose, so that it is no fault. This includes [`Eof`](Self::Eof) between
    /// two frames.
    ///
    /// rsocket-java ends a connection on purpose by CONNECTION_ERROR with the message `Disposed`.
    pub fn is_ordinary(&self) -> bool {
        match self {
            Self::Eof { unfinished } => *unfinished == 0,
            Self::Local { .. } => true,
            Self::PeerError { code, message } => {
                *code == ErrorCode::CONNECTION_CLOSE || is_disposed(*code, message)
            }
            Self::KeepAliveTimeout { .. }
            | Self::NotRsocket(_)
            | Self::ResumeTimeout { .. }
            | Self::SetupTimeout { .. }
            | Self::Transport { .. }
            | Self::Violation(_) => false,
        }
    }

    /// The protocol that the peer speaks instead of RSocket; `None` if it is not known to speak another.
    pub fn foreign(&self) -> Option<Foreign> {
        match self {
            Self::NotRsocket(foreign) | Self::Violation(Violation::NotRsocket(foreign)) => {
                Some(*foreign)
            }
            _ => None,
        }
    }
}

/// Whether this is the ERROR of rsocket-java when its own owner closes it.
fn is_disposed(code: ErrorCode, message: &str) -> bool {
    code == ErrorCode::CONNECTION_ERROR && message == "Disposed"
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { code, message } => write!(f, "closed by us with {code}: {message}"),
            Self::PeerError { code, message } if is_disposed(*code, message) => {
                f.write_str("the peer closed the connection")
            }
            Self::PeerError { code, message } => write!(f, "the peer sent {code}: {message}"),
            Self::Eof { unfinished: 0 } => f.write_str("the peer closed the connection"),
            Self::Eof { unfinished } => {
                write!(f, "the peer closed the connection {unfinished} bytes into a frame")
            }
            Self::Transport { error, .. } => write!(f, "the transport failed: {error}"),
            Self::NotRsocket(foreign) => {
                write!(f, "the peer does not speak RSocket: it sent {foreign}")
            }
            Self::SetupTimeout { after } => write!(f, "no SETUP within {after:?}"),
            Self::KeepAliveTimeout { after } => write!(f, "no keep-alive acks for {after:?}"),
            Self::ResumeTimeout { after } => write!(f, "not resumed within {after:?}"),
            Self::Violation(violation) => violation.fmt(f),
        }
    }
}

/// A rule that the peer broke. Its text is the message of the ERROR frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// The first frame that a server received is neither SETUP nor RESUME. The text is rsocket-java's.
    #[error("SETUP or RESUME frame must be received before any others")]
    FirstFrame,
    /// The first frame is over the limit or cannot be decoded: most likely the peer does not speak RSocket.
    #[error("not an RSocket SETUP: {0}")]
    NotSetup(String),
    /// The first bytes belong to another protocol.
    #[error("not RSocket, but {0}")]
    NotRsocket(Foreign),
    /// SETUP on a stream other than 0.
    #[error("SETUP on stream {0}")]
    SetupOnStream(StreamId),
    /// SETUP or RESUME with a version that is not supported. The text is rsocket-java's.
    #[error("Unsupported version: {0}")]
    UnsupportedVersion(Version),
    /// SETUP asks for leases, which are not served. The text is rsocket-java's.
    #[error("lease is not supported")]
    LeaseUnsupported,
    /// SETUP asks for resumption, which is not served. The text is rsocket-java's.
    #[error("resume not supported")]
    ResumeInSetup,
    /// The answer to RESUME is neither RESUME_OK nor ERROR.
    #[error("{0} in answer to RESUME")]
    NotResumed(FrameType),
    /// RESUME_OK with a position from which we cannot retransmit.
    #[error(transparent)]
    ResumePosition(ResumeError),
    /// RESUME as the first frame, while resumption is not served. The text is rsocket-java's.
    #[error("resume not supported")]
    ResumeUnsupported,
    /// A KEEPALIVE that asks for an echo of too much data.
    #[error("KEEPALIVE with data of {len} bytes, of which at most {limit} are echoed")]
    KeepAliveTooLong {
        /// The length of its data, in bytes.
        len: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// A frame over the limit.
    #[error(transparent)]
    FrameTooLong(#[from] FrameTooLong),
    /// A frame that cannot be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A PAYLOAD or ERROR frame on a stream of ours that was never opened.
    #[error("{frame_type} on stream {stream_id}, which was never opened")]
    NeverOpened {
        /// The type of the frame.
        frame_type: FrameType,
        /// The stream.
        stream_id: StreamId,
    },
    /// An EXT frame without flag I on a stream of ours, while extensions are not served.
    #[error("{0} is not supported")]
    Unsupported(FrameType),
    /// PAYLOAD with neither flag N nor flag C.
    #[error("PAYLOAD that has neither flag N nor flag C")]
    EmptyPayload,
    /// More payloads than credit was granted for.
    #[error("more payloads than were requested")]
    Overrun,
    /// A payload in fragments that is too long, or in too many short fragments.
    #[error("a payload of more than {limit} bytes, or in too short fragments")]
    PayloadTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The payloads whose reassembly is not complete exceed the limit of the connection.
    #[error("too many bytes in unfinished payloads")]
    TooMuchUnfinished,
}

impl Violation {
    /// The code of the ERROR frame that answers the violation. If the violation ends the connection, a code for streams is
    /// replaced by CONNECTION_ERROR.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::FirstFrame
            | Self::NotRsocket(_)
            | Self::NotSetup(_)
            | Self::SetupOnStream(_)
            | Self::UnsupportedVersion(_) => ErrorCode::INVALID_SETUP,
            Self::LeaseUnsupported => ErrorCode::UNSUPPORTED_SETUP,
            Self::ResumeInSetup => ErrorCode::REJECTED_SETUP,
            Self::ResumeUnsupported => ErrorCode::REJECTED_RESUME,
            Self::FrameTooLong(_)
            | Self::KeepAliveTooLong { .. }
            | Self::NeverOpened { .. }
            | Self::NotResumed(_)
            | Self::ResumePosition(_) => ErrorCode::CONNECTION_ERROR,
            Self::Decode(error) => match error.stream_id {
                Some(stream_id) if !stream_id.is_connection() => ErrorCode::INVALID,
                _ => ErrorCode::CONNECTION_ERROR,
            },
            Self::EmptyPayload | Self::Overrun | Self::PayloadTooLong { .. } => ErrorCode::INVALID,
            Self::TooMuchUnfinished | Self::Unsupported(_) => ErrorCode::REJECTED,
        }
    }
}
