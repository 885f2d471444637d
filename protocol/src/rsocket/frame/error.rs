use super::{FrameType, StreamId};
use std::fmt;

/// Bytes that are not a frame. The error names the field that is wrong, and the frame as far as its header was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {kind}", Place(*.frame_type, *.stream_id))]
pub struct DecodeError {
    /// The stream; `None` if the header is incomplete.
    pub stream_id: Option<StreamId>,
    /// The frame type; `None` if the header is incomplete or the type is unknown.
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
        /// The field, named as in the specification.
        field: &'static str,
        /// Bytes that the field takes: its fixed width, or the length that its length field announces.
        needed: usize,
        /// Bytes of the frame that are left where the field begins; fewer than `needed`.
        available: usize,
    },
    /// The specification does not define this frame type.
    #[error("unknown frame type {code:#04x} that may{} be ignored", if *.can_ignore { "" } else { " not" })]
    UnknownType {
        /// The six bits of the type.
        code: u8,
        /// Flag I: the receiver may ignore the frame.
        can_ignore: bool,
    },
}

/// The frame in which an error is, as far as its header was read: "SETUP on stream 0".
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
