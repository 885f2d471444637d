use super::{Fingerprint, OpenError, PLAINTEXT, SecretKey, UnwrapError, aes, snappy};
use crate::Payload;
use bytes::Bytes;

/// The private half of the proxy's key: the seam behind which another RSA implementation, or a hardware module, can be put.
pub trait KeyUnwrap: Send + Sync {
    /// Unwraps an AES key of version 1 (RSA-OAEP as the [module](super) says). `seed` is fresh randomness, for blinding.
    fn unwrap_key(&self, wrapped: &[u8], seed: [u8; 32]) -> Result<SecretKey, UnwrapError>;

    /// Unwraps a content key of [version 2](super::v2) that was wrapped for the key with this fingerprint (RSA-OAEP with SHA-256 as both hashes).
    /// `seed` is fresh randomness, for blinding. Fails as well if that key is not here.
    fn unwrap_content_key(
        &self,
        under: &Fingerprint,
        wrapped: &[u8],
        seed: [u8; 32],
    ) -> Result<SecretKey, UnwrapError>;

    /// The public half, as it is sent to applications: DER of a SubjectPublicKeyInfo.
    fn public_key(&self) -> Bytes;
}

/// The limits of opening.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenLimits {
    /// The longest text, in bytes; 32 MiB by default. That is twice the longest payload, some 300,000 series.
    pub max_text_len: usize,
    /// Whether metrics may come unencrypted; not by default.
    pub allow_plaintext: bool,
}

impl Default for OpenLimits {
    fn default() -> Self {
        Self { max_text_len: 32 * 1024 * 1024, allow_plaintext: false }
    }
}

/// Metrics, opened. Whether the text is one that can be served, [`exposition::read`](crate::exposition::read) finds out; it
/// may not even be UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// The text.
    pub text: Bytes,
    /// The raw Snappy block that the text was in. `None` in plaintext mode, which does not compress.
    pub block: Option<Bytes>,
}

/// Opens what an application sealed: unwraps, decrypts, expands. Nothing is allocated that the limits do not allow, and the
/// payload is decrypted in place if nobody else holds its buffer.
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

/// What was in a sealed payload.
pub(crate) enum Unsealed {
    /// The text: plaintext mode does not compress.
    Text(Bytes),
    /// A Snappy block, not looked at yet.
    Block(Bytes),
}

/// Does what [`open`] does, up to expanding.
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
    // Mostly a slice of the same buffer as the data.
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
