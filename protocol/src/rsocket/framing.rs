//! Frames on a byte stream, each behind a 24-bit length prefix (Protocol.md, "Framing Format").
//!
//! TCP and TLS need the prefix. WebSocket does not, since one binary message holds one frame.
//!
//! ```
//! use bytes::BytesMut;
//! use prometheus_rsocket_protocol::rsocket::frame::{Body, Frame, StreamId};
//! use prometheus_rsocket_protocol::rsocket::framing::{self, MAX_RECEIVED_FRAME, split_frame};
//!
//! let cancel = Frame::new(StreamId::new(4), Body::Cancel);
//! let mut wire = BytesMut::new();
//! framing::encode_prefixed(&cancel, &mut wire)?;
//! assert_eq!(&wire[..], [0, 0, 6, 0, 0, 0, 4, 0x24, 0]);
//!
//! let bytes = split_frame(&mut wire, MAX_RECEIVED_FRAME)?.expect("a whole frame is there");
//! assert_eq!(Frame::decode(bytes)?, cancel);
//! assert_eq!(split_frame(&mut wire, MAX_RECEIVED_FRAME)?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod foreign;

pub(crate) use foreign::is_undecided;
pub use foreign::{Foreign, LOOKED_AT, looks_like};

use crate::rsocket::frame::{DecodeError, EncodeError, Frame};
use bytes::{Buf, Bytes, BytesMut};

/// The length of the prefix before a frame, in bytes.
pub const PREFIX_LEN: usize = 3;

/// The longest frame to accept, in bytes without the prefix: the most that the prefix can announce, 16,777,215.
pub const MAX_RECEIVED_FRAME: usize = Frame::MAX_LEN;

/// The longest frame to send, in bytes without the prefix: 16,777,212.
///
/// rsocket-java counts the prefix as part of the 16,777,215 bytes that it accepts. It silently discards frames of the three
/// longest lengths, and the exchange hangs.
pub const MAX_SENT_FRAME: usize = Frame::MAX_LEN - PREFIX_LEN;

/// The length that a prefix announces exceeds the limit. The stream cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("frame of {announced} bytes is over the limit of {limit}")]
pub struct FrameTooLong {
    /// The announced length, in bytes without the prefix.
    pub announced: usize,
    /// The limit, in bytes without the prefix.
    pub limit: usize,
}

/// Takes one whole frame off the front of `input`. Returns `None`, and leaves `input` unchanged, if the frame has not fully
/// arrived.
///
/// The frame has no prefix, ready for [`Frame::decode`], and is not copied: it shares the buffer of `input`. A prefix of 0
/// yields an empty frame, which does not decode.
///
/// # Errors
///
/// The prefix announces more than `max_frame_len` bytes. This is checked before any of them have arrived, and leaves `input`
/// unchanged.
pub fn split_frame(
    input: &mut BytesMut,
    max_frame_len: usize,
) -> Result<Option<Bytes>, FrameTooLong> {
    let Some(len) = whole(input, max_frame_len)? else { return Ok(None) };
    input.advance(PREFIX_LEN);
    Ok(Some(input.split_to(len).freeze()))
}

/// Takes one whole frame off the front of `input` and decodes it: [`split_frame`] and [`Frame::decode`] in one step. Only
/// metadata and data take references to the buffer of `input`.
///
/// ```
/// # use bytes::BytesMut;
/// # use prometheus_rsocket_protocol::rsocket::frame::{Body, Frame, StreamId};
/// # use prometheus_rsocket_protocol::rsocket::framing::{self, MAX_RECEIVED_FRAME, take_frame};
/// let mut wire = BytesMut::from(&[0, 0, 6, 0, 0, 0, 4, 0x24, 0, 0, 0][..]);
/// let cancel = Frame::new(StreamId::new(4), Body::Cancel);
/// assert_eq!(take_frame(&mut wire, MAX_RECEIVED_FRAME)?, Some(Ok(cancel)));
/// assert_eq!(take_frame(&mut wire, MAX_RECEIVED_FRAME)?, None);
/// assert_eq!(wire.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// The same as [`split_frame`]. A frame that does not decode is an inner error, and is removed from `input` as well, so the
/// frames after it can be read.
#[inline]
pub fn take_frame(
    input: &mut BytesMut,
    max_frame_len: usize,
) -> Result<Option<Result<Frame, DecodeError>>, FrameTooLong> {
    Ok(whole(input, max_frame_len)?.map(|len| Frame::take(input, PREFIX_LEN, len)))
}

/// The length of the frame at the front of `input`, without its prefix; `None` if it has not fully arrived.
#[inline]
pub(crate) fn whole(input: &[u8], limit: usize) -> Result<Option<usize>, FrameTooLong> {
    match announced(input) {
        Some(announced) if announced > limit => Err(FrameTooLong { announced, limit }),
        Some(announced) if input.len() >= PREFIX_LEN + announced => Ok(Some(announced)),
        _ => Ok(None),
    }
}

/// How many bytes are missing from the frame at the front of `input`; while its prefix is incomplete, how many are missing from
/// the prefix. Returns 0 if [`split_frame`] has a frame to take.
///
/// The result is at most [`PREFIX_LEN`] + [`MAX_RECEIVED_FRAME`]. If your limit is lower, call [`split_frame`] first, which
/// checks the announced length. Do not reserve this many bytes, or a peer can claim memory by a prefix alone: see [`append`].
pub fn missing(input: &[u8]) -> usize {
    let whole = PREFIX_LEN + announced(input).unwrap_or(0);
    whole.saturating_sub(input.len())
}

/// Appends bytes that were read to `input`, whose capacity grows as its first frame needs.
///
/// While a long frame arrives, the capacity grows to twice what has arrived, and at most to the frame's exact length. So a peer
/// that announces 16 MB and sends little causes little memory to be held, and a whole frame occupies no memory beyond its own
/// length.
pub fn append(input: &mut BytesMut, bytes: &[u8]) {
    let have = input.len();
    let len = have + bytes.len();
    if len > input.capacity() {
        let mut start = [0; PREFIX_LEN];
        let arrived = input.iter().chain(bytes);
        start.iter_mut().zip(arrived).for_each(|(to, from)| *to = *from);
        let whole = PREFIX_LEN + announced(&start).unwrap_or(0);
        // `BytesMut` cannot reserve an exact capacity. A `Vec` can, and the allocator may grow it in place.
        let mut grown = Vec::from(std::mem::take(input));
        grown.reserve_exact(whole.min(2 * len).max(len) - have);
        *input = BytesMut::from(Bytes::from(grown));
    }
    input.extend_from_slice(bytes);
}

/// Appends a frame behind its length prefix.
///
/// # Errors
///
/// [`Frame::encode`] would fail, or the frame is longer than [`MAX_SENT_FRAME`]. `out` is then unchanged.
pub fn encode_prefixed(frame: &Frame, out: &mut BytesMut) -> Result<(), EncodeError> {
    let len = frame.check(MAX_SENT_FRAME)?;
    out.reserve(PREFIX_LEN + len);
    frame.write_prefixed(len, out);
    Ok(())
}

/// The length that the prefix announces; `None` if the prefix is incomplete.
fn announced(input: &[u8]) -> Option<usize> {
    let [high, middle, low] = *input.first_chunk::<PREFIX_LEN>()?;
    Some(u32::from_be_bytes([0, high, middle, low]) as usize)
}

#[cfg(test)]
mod tests;
