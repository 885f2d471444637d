use super::{FrameType, StreamId};

/// Bytes that are not a frame: which field of which frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// The stream, if the header could be read.
    pub stream_id: Option<StreamId>,
    /// The type, if it could be read and is known.
    pub frame_type: Option<FrameType>,
    /// What is wrong.
    pub kind: DecodeErrorKind,
}

/// What is wrong with a frame's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The frame ends inside a field.
    Truncated {
        /// Which field.
        field: &'static str,
        /// Bytes that it needs.
        needed: usize,
        /// Bytes that are left.
        available: usize,
    },
    /// The type is none of the specification's.
    UnknownType {
        /// Its six bits.
        code: u8,
        /// Flag I: the receiver may pass over the frame.
        can_ignore: bool,
    },
}
