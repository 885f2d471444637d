//! Gzip for an answer whose parts are deflated separately, on all cores, and then stitched into one member.
//!
//! Concatenated members would be simpler, but many readers (curl, browsers, most HTTP clients) stop after the first. So each part is a run of deflate
//! blocks that ends on a byte boundary and refers to nothing before it. A [`Member`] adds a header in front, an empty final block and a trailer at
//! the end, and combines the parts' checksums without reading their text again.

use bytes::Bytes;
use crc32fast::Hasher;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::cell::RefCell;

/// A text that was deflated separately, and can be appended to any [`Member`].
#[derive(Clone, Debug)]
pub struct Part {
    bytes: Bytes,
    checksum: Hasher,
    text_len: u64,
}

impl Part {
    /// Returns the deflate blocks, none of which is final.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the CRC-32 of the text.
    pub fn crc(&self) -> u32 {
        self.checksum.clone().finalize()
    }

    /// Returns the length of the text, in bytes.
    pub fn text_len(&self) -> u64 {
        self.text_len
    }
}

/// Compresses a whole text as one gzip member.
pub fn whole(text: &[u8]) -> Bytes {
    let mut member = Member::new();
    let deflated = member.append(&deflate_part(text, LEVEL));
    [Member::header(), deflated, member.finish()].concat().into()
}

/// Deflates a text at a level from 1, the fastest, to 9. Any number of threads may do so at once.
pub fn deflate_part(text: &[u8], level: u32) -> Part {
    let mut checksum = Hasher::new();
    checksum.update(text);
    let bytes = if text.is_empty() { Bytes::new() } else { deflate(text, level).into() };
    Part { bytes, checksum, text_len: text.len() as u64 }
}

/// Inflates a part, piece by piece, for a reader that does not accept gzip. What it has not read yet stays deflated.
#[derive(Debug)]
pub(crate) struct Inflating {
    part: Part,
    state: Decompress,
}

impl Inflating {
    pub(crate) fn new(part: Part) -> Self {
        Self { part, state: Decompress::new(false) }
    }

    /// Returns the next bytes of the text, at most `max`; empty at its end.
    pub(crate) fn next(&mut self, max: usize) -> Bytes {
        let mut text = Vec::with_capacity(max);
        while text.len() < max && self.state.total_out() < self.part.text_len {
            let rest = self.part.bytes.get(self.state.total_in() as usize..).unwrap_or_default();
            let before = self.state.total_out();
            let inflated = self.state.decompress_vec(rest, &mut text, FlushDecompress::None);
            debug_assert!(inflated.is_ok(), "it was deflated here");
            if self.state.total_out() == before {
                break;
            }
        }
        text.into()
    }
}

/// A gzip member that is being assembled.
#[derive(Debug, Default)]
pub struct Member {
    checksum: Hasher,
    text_len: u64,
}

impl Member {
    /// Returns a member without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the bytes before the first part.
    pub fn header() -> Bytes {
        Bytes::from_static(&HEADER)
    }

    /// Adds the next part, and returns its bytes, which are the next ones of the member.
    #[must_use = "the bytes belong to the member"]
    pub fn append(&mut self, part: &Part) -> Bytes {
        self.checksum.combine(&part.checksum);
        self.text_len = self.text_len.wrapping_add(part.text_len);
        part.bytes.clone()
    }

    /// Returns the bytes after the last part.
    pub fn finish(self) -> Bytes {
        let mut trailer = Vec::with_capacity(FINAL_BLOCK.len() + 8);
        trailer.extend_from_slice(&FINAL_BLOCK);
        trailer.extend_from_slice(&self.checksum.finalize().to_le_bytes());
        // The format demands the length modulo 2^32.
        trailer.extend_from_slice(&(self.text_len as u32).to_le_bytes());
        trailer.into()
    }
}

fn deflate(text: &[u8], level: u32) -> Vec<u8> {
    COMPRESS.with_borrow_mut(|(kept_level, compress)| {
        if *kept_level == level {
            compress.reset();
        } else {
            (*kept_level, *compress) = (level, compressor(level));
        }
        let mut out = Vec::with_capacity(text.len() / EXPECTED_RATIO + FLUSH_ROOM);
        loop {
            let consumed = compress.total_in() as usize;
            let rest = text.get(consumed..).unwrap_or_default();
            let status = compress.compress_vec(rest, &mut out, FlushCompress::Full);
            // The flush is complete if it leaves room in the output.
            if out.len() < out.capacity() {
                debug_assert!(matches!(status, Ok(Status::Ok | Status::BufError)));
                debug_assert_eq!(compress.total_in(), text.len() as u64);
                return out;
            }
            out.reserve(out.len().max(FLUSH_ROOM));
        }
    })
}

fn compressor(level: u32) -> Compress {
    Compress::new(Compression::new(level), false)
}

thread_local! {
    /// A compressor has some hundred KiB, which cost more to allocate than to reset. All texts of one proxy have the same level.
    static COMPRESS: RefCell<(u32, Compress)> = RefCell::new((LEVEL, compressor(LEVEL)));
}

/// The default level. Output at level 1 is nearly half as large again; from level 3 on, twice the time and more saves 2 to 20 % (the bench `gzip` has
/// the figures). libdeflate is not an option: it can neither flush nor be primed, so nothing could follow its parts.
pub const LEVEL: u32 = 2;

/// Deflate, no name, no time, no statement about the level, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// An empty block of fixed codes with the final bit set.
const FINAL_BLOCK: [u8; 2] = [0x03, 0x00];

/// Metrics shrink to about an eighth. A guess that is too low costs one more allocation.
const EXPECTED_RATIO: usize = 6;

/// A flush that begins with less room than this could be written twice.
const FLUSH_ROOM: usize = 64;

#[cfg(test)]
mod tests;
