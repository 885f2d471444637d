use super::{ExpandError, SealError};
use bytes::Bytes;

/// The sealing's first step: `text` as one raw Snappy block. Also what a proxy keeps a text as.
///
/// # Errors
///
/// [`SealError::TooLong`] beyond Snappy's own limit, some 3.6 GiB.
pub fn compress(text: &[u8]) -> Result<Bytes, SealError> {
    let mut block = compress_vec(text)?;
    // The buffer was sized for the worst case; a block that is kept must not keep that.
    block.shrink_to_fit();
    Ok(Bytes::from(block))
}

pub(super) fn compress_vec(text: &[u8]) -> Result<Vec<u8>, SealError> {
    let too_long = |_| SealError::TooLong { len: text.len() };
    snap::raw::Encoder::new().compress_vec(text).map_err(too_long)
}

/// The opening's third step: undoes [`compress`].
///
/// The length that the block announces is believed only if it is at most `max_text_len` *and* a block of this size can
/// expand to it at all. Nothing is allocated before.
///
/// # Errors
///
/// [`ExpandError`], by what is wrong with the block.
pub fn expand(block: &[u8], max_text_len: usize) -> Result<Bytes, ExpandError> {
    expand_vec(block, max_text_len).map(Bytes::from)
}

pub(super) fn expand_vec(block: &[u8], max_text_len: usize) -> Result<Vec<u8>, ExpandError> {
    let corrupt = |error: snap::Error| ExpandError::Corrupt {
        block_len: block.len(),
        reason: error.to_string(),
    };
    let announced = snap::raw::decompress_len(block).map_err(corrupt)?;
    if announced > max_text_len {
        return Err(ExpandError::TooLong { announced, limit: max_text_len });
    }
    if announced > max_expansion(block.len()) {
        return Err(ExpandError::Impossible { announced, block_len: block.len() });
    }
    let mut text = vec![0; announced];
    let len = snap::raw::Decoder::new().decompress(block, &mut text).map_err(corrupt)?;
    text.truncate(len);
    Ok(text)
}

/// The most that a block of this size can expand to. Its densest element is the copy with a two-byte offset: 3 bytes
/// for at most 64.
fn max_expansion(block_len: usize) -> usize {
    block_len.saturating_mul(64) / 3
}
