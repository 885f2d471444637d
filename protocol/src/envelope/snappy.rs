use super::OpenError;
use bytes::Bytes;
use snap::raw::{Decoder, Encoder, decompress_len};

/// Compresses a text to a raw Snappy block. Texts of 4 GiB and more, which Snappy cannot take, give an empty block; nothing here
/// lets such a text arise.
pub fn compress(text: &[u8]) -> Bytes {
    let mut block = Encoder::new().compress_vec(text).unwrap_or_default();
    // The buffer was made for the worst case, more than the text takes. A block that is kept must not keep that.
    block.shrink_to_fit();
    Bytes::from(block)
}

/// Expands a raw Snappy block of at most `max_len` bytes of text. What the block announces is checked before anything is
/// allocated, and also against what a block of its size can hold at all.
pub fn expand(block: &[u8], max_len: usize) -> Result<Bytes, OpenError> {
    let reason =
        |error: snap::Error| OpenError::Expand { len: block.len(), reason: error.to_string() };
    let announced = match decompress_len(block) {
        Ok(announced) => announced,
        Err(snap::Error::TooBig { given, .. }) => {
            return Err(OpenError::TooLong { len: given, limit: max_len });
        }
        Err(error) => return Err(reason(error)),
    };
    if announced > max_len {
        return Err(OpenError::TooLong { len: announced as u64, limit: max_len });
    }
    if announced > max_expansion(block.len()) {
        return Err(OpenError::Expand {
            len: block.len(),
            reason: format!("it announces {announced} bytes, more than such a block can hold"),
        });
    }
    Decoder::new().decompress_vec(block).map(Bytes::from).map_err(reason)
}

/// The most that a block of this size can hold: its densest element is a copy of 64 bytes of text in 3 bytes.
fn max_expansion(block_len: usize) -> usize {
    block_len.saturating_mul(64) / 3
}
