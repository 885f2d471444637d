use crate::rsocket::Payload;
use bytes::Bytes;
use std::fmt;

/// One frame: its stream, flag I, and the fields of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The stream; [`StreamId::CONNECTION`] for frames that concern the whole connection.
    pub stream_id: StreamId,
    /// Flag I: a receiver that does not understand the frame may ignore it.
    pub can_ignore: bool,
    /// The fields of the frame's type.
    pub body: Body,
}

impl Frame {
    /// Creates a frame on a stream, with flag I clear.
    pub fn new(stream_id: StreamId, body: Body) -> Self {
        Self { stream_id, can_ignore: false, body }
    }

    /// Creates a frame on stream 0, the connection, with flag I clear.
    pub fn on_connection(body: Body) -> Self {
        Self::new(StreamId::CONNECTION, body)
    }

    /// Creates an ERROR frame with a message, flag I clear.
    pub fn error(stream_id: StreamId, code: ErrorCode, message: impl Into<Bytes>) -> Self {
        Self::new(stream_id, Body::Error { code, data: message.into() })
    }
}

/// A stream id of 31 bits. The top bit of the 32 on the wire is reserved and masked off.
///
/// Streams that the client opens have odd ids, streams that the server opens even ones (Protocol.md, "Stream Identifiers").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(u32);

impl StreamId {
    /// Stream 0: the connection itself.
    pub const CONNECTION: Self = Self(0);
    /// The largest id, 0x7FFFFFFF.
    pub const MAX: Self = Self(0x7fff_ffff);

    /// Creates a stream id from the lower 31 bits of `id`.
    pub const fn new(id: u32) -> Self {
        Self(id & 0x7fff_ffff)
    }

    /// The id as a number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Whether this is stream 0.
    pub const fn is_connection(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The type and fields of a frame (Protocol.md, "Frame Types").
///
/// `follows` is flag F (more fragments of this payload follow), `complete` flag C, `next` flag N.
///
/// The enum has all types of RSocket 1.0, which is the only version, so a match needs no wildcard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// SETUP, 0x01: the client's first frame. Boxed, since it would make every frame three times as large.
    Setup(Box<Setup>),
    /// LEASE, 0x02: how many requests the peer may send.
    Lease {
        /// How long the lease is valid after it is received, in milliseconds, 31 bits.
        ttl_ms: u32,
        /// How many requests the lease allows, 31 bits.
        requests: u32,
        /// Metadata, if flag M is set.
        metadata: Option<Bytes>,
    },
    /// KEEPALIVE, 0x03.
    KeepAlive {
        /// Flag R: the receiver must answer with a KEEPALIVE.
        respond: bool,
        /// The sender's last received position, 63 bits; 0 without resumption.
        position: u64,
        /// Data, which the answer echoes.
        data: Bytes,
    },
    /// REQUEST_RESPONSE, 0x04.
    RequestResponse {
        /// Flag F.
        follows: bool,
        /// The request.
        payload: Payload,
    },
    /// REQUEST_FNF, 0x05: fire and forget.
    RequestFnf {
        /// Flag F.
        follows: bool,
        /// The request.
        payload: Payload,
    },
    /// REQUEST_STREAM, 0x06.
    RequestStream {
        /// Flag F.
        follows: bool,
        /// How many payloads the responder may send, 31 bits.
        initial_n: u32,
        /// The request.
        payload: Payload,
    },
    /// REQUEST_CHANNEL, 0x07.
    RequestChannel {
        /// Flag F.
        follows: bool,
        /// Flag C: the requester sends no further payload.
        complete: bool,
        /// How many payloads the responder may send, 31 bits.
        initial_n: u32,
        /// The requester's first payload.
        payload: Payload,
    },
    /// REQUEST_N, 0x08: credit for more payloads.
    RequestN {
        /// How many more payloads the receiver of this frame may send, 31 bits.
        n: u32,
    },
    /// CANCEL, 0x09.
    Cancel,
    /// PAYLOAD, 0x0A.
    Payload {
        /// Flag F.
        follows: bool,
        /// Flag C: the sender sends no further payload on this stream.
        complete: bool,
        /// Flag N: the frame carries a payload.
        next: bool,
        /// The payload. It should be empty if flag N is clear, but rsocket-rust clears flag N in the later fragments of a
        /// request.
        payload: Payload,
    },
    /// ERROR, 0x0B.
    Error {
        /// The kind of error.
        code: ErrorCode,
        /// A message for people. The specification demands UTF-8, but not every peer sends it.
        data: Bytes,
    },
    /// METADATA_PUSH, 0x0C.
    MetadataPush {
        /// The metadata: the rest of the frame, without a length field.
        metadata: Bytes,
    },
    /// RESUME, 0x0D.
    Resume {
        /// Protocol version.
        version: Version,
        /// The token of the connection to resume, at most 65,535 bytes.
        token: Bytes,
        /// The last position that the client received from the server, 63 bits.
        last_received_server_position: u64,
        /// The first position from which the client can retransmit, 63 bits.
        first_available_client_position: u64,
    },
    /// RESUME_OK, 0x0E.
    ResumeOk {
        /// The last position that the server received from the client, 63 bits.
        last_received_client_position: u64,
    },
    /// EXT, 0x3F: a type outside the specification.
    Ext {
        /// The extended type, 31 bits.
        extended_type: u32,
        /// The frame's payload.
        payload: Payload,
    },
}

impl Body {
    /// The type of a frame with this body.
    pub fn frame_type(&self) -> FrameType {
        match self {
            Self::Setup(_) => FrameType::Setup,
            Self::Lease { .. } => FrameType::Lease,
            Self::KeepAlive { .. } => FrameType::KeepAlive,
            Self::RequestResponse { .. } => FrameType::RequestResponse,
            Self::RequestFnf { .. } => FrameType::RequestFnf,
            Self::RequestStream { .. } => FrameType::RequestStream,
            Self::RequestChannel { .. } => FrameType::RequestChannel,
            Self::RequestN { .. } => FrameType::RequestN,
            Self::Cancel => FrameType::Cancel,
            Self::Payload { .. } => FrameType::Payload,
            Self::Error { .. } => FrameType::Error,
            Self::MetadataPush { .. } => FrameType::MetadataPush,
            Self::Resume { .. } => FrameType::Resume,
            Self::ResumeOk { .. } => FrameType::ResumeOk,
            Self::Ext { .. } => FrameType::Ext,
        }
    }
}

/// The fields of SETUP (Protocol.md, "SETUP Frame (0x01)").
///
/// These are all of its fields, so the struct will not grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// The protocol version. [`Connection`](crate::rsocket::Connection) speaks only 1.0.
    pub version: Version,
    /// Flag L: the client honours leases.
    pub lease: bool,
    /// The time between two KEEPALIVEs of the client, in milliseconds, 31 bits. The specification forbids 0, but it is decoded.
    pub keepalive_ms: u32,
    /// How long the server may be silent before the client takes it for dead, in milliseconds, 31 bits.
    pub max_lifetime_ms: u32,
    /// The token for resumption, at most 65,535 bytes; `None` if flag R is clear.
    pub resume_token: Option<Bytes>,
    /// MIME type of metadata: at most 255 bytes of ASCII. Kept as bytes, since nothing here depends on the text.
    pub metadata_mime: Bytes,
    /// MIME type of data: at most 255 bytes of ASCII.
    pub data_mime: Bytes,
    /// The setup payload.
    pub payload: Payload,
}

impl Default for Setup {
    /// The SETUP of rsocket-java 1.1 in Micrometer's client: keepalive 20 s, lifetime 90 s, `application/binary` for both MIME
    /// types.
    fn default() -> Self {
        Self {
            version: Version::V1_0,
            lease: false,
            keepalive_ms: 20_000,
            max_lifetime_ms: 90_000,
            resume_token: None,
            metadata_mime: Bytes::from_static(b"application/binary"),
            data_mime: Bytes::from_static(b"application/binary"),
            payload: Payload::default(),
        }
    }
}

/// A protocol version, as SETUP and RESUME carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Major number.
    pub major: u16,
    /// Minor number.
    pub minor: u16,
}

impl Version {
    /// RSocket 1.0.
    pub const V1_0: Self = Self { major: 1, minor: 0 };
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A frame type: six bits of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum FrameType {
    /// SETUP
    Setup = 0x01,
    /// LEASE
    Lease = 0x02,
    /// KEEPALIVE
    KeepAlive = 0x03,
    /// REQUEST_RESPONSE
    RequestResponse = 0x04,
    /// REQUEST_FNF
    RequestFnf = 0x05,
    /// REQUEST_STREAM
    RequestStream = 0x06,
    /// REQUEST_CHANNEL
    RequestChannel = 0x07,
    /// REQUEST_N
    RequestN = 0x08,
    /// CANCEL
    Cancel = 0x09,
    /// PAYLOAD
    Payload = 0x0a,
    /// ERROR
    Error = 0x0b,
    /// METADATA_PUSH
    MetadataPush = 0x0c,
    /// RESUME
    Resume = 0x0d,
    /// RESUME_OK
    ResumeOk = 0x0e,
    /// EXT
    Ext = 0x3f,
}

impl FrameType {
    /// The type with this code; `None` if Protocol.md does not define it. 0x00 is reserved.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0x01 => Self::Setup,
            0x02 => Self::Lease,
            0x03 => Self::KeepAlive,
            0x04 => Self::RequestResponse,
            0x05 => Self::RequestFnf,
            0x06 => Self::RequestStream,
            0x07 => Self::RequestChannel,
            0x08 => Self::RequestN,
            0x09 => Self::Cancel,
            0x0a => Self::Payload,
            0x0b => Self::Error,
            0x0c => Self::MetadataPush,
            0x0d => Self::Resume,
            0x0e => Self::ResumeOk,
            0x3f => Self::Ext,
            _ => return None,
        })
    }

    /// The specification's name of the type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Setup => "SETUP",
            Self::Lease => "LEASE",
            Self::KeepAlive => "KEEPALIVE",
            Self::RequestResponse => "REQUEST_RESPONSE",
            Self::RequestFnf => "REQUEST_FNF",
            Self::RequestStream => "REQUEST_STREAM",
            Self::RequestChannel => "REQUEST_CHANNEL",
            Self::RequestN => "REQUEST_N",
            Self::Cancel => "CANCEL",
            Self::Payload => "PAYLOAD",
            Self::Error => "ERROR",
            Self::MetadataPush => "METADATA_PUSH",
            Self::Resume => "RESUME",
            Self::ResumeOk => "RESUME_OK",
            Self::Ext => "EXT",
        }
    }
}

impl fmt::Display for FrameType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An error code (Protocol.md, "Error Codes"). Any 32-bit value can arrive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// The SETUP frame is invalid for the server. Stream 0.
    pub const INVALID_SETUP: Self = Self(0x001);
    /// The server does not support a feature that SETUP asks for. Stream 0.
    pub const UNSUPPORTED_SETUP: Self = Self(0x002);
    /// The server rejected the setup. Stream 0.
    pub const REJECTED_SETUP: Self = Self(0x003);
    /// The server rejected the resumption. Stream 0.
    pub const REJECTED_RESUME: Self = Self(0x004);
    /// The connection ends at once. Stream 0.
    pub const CONNECTION_ERROR: Self = Self(0x101);
    /// The connection ends when its open streams have ended. Stream 0.
    pub const CONNECTION_CLOSE: Self = Self(0x102);
    /// The application failed. On the stream of the request.
    pub const APPLICATION_ERROR: Self = Self(0x201);
    /// The responder rejected the request without processing it. On the stream of the request.
    pub const REJECTED: Self = Self(0x202);
    /// The responder canceled the request. On the stream of the request.
    pub const CANCELED: Self = Self(0x203);
    /// The request is invalid. On the stream of the request.
    pub const INVALID: Self = Self(0x204);

    /// The name of the code in the specification; `None` for any other code.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::INVALID_SETUP => "INVALID_SETUP",
            Self::UNSUPPORTED_SETUP => "UNSUPPORTED_SETUP",
            Self::REJECTED_SETUP => "REJECTED_SETUP",
            Self::REJECTED_RESUME => "REJECTED_RESUME",
            Self::CONNECTION_ERROR => "CONNECTION_ERROR",
            Self::CONNECTION_CLOSE => "CONNECTION_CLOSE",
            Self::APPLICATION_ERROR => "APPLICATION_ERROR",
            Self::REJECTED => "REJECTED",
            Self::CANCELED => "CANCELED",
            Self::INVALID => "INVALID",
            Self(_) => return None,
        })
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
