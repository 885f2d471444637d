use super::credit::Credit;
use super::error::{Refusal, StreamFailure};
use super::resume::{ResumeError, ResumeRequest};
use crate::rsocket::Payload;
use crate::rsocket::frame::{DecodeError, ErrorCode, FrameType, Setup, StreamId, Version};
use crate::rsocket::framing::{Foreign, FrameTooLong};
use bytes::Bytes;
use std::fmt;
use std::time::Duration;

/// What happened on a connection, for its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The connection is over. The last event there is; every open stream got its own before.
    Closed {
        /// Why.
        reason: CloseReason,
    },
    /// The peer gave up its request, or the connection ended. What is answered to it now goes nowhere.
    Canceled {
        /// The peer's stream; it is over.
        stream_id: StreamId,
    },
    /// The peer has sent its last payload on a stream or channel. A channel is over once we have, too.
    Completed {
        /// The stream.
        stream_id: StreamId,
    },
    /// The peer allows so many more payloads on its stream, or on a channel.
    CreditReceived {
        /// The stream.
        stream_id: StreamId,
        /// How many more.
        credit: Credit,
    },
    /// An EXT frame; only with [`serve_extensions`](super::Config::serve_extensions).
    Extension {
        /// The stream it is on, open or not; stream 0 for the connection.
        stream_id: StreamId,
        /// Flag I: who does not know it may ignore it.
        can_ignore: bool,
        /// Its type, 31 bits.
        extended_type: u32,
        /// What it carries.
        payload: Payload,
    },
    /// The peer told something and wants no answer.
    FireAndForget {
        /// The peer's stream; it is over already.
        stream_id: StreamId,
        /// What it told.
        payload: Payload,
    },
    /// The peer allows so many requests, within so much time, in place of what it allowed before.
    LeaseReceived {
        /// How long it holds, from now.
        ttl: Duration,
        /// How many requests.
        requests: u32,
        /// Metadata, if the frame had any.
        metadata: Option<Bytes>,
    },
    /// The peer pushed metadata about the connection.
    MetadataPush {
        /// The metadata.
        metadata: Bytes,
    },
    /// A payload on a stream of ours, or on a channel.
    Payload {
        /// The stream.
        stream_id: StreamId,
        /// The payload.
        payload: Payload,
    },
    /// The peer ended its channel by an ERROR.
    PeerFailed {
        /// The peer's stream; it is over.
        stream_id: StreamId,
        /// Its code.
        code: ErrorCode,
        /// Its text, as received.
        data: Bytes,
    },
    /// The peer opens a channel. Its credit for us is `initial_n`; it may send once we [grant](super::Connection::request_n) it some, and
    /// before that as much as [`channel_tolerance`](super::Config::channel_tolerance) says.
    RequestChannel {
        /// The peer's stream.
        stream_id: StreamId,
        /// The first payload.
        payload: Payload,
        /// How many payloads it takes; `None`, against the specification, for none yet.
        initial_n: Option<Credit>,
        /// It sends no other; [`Completed`](Self::Completed) does not follow.
        complete: bool,
    },
    /// The peer asks: answer by [`respond`](super::Connection::respond), [`complete`](super::Connection::complete) or
    /// [`reject`](super::Connection::reject).
    RequestResponse {
        /// The peer's stream.
        stream_id: StreamId,
        /// What it asks.
        payload: Payload,
    },
    /// A request of ours was answered.
    Response {
        /// Our stream; it is over.
        stream_id: StreamId,
        /// The answer; `None` if the peer completed the stream without one.
        payload: Option<Payload>,
    },
    /// A request of ours failed.
    RequestFailed {
        /// Our stream; it is over.
        stream_id: StreamId,
        /// Why.
        error: StreamFailure,
    },
    /// The peer asks for a stream: [`send`](super::Connection::send) as many payloads as it takes, then
    /// [`complete`](super::Connection::complete).
    RequestStream {
        /// The peer's stream.
        stream_id: StreamId,
        /// What it asks.
        payload: Payload,
        /// How many payloads it takes; `None`, against the specification, for none yet.
        initial_n: Option<Credit>,
    },
    /// A request of the peer's that breaks no rule was turned away by ERROR REJECTED. There is nothing to do.
    RequestRefused {
        /// The peer's stream; it was not opened.
        stream_id: StreamId,
        /// Why.
        refusal: Refusal,
    },
    /// The connection goes on over a new transport.
    Resumed,
    /// A client wants to resume a connection. If there is one of that token, give it the request by
    /// [`accept_resume`](super::Connection::accept_resume), and the transport; otherwise [`reject_resume`](super::Connection::reject_resume) this one.
    ResumeReceived {
        /// What it asks.
        request: ResumeRequest,
    },
    /// The peer takes no more payloads on our channel. It may go on to send.
    SendingCanceled {
        /// Our stream.
        stream_id: StreamId,
    },
    /// A client's SETUP was accepted. To turn it away after all, [`close`](super::Connection::close) with
    /// [`ErrorCode::REJECTED_SETUP`].
    SetupReceived {
        /// All that it said.
        setup: Box<Setup>,
    },
    /// The transport is gone, but the connection waits to be resumed. Drop what is left of the transport.
    Suspended,
    /// The peer broke the rules on one stream, which has been ended by an ERROR or CANCEL frame; the connection goes on.
    StreamViolation {
        /// The stream.
        stream_id: StreamId,
        /// How.
        violation: Violation,
    },
}

impl Event {
    /// Bytes of payload that this event keeps alive.
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
        /// The code sent.
        code: ErrorCode,
        /// The text sent.
        message: String,
    },
    /// The peer sent an ERROR on stream 0, which ends the connection.
    PeerError {
        /// Its code.
        code: ErrorCode,
        /// Its text, or what can be read of it.
        message: String,
    },
    /// The peer closed the transport.
    Eof {
        /// Bytes of an unfinished frame that had arrived.
        unfinished: usize,
    },
    /// The transport failed.
    Transport {
        /// The transport's error.
        error: String,
        /// Bytes of an unfinished frame that had arrived.
        unfinished: usize,
    },
    /// The peer closed the transport, or it failed, and what came from it before was not a frame but this.
    NotRsocket(Foreign),
    /// No whole SETUP came in time.
    SetupTimeout {
        /// The limit.
        after: Duration,
    },
    /// Nothing came from the peer for its max lifetime.
    KeepAliveTimeout {
        /// That lifetime.
        after: Duration,
    },
    /// No transport came to resume over.
    ResumeTimeout {
        /// The limit.
        after: Duration,
    },
    /// The peer broke the rules.
    Violation(Violation),
}

impl CloseReason {
    /// Whether the connection was ended on purpose, by either side: an ordinary event, and no fault.
    ///
    /// rsocket-java says so by CONNECTION_ERROR with the text `Disposed`.
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

    /// What the peer speaks instead of RSocket, if that is known.
    pub fn foreign(&self) -> Option<Foreign> {
        match self {
            Self::NotRsocket(foreign) | Self::Violation(Violation::NotRsocket(foreign)) => {
                Some(*foreign)
            }
            _ => None,
        }
    }
}

/// What rsocket-java sends when it is closed by its own owner.
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

/// A rule that the peer broke. Its text is what the ERROR frame says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A server's first frame was another than SETUP or RESUME. The text is rsocket-java's.
    #[error("SETUP or RESUME frame must be received before any others")]
    FirstFrame,
    /// A first frame over the limit, or one that cannot be read: most likely not RSocket at all.
    #[error("not an RSocket SETUP: {0}")]
    NotSetup(String),
    /// What came first is another protocol's.
    #[error("not RSocket, but {0}")]
    NotRsocket(Foreign),
    /// SETUP on another stream than 0.
    #[error("SETUP on stream {0}")]
    SetupOnStream(StreamId),
    /// SETUP or RESUME of a version that is not spoken here. The text is rsocket-java's.
    #[error("Unsupported version: {0}")]
    UnsupportedVersion(Version),
    /// SETUP asks for leases. The text is rsocket-java's.
    #[error("lease is not supported")]
    LeaseUnsupported,
    /// SETUP asks for resumption. The text is rsocket-java's.
    #[error("resume not supported")]
    ResumeInSetup,
    /// Another frame than RESUME_OK or ERROR in answer to RESUME.
    #[error("{0} in answer to RESUME")]
    NotResumed(FrameType),
    /// RESUME_OK with a position from which we cannot go on.
    #[error(transparent)]
    ResumePosition(ResumeError),
    /// RESUME as the first frame. The text is rsocket-java's.
    #[error("resume not supported")]
    ResumeUnsupported,
    /// A KEEPALIVE that asks for the echo of too much.
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
    /// Bytes that are not a frame.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A frame on a stream of ours that was never opened.
    #[error("{frame_type} on stream {stream_id}, which was never opened")]
    NeverOpened {
        /// Its type.
        frame_type: FrameType,
        /// The stream.
        stream_id: StreamId,
    },
    /// A frame on a stream of ours that is not understood here, and may not be ignored.
    #[error("{0} is not supported")]
    Unsupported(FrameType),
    /// PAYLOAD with neither a payload nor the end of its stream.
    #[error("PAYLOAD that has neither flag N nor flag C")]
    EmptyPayload,
    /// More payloads than were asked for.
    #[error("more payloads than were requested")]
    Overrun,
    /// A payload in fragments that is too long, or in too many.
    #[error("a payload of more than {limit} bytes, or in too short fragments")]
    PayloadTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// More bytes in payloads that are not whole than allowed for the connection.
    #[error("too many bytes in unfinished payloads")]
    TooMuchUnfinished,
}

impl Violation {
    /// The code of the ERROR frame that answers it.
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
