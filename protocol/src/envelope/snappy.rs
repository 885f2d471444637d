use super::OpenError;
use bytes::Bytes;
use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};
use std::fmt;

/// Buffers that are reused from text to text: allocating fresh ones of this size would cost as much as the work itself. Each
/// thread that opens or renders metrics has its own.
pub struct Scratch {
    /// May be longer than the text in it.
    text: Vec<u8>,
    block: Vec<u8>,
    encoder: Encoder,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { text: Vec::new(), block: Vec::new(), encoder: Encoder::new() }
    }
}

impl Scratch {
    /// Does the same as [`compress`].
    pub fn compress(&mut self, text: &[u8]) -> Bytes {
        lengthen(&mut self.block, max_compress_len(text.len()));
        let compressed = self.encoder.compress(text, &mut self.block).ok();
        compressed
            .and_then(|len| self.block.get(..len))
            .map(Bytes::copy_from_slice)
            .unwrap_or_default()
    }

    /// Does the same as [`expand`].
    ///
    /// # Errors
    ///
    /// Those of [`expand`].
    pub fn expand(&mut self, block: &[u8], max_len: usize) -> Result<&[u8], OpenError> {
        let announced = announced(block, max_len)?;
        lengthen(&mut self.text, announced);
        let text = self.text.get_mut(..announced).unwrap_or_default();
        let len = Decoder::new().decompress(block, text).map_err(|error| broken(block, &error))?;
        Ok(text.get(..len).unwrap_or_default())
    }

    /// Frees buffers of more than half a MiB.
    pub fn trim(&mut self) {
        for buffer in [&mut self.text, &mut self.block] {
            if buffer.capacity() > MAX_KEPT {
                *buffer = Vec::new();
            }
        }
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

/// Makes a buffer at least this long, with any content.
fn lengthen(buffer: &mut Vec<u8>, len: usize) {
    if buffer.len() < len {
        // The old content need not be copied.
        buffer.clear();
        buffer.resize(len, 0);
    }
}

/// The size that a buffer may keep from one text to the next, in bytes.
const MAX_KEPT: usize = 512 * 1024;

/// Compresses a text to a raw Snappy block. Snappy takes less than 4 GiB; a longer text gives an empty block, but nothing here produces one.
pub fn compress(text: &[u8]) -> Bytes {
    Scratch::default().compress(text)
}

/// Expands a raw Snappy block to at most `max_len` bytes of text. The length that the block announces is checked before
/// anything is allocated, also against what a block of its size can hold.
///
/// # Errors
///
/// [`OpenError::TooLong`] if the text is too long, [`OpenError::Expand`] if the block is damaged.
pub fn expand(block: &[u8], max_len: usize) -> Result<Bytes, OpenError> {
    announced(block, max_len)?;
    Decoder::new().decompress_vec(block).map(Bytes::from).map_err(|error| broken(block, &error))
}

fn broken(block: &[u8], error: &snap::Error) -> OpenError {
    OpenError::Expand { len: block.len(), reason: error.to_string() }
}

/// Returns the length of the text that a block announces, if it is plausible.
fn announced(block: &[u8], max_len: usize) -> Result<usize, OpenError> {
    let announced = match decompress_len(block) {
        Ok(announced) => announced,
        Err(snap::Error::TooBig { given, .. }) => {
            return Err(OpenError::TooLong { len: given, limit: max_len });
        }
        Err(error) => return Err(broken(block, &error)),
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
    Ok(announced)
}

/// The maximum length of the text in a block of this size: its densest element is a copy of 64 bytes of text in 3 bytes.
fn max_expansion(block_len: usize) -> usize {
    block_len.saturating_mul(64) / 3
}
