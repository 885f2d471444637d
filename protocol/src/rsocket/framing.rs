//! Frames on a byte stream: a 24-bit length before each (Protocol.md, "Framing Format").
//!
//! TCP and TLS need this; WebSocket does not, as there one binary message holds one frame.
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

/// Bytes of the length that goes before a frame.
pub const PREFIX_LEN: usize = 3;

/// The longest frame to accept, in bytes without the prefix: all that the prefix can announce, 16,777,215.
pub const MAX_RECEIVED_FRAME: usize = Frame::MAX_LEN;

/// The longest frame to send, in bytes without the prefix: 16,777,212.
///
/// rsocket-java counts the prefix as part of the 16,777,215 bytes that it accepts. The last three lengths it swallows
/// without a word, and the exchange hangs.
pub const MAX_SENT_FRAME: usize = Frame::MAX_LEN - PREFIX_LEN;

/// A frame's announced length is over the limit. The stream cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("frame of {announced} bytes is over the limit of {limit}")]
pub struct FrameTooLong {
    /// The length that its prefix announces, in bytes without the prefix.
    pub announced: usize,
    /// The longest frame that was to be accepted.
    pub limit: usize,
}

/// Takes one whole frame off the front of `input`, or `None` (and nothing) if it is not all there yet.
///
/// The frame comes without its prefix, ready for [`Frame::decode`], and is not copied: it shares the buffer of
/// `input`. A prefix of 0 gives an empty frame, which does not decode.
///
/// # Errors
///
/// As soon as a prefix announces more than `max_frame_len` bytes, before any of them has to be there. `input` stays
/// as it is.
pub fn split_frame(
    input: &mut BytesMut,
    max_frame_len: usize,
) -> Result<Option<Bytes>, FrameTooLong> {
    let Some(len) = whole(input, max_frame_len)? else { return Ok(None) };
    input.advance(PREFIX_LEN);
    Ok(Some(input.split_to(len).freeze()))
}

/// Takes one whole frame off the front of `input` and decodes it: [`split_frame`] and [`Frame::decode`] in one step, which counts
/// references to the buffer of `input` for metadata and data alone.
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
/// As [`split_frame`]. A frame that does not decode is an error within, and is taken off as well: what is behind it can be read.
#[inline]
pub fn take_frame(
    input: &mut BytesMut,
    max_frame_len: usize,
) -> Result<Option<Result<Frame, DecodeError>>, FrameTooLong> {
    Ok(whole(input, max_frame_len)?.map(|len| Frame::take(input, PREFIX_LEN, len)))
}

/// The length of the frame at the front of `input`, without its prefix, if it is all there.
#[inline]
pub(crate) fn whole(input: &[u8], limit: usize) -> Result<Option<usize>, FrameTooLong> {
    match announced(input) {
        Some(announced) if announced > limit => Err(FrameTooLong { announced, limit }),
        Some(announced) if input.len() >= PREFIX_LEN + announced => Ok(Some(announced)),
        _ => Ok(None),
    }
}

/// How many more bytes it takes until the frame at the front of `input` is whole, or, while its prefix is not, until
/// that is; 0 if [`split_frame`] has something to take.
///
/// Never more than [`PREFIX_LEN`] + [`MAX_RECEIVED_FRAME`]; with a lower limit, ask [`split_frame`] first, so that what a prefix
/// announces has been held against it. To reserve this much would let a peer claim memory by a prefix alone: see [`append`].
pub fn missing(input: &[u8]) -> usize {
    let whole = PREFIX_LEN + announced(input).unwrap_or(0);
    whole.saturating_sub(input.len())
}

/// Appends bytes that were read to `input`, which grows as its first frame needs.
///
/// While a long frame comes in, its buffer doubles what has arrived, up to exactly the frame's length: a peer that announces
/// 16 MB and sends little makes it hold little, and a frame that is whole keeps no memory beyond itself.
pub fn append(input: &mut BytesMut, bytes: &[u8]) {
    let have = input.len();
    let len = have + bytes.len();
    if len > input.capacity() {
        let mut start = [0; PREFIX_LEN];
        let arrived = input.iter().chain(bytes);
        start.iter_mut().zip(arrived).for_each(|(to, from)| *to = *from);
        let whole = PREFIX_LEN + announced(&start).unwrap_or(0);
        // A `BytesMut` has no way to reserve exactly, and so goes through a `Vec`, which the allocator can grow in place.
        let mut grown = Vec::from(std::mem::take(input));
        grown.reserve_exact(whole.min(2 * len).max(len) - have);
        *input = BytesMut::from(Bytes::from(grown));
    }
    input.extend_from_slice(bytes);
}

/// Appends a frame and, before it, its length.
///
/// # Errors
///
/// If [`Frame::encode`] would fail, or the frame is longer than [`MAX_SENT_FRAME`]. `out` is then unchanged.
pub fn encode_prefixed(frame: &Frame, out: &mut BytesMut) -> Result<(), EncodeError> {
    let len = frame.check(MAX_SENT_FRAME)?;
    out.reserve(PREFIX_LEN + len);
    frame.write_prefixed(len, out);
    Ok(())
}

/// The length in the prefix, if the prefix is whole.
fn announced(input: &[u8]) -> Option<usize> {
    let [high, middle, low] = *input.first_chunk::<PREFIX_LEN>()?;
    Some(u32::from_be_bytes([0, high, middle, low]) as usize)
}

#[cfg(test)]
mod tests;
