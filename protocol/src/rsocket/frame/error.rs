use super::{FrameType, StreamId};
use std::fmt;

/// Bytes that are not a frame: which field of which frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {kind}", Place(*.frame_type, *.stream_id))]
pub struct DecodeError {
    /// The stream, if the header could be read.
    pub stream_id: Option<StreamId>,
    /// The type, if it could be read and is known.
    pub frame_type: Option<FrameType>,
    /// What is wrong.
    pub kind: DecodeErrorKind,
}

/// What is wrong with a frame's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The frame ends inside a field.
    #[error("{field} takes {needed} bytes, {available} left")]
    Truncated {
        /// Which field, in the specification's words.
        field: &'static str,
        /// Bytes that it takes: its fixed width, or what its length field announces.
        needed: usize,
        /// Bytes that are left of the frame where the field begins; fewer than `needed`.
        available: usize,
    },
    /// The type is none of the specification's.
    #[error("unknown frame type {code:#04x} that may{} be ignored", if *.can_ignore { "" } else { " not" })]
    UnknownType {
        /// Its six bits.
        code: u8,
        /// Flag I: the receiver may pass over the frame.
        can_ignore: bool,
    },
}

/// Where an error is, as far as the header told: "SETUP on stream 0".
struct Place(Option<FrameType>, Option<StreamId>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(frame_type) => frame_type.fmt(f)?,
            None => f.write_str("frame")?,
        }
        match self.1 {
            Some(stream_id) => write!(f, " on stream {stream_id}"),
            None => Ok(()),
        }
    }
}
