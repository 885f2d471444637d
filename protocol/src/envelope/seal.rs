use super::{AesKeySize, PLAINTEXT, PeerKey, SealError, SecretKey, aes};
use crate::Payload;
use bytes::Bytes;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use snap::raw::Encoder;

/// Seals a text under a proxy's key, as the answer to a scrape or as a push.
///
/// `seed` must be secret and fresh: the AES key and the padding are derived from it. Plaintext mode does not use it.
pub fn seal(
    key: &PeerKey,
    text: &[u8],
    size: AesKeySize,
    seed: [u8; 32],
) -> Result<Payload, SealError> {
    if key.is_plaintext() {
        return Ok(Payload::new(PLAINTEXT, Bytes::copy_from_slice(text)));
    }
    let mut random = ChaCha20Rng::from_seed(seed);
    let mut bytes = vec![0; size.bytes()];
    random.fill_bytes(&mut bytes);
    let secret = SecretKey::new(bytes).map_err(|error| SealError::Wrap(error.to_string()))?;
    let mut padding_seed = [0; 32];
    random.fill_bytes(&mut padding_seed);
    let block = Encoder::new()
        .compress_vec(text)
        .map_err(|error| SealError::Compress { len: text.len(), reason: error.to_string() })?;
    Ok(Payload::new(key.wrap(&secret, padding_seed)?, aes::encrypt(&secret, &block)))
}
