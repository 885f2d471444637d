use super::{Fingerprint, OpenError, PLAINTEXT, SecretKey, UnwrapError, aes, snappy};
use crate::Payload;
use bytes::Bytes;

/// The private half of the proxy's key. A backend, such as another RSA implementation or a hardware module, implements this trait.
pub trait KeyUnwrap: Send + Sync {
    /// Unwraps an AES key of version 1 (RSA-OAEP as described in the [module](super)). `seed` must be fresh randomness; it is for blinding.
    fn unwrap_key(&self, wrapped: &[u8], seed: [u8; 32]) -> Result<SecretKey, UnwrapError>;

    /// Unwraps a content key of [version 2](super::v2) that was wrapped for the key with this fingerprint (RSA-OAEP with SHA-256 as both hashes).
    /// `seed` must be fresh randomness; it is for blinding. Fails also if this backend does not have that key.
    fn unwrap_content_key(
        &self,
        under: &Fingerprint,
        wrapped: &[u8],
        seed: [u8; 32],
    ) -> Result<SecretKey, UnwrapError>;

    /// Returns the public half as applications receive it: the DER of a SubjectPublicKeyInfo.
    fn public_key(&self) -> Bytes;
}

/// The limits of opening.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenLimits {
    /// The maximum length of a text, in bytes; 32 MiB by default. That is twice the longest payload, some 300,000 series.
    pub max_text_len: usize,
    /// Whether metrics may arrive unencrypted; not by default.
    pub allow_plaintext: bool,
}

impl Default for OpenLimits {
    fn default() -> Self {
        Self { max_text_len: 32 * 1024 * 1024, allow_plaintext: false }
    }
}

/// Opened metrics. The text may be invalid, even as UTF-8; [`exposition::read`](crate::exposition::read) checks it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// The text.
    pub text: Bytes,
    /// The raw Snappy block of the text. `None` in plaintext mode, which does not compress.
    pub block: Option<Bytes>,
}

/// Opens what an application sealed: unwraps, decrypts, expands. Allocates no more than the limits allow, and decrypts in place
/// if nothing else shares the payload's buffer. `seed` must be fresh randomness; it is for blinding.
///
/// # Errors
///
/// See [`OpenError`]. The peer must not learn which error it was.
pub fn open(
    keys: &dyn KeyUnwrap,
    payload: Payload,
    limits: &OpenLimits,
    seed: [u8; 32],
) -> Result<Opened, OpenError> {
    match unseal(keys, payload, limits, seed)? {
        Unsealed::Text(text) => Ok(Opened { text, block: None }),
        Unsealed::Block(block) => {
            let text = snappy::expand(&block, limits.max_text_len)?;
            Ok(Opened { text, block: Some(block) })
        }
    }
}

/// The content of a sealed payload.
pub(crate) enum Unsealed {
    /// The text, which plaintext mode does not compress.
    Text(Bytes),
    /// A Snappy block, not examined yet.
    Block(Bytes),
}

/// Does what [`open`] does, but does not expand.
pub(crate) fn unseal(
    keys: &dyn KeyUnwrap,
    payload: Payload,
    limits: &OpenLimits,
    seed: [u8; 32],
) -> Result<Unsealed, OpenError> {
    let Payload { metadata, data } = payload;
    let metadata = metadata.ok_or(OpenError::NoMetadata)?;
    if metadata == PLAINTEXT {
        return plaintext(data, limits).map(Unsealed::Text);
    }
    let key = keys.unwrap_key(&metadata, seed)?;
    // It is usually a slice of the same buffer as the data.
    drop(metadata);
    aes::decrypt(&key, data).map(Unsealed::Block)
}

fn plaintext(text: Bytes, limits: &OpenLimits) -> Result<Bytes, OpenError> {
    if !limits.allow_plaintext {
        return Err(OpenError::PlaintextRefused);
    }
    let (len, limit) = (text.len(), limits.max_text_len);
    if len > limit {
        return Err(OpenError::TooLong { len: len as u64, limit });
    }
    Ok(text)
}
