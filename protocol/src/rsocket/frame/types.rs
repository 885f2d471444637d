use crate::rsocket::Payload;
use bytes::Bytes;
use std::fmt;

/// One frame: the stream it belongs to, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The stream; [`StreamId::CONNECTION`] for frames about the whole connection.
    pub stream_id: StreamId,
    /// Flag I: a receiver that does not know the frame may ignore it.
    pub can_ignore: bool,
    /// The rest, by type.
    pub body: Body,
}

impl Frame {
    /// A frame on a stream, flag I clear.
    pub fn new(stream_id: StreamId, body: Body) -> Self {
        Self { stream_id, can_ignore: false, body }
    }

    /// A frame about the connection (stream 0), flag I clear.
    pub fn on_connection(body: Body) -> Self {
        Self::new(StreamId::CONNECTION, body)
    }

    /// An ERROR frame with a text.
    pub fn error(stream_id: StreamId, code: ErrorCode, message: impl Into<Bytes>) -> Self {
        Self::new(stream_id, Body::Error { code, data: message.into() })
    }
}

/// A stream id: 31 bits. The top bit of the wire's 32 is reserved and masked off.
///
/// Streams that the client opens are odd, those of the server even (Protocol.md, "Stream Identifiers").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(u32);

impl StreamId {
    /// Stream 0: the connection itself.
    pub const CONNECTION: Self = Self(0);
    /// The largest id, 0x7FFFFFFF.
    pub const MAX: Self = Self(0x7fff_ffff);

    /// Takes the lower 31 bits.
    pub const fn new(id: u32) -> Self {
        Self(id & 0x7fff_ffff)
    }

    /// The number.
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

/// What a frame says (Protocol.md, "Frame Types").
///
/// `follows` is flag F (more fragments of this payload follow), `complete` flag C, `next` flag N.
///
/// All types of RSocket 1.0 are here, and there is no other version, so that a match without a wildcard stays right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// SETUP, 0x01: the client's first frame. Boxed, as it would make every frame three times as large.
    Setup(Box<Setup>),
    /// LEASE, 0x02: how many requests the peer may send.
    Lease {
        /// How long the lease holds, in milliseconds.
        ttl_ms: u32,
        /// How many requests it allows.
        requests: u32,
        /// Metadata, if flag M is set.
        metadata: Option<Bytes>,
    },
    /// KEEPALIVE, 0x03.
    KeepAlive {
        /// Flag R: an answer is wanted.
        respond: bool,
        /// Last received position, 63 bits; 0 without resumption.
        position: u64,
        /// Data, echoed by the answer.
        data: Bytes,
    },
    /// REQUEST_RESPONSE, 0x04.
    RequestResponse {
        /// Flag F.
        follows: bool,
        /// What is asked.
        payload: Payload,
    },
    /// REQUEST_FNF, 0x05: fire and forget.
    RequestFnf {
        /// Flag F.
        follows: bool,
        /// What is told.
        payload: Payload,
    },
    /// REQUEST_STREAM, 0x06.
    RequestStream {
        /// Flag F.
        follows: bool,
        /// How many payloads may come, 31 bits.
        initial_n: u32,
        /// What is asked.
        payload: Payload,
    },
    /// REQUEST_CHANNEL, 0x07.
    RequestChannel {
        /// Flag F.
        follows: bool,
        /// Flag C: the requester sends nothing more.
        complete: bool,
        /// How many payloads may come, 31 bits.
        initial_n: u32,
        /// The first payload.
        payload: Payload,
    },
    /// REQUEST_N, 0x08: credit for more payloads, 31 bits.
    RequestN {
        /// How many more.
        n: u32,
    },
    /// CANCEL, 0x09.
    Cancel,
    /// PAYLOAD, 0x0A.
    Payload {
        /// Flag F.
        follows: bool,
        /// Flag C: the stream's last.
        complete: bool,
        /// Flag N: carries a payload.
        next: bool,
        /// The payload. Where flag N is clear it should be empty, but rsocket-rust sends the later fragments of a
        /// request so.
        payload: Payload,
    },
    /// ERROR, 0x0B.
    Error {
        /// What kind.
        code: ErrorCode,
        /// A text for people, UTF-8 by the specification but not by every peer.
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
        /// Which connection to resume, at most 65,535 bytes.
        token: Bytes,
        /// Last position that the client received from the server, 63 bits.
        last_received_server_position: u64,
        /// The earliest position that the client can send again, 63 bits.
        first_available_client_position: u64,
    },
    /// RESUME_OK, 0x0E.
    ResumeOk {
        /// Last position that the server received from the client, 63 bits.
        last_received_client_position: u64,
    },
    /// EXT, 0x3F: a type outside the specification.
    Ext {
        /// Which, 31 bits.
        extended_type: u32,
        /// What it carries.
        payload: Payload,
    },
}

impl Body {
    /// The type of the frame that carries this body.
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
/// These are all, so this will not grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Protocol version; 1.0 is the only one spoken here.
    pub version: Version,
    /// Flag L: the client will honour leases.
    pub lease: bool,
    /// How often the client sends KEEPALIVE, in milliseconds, 31 bits. 0 is against the specification, but is decoded.
    pub keepalive_ms: u32,
    /// After how much silence the client takes the server for dead, in milliseconds, 31 bits.
    pub max_lifetime_ms: u32,
    /// The token to resume by, if flag R is set; at most 65,535 bytes.
    pub resume_token: Option<Bytes>,
    /// MIME type of metadata: at most 255 bytes of ASCII. Kept as bytes, as nothing here depends on it.
    pub metadata_mime: Bytes,
    /// MIME type of data: at most 255 bytes of ASCII.
    pub data_mime: Bytes,
    /// The setup payload.
    pub payload: Payload,
}

impl Default for Setup {
    /// What rsocket-java 1.1 sends as Micrometer's client: keepalive 20 s, lifetime 90 s, `application/binary` twice.
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

/// The six bits that say what kind of frame it is.
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
    /// The type that six bits of the header stand for, if Protocol.md knows it; 0x00 is reserved and none.
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
    /// The server does not support something that SETUP asks for. Stream 0.
    pub const UNSUPPORTED_SETUP: Self = Self(0x002);
    /// The server rejected the setup. Stream 0.
    pub const REJECTED_SETUP: Self = Self(0x003);
    /// The server rejected the resumption. Stream 0.
    pub const REJECTED_RESUME: Self = Self(0x004);
    /// The connection is ended at once. Stream 0.
    pub const CONNECTION_ERROR: Self = Self(0x101);
    /// The connection is ended once its streams are. Stream 0.
    pub const CONNECTION_CLOSE: Self = Self(0x102);
    /// The application failed. A stream's.
    pub const APPLICATION_ERROR: Self = Self(0x201);
    /// The responder did not start on the request. A stream's.
    pub const REJECTED: Self = Self(0x202);
    /// The responder gave the request up. A stream's.
    pub const CANCELED: Self = Self(0x203);
    /// The request is invalid. A stream's.
    pub const INVALID: Self = Self(0x204);

    /// The specification's name, if it has one.
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
