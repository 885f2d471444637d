//! RSocket 1.0 frames: all types of Protocol.md, "Frame Types", as values, and their encoding.
//!
//! [`Frame::decode`] takes the bytes of one frame *without* the transport's length prefix; payloads are reference-counted
//! slices of the input. [`Frame::encode`] is its inverse. [`framing`](crate::rsocket::framing) adds the prefix. Reserved top
//! bits (of stream ids, REQUEST_N and positions) are masked, and flags that a frame type does not define are ignored. This
//! module does not judge whether a frame is *allowed* where it arrives (a REQUEST_N of 0, a request on stream 0); the
//! connection does.
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use prometheus_rsocket_protocol::Payload;
//! use prometheus_rsocket_protocol::rsocket::frame::{Body, DecodeErrorKind, Frame, StreamId};
//!
//! let payload = Payload::new("plaintext", "up 1\n");
//! let answer = Body::Payload { follows: false, complete: true, next: true, payload };
//! let frame = Frame::new(StreamId::new(4), answer);
//! let mut out = BytesMut::new();
//! frame.encode(&mut out)?;
//! assert_eq!(out.len(), frame.encoded_len());
//! assert_eq!(Frame::decode(out.freeze())?, frame);
//!
//! // An ERROR frame that ends after its header.
//! let error = Frame::decode(Bytes::from_static(&[0, 0, 0, 4, 0x2c, 0])).unwrap_err();
//! let kind = DecodeErrorKind::Truncated { field: "error code", needed: 4, available: 0 };
//! assert_eq!(error.kind, kind);
//! assert_eq!(error.to_string(), "ERROR on stream 4: error code takes 4 bytes, 0 left");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decode;
mod encode;
mod error;
mod flags;
mod fragment;
#[cfg(test)]
pub(crate) mod strategy;
#[cfg(test)]
mod tests;
mod types;

pub use encode::EncodeError;
pub(crate) use encode::within;
pub use error::{DecodeError, DecodeErrorKind};
pub use types::{Body, ErrorCode, Frame, FrameType, Setup, StreamId, Version};
