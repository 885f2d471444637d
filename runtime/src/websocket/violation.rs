use async_tungstenite::tungstenite::{Error, error::ProtocolError};
use std::{fmt, io};

/// How a peer violated the protocol. The text is also the reason in the close frame, and has at most 123 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Violation {
    BadClose,
    FragmentedControl,
    LongControl,
    MaskedByServer,
    NotMaskedByClient,
    NotContinued,
    NothingToContinue,
    Opcode(u8),
    ReservedBits,
    Text,
    TooLong { len: u64, limit: usize },
    Unreadable,
}

impl Violation {
    /// The code of the close frame (RFC 6455, section 7.4.1).
    pub(super) fn code(self) -> u16 {
        match self {
            Self::Text => 1003,
            Self::TooLong { .. } => 1009,
            Self::BadClose
            | Self::FragmentedControl
            | Self::LongControl
            | Self::MaskedByServer
            | Self::NotMaskedByClient
            | Self::NotContinued
            | Self::NothingToContinue
            | Self::Opcode(_)
            | Self::ReservedBits
            | Self::Unreadable => 1002,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadClose => f.write_str("close frame without a valid code"),
            Self::FragmentedControl => f.write_str("control frame in fragments"),
            Self::LongControl => f.write_str("control frame of more than 125 bytes"),
            Self::MaskedByServer => f.write_str("masked frame from a server"),
            Self::NotMaskedByClient => f.write_str("unmasked frame from a client"),
            Self::NotContinued => f.write_str("new message before the last fragment of another"),
            Self::NothingToContinue => f.write_str("continuation of no message"),
            Self::Opcode(code) => write!(f, "frame with the reserved opcode {code:#x}"),
            Self::ReservedBits => f.write_str("frame with reserved bits set"),
            Self::Text => f.write_str("text message; RSocket frames are sent as binary messages"),
            Self::TooLong { len, limit } => {
                write!(f, "message of {len} bytes or more is over the limit of {limit}")
            }
            Self::Unreadable => f.write_str("frame with an unreadable header"),
        }
    }
}

impl std::error::Error for Violation {}

impl From<Error> for Violation {
    fn from(error: Error) -> Self {
        match error {
            Error::Protocol(ProtocolError::InvalidOpcode(code)) => Self::Opcode(code),
            _ => Self::Unreadable,
        }
    }
}

impl From<Violation> for io::Error {
    fn from(violation: Violation) -> Self {
        Self::new(io::ErrorKind::InvalidData, format!("WebSocket: the peer sent a {violation}"))
    }
}
