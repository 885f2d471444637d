//! RSocket 1.0 frames: all types of Protocol.md, "Frame Types", as values, and their bytes.
//!
//! [`Frame::decode`] takes the bytes of one frame *without* the transport's length prefix; payloads come out as
//! counted slices of the input. [`Frame::encode`] is its inverse. Reserved top bits (of stream ids, REQUEST_N and positions)
//! are masked, flags that a frame type does not define are ignored. Nothing here judges whether a frame is *allowed* where it
//! arrives (a REQUEST_N of 0, a request on stream 0): that is the connection's work.

mod decode;
mod encode;
mod error;
mod flags;
mod types;

pub use encode::EncodeError;
pub use error::{DecodeError, DecodeErrorKind};
pub use types::{Body, ErrorCode, Frame, FrameType, Setup, StreamId, Version};
