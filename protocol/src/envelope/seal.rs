use super::{AesKeySize, PLAINTEXT, PeerKey, RsaPeerKey, SealError, SecretKey};
use super::{cipher, rng, snappy};
use crate::Payload;
use bytes::Bytes;

/// Seals `text` for the proxy that sent `key`.
///
/// That `text` is UTF-8 in the Prometheus text format is not checked: the proxy does so. `seed` must be random, secret,
/// and used once. The same arguments give the same bytes.
///
/// # Errors
///
/// [`SealError`], by the step that failed; none is to be expected for texts that fit a frame.
pub fn seal(
    key: &PeerKey,
    text: &[u8],
    aes: AesKeySize,
    seed: [u8; 32],
) -> Result<Payload, SealError> {
    let key = match key {
        PeerKey::Plaintext => return Ok(Payload::new(PLAINTEXT, Bytes::copy_from_slice(text))),
        PeerKey::Rsa(key) => key,
    };
    let (secret_seed, padding_seed) = rng::split(seed);
    let secret = SecretKey::generate(aes, secret_seed);
    let metadata = wrap_key(key, &secret, padding_seed)?;
    let data = cipher::encrypt_vec(&secret, snappy::compress_vec(text)?);
    Ok(Payload::new(metadata, data))
}

/// The sealing's third step: `secret` wrapped with the proxy's RSA key, padded with randomness from `seed`.
///
/// # Errors
///
/// [`SealError::Wrap`] if the backend refuses, which no key that was accepted should cause.
pub fn wrap_key(key: &RsaPeerKey, secret: &SecretKey, seed: [u8; 32]) -> Result<Bytes, SealError> {
    key.wrap(secret, seed)
}
