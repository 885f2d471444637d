use super::{OpenError, PLAINTEXT, SecretKey, UnwrapError, aes, snappy};
use crate::Payload;
use bytes::Bytes;

/// The private half of the proxy's key: the seam behind which another RSA implementation, or a hardware module, can be put.
pub trait KeyUnwrap: Send + Sync {
    /// Unwraps an AES key (RSA-OAEP as the [module](super) says). `seed` is fresh randomness, for blinding.
    fn unwrap_key(&self, wrapped: &[u8], seed: [u8; 32]) -> Result<SecretKey, UnwrapError>;

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

/// Metrics, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// The text; valid UTF-8.
    pub text: Bytes,
}

/// Opens what an application sealed: unwrap, decrypt, expand, check that it is text. Nothing is allocated that the limits do
/// not allow.
pub fn open(
    keys: &dyn KeyUnwrap,
    payload: &Payload,
    limits: &OpenLimits,
    seed: [u8; 32],
) -> Result<Opened, OpenError> {
    let metadata = payload.metadata.as_ref().ok_or(OpenError::NoMetadata)?;
    let text = if metadata == PLAINTEXT {
        plaintext(payload, limits)?
    } else {
        let key = keys.unwrap_key(metadata, seed)?;
        let block = aes::decrypt(&key, payload.data.clone())?;
        snappy::expand(&block, limits.max_text_len)?
    };
    std::str::from_utf8(&text)?;
    Ok(Opened { text })
}

fn plaintext(payload: &Payload, limits: &OpenLimits) -> Result<Bytes, OpenError> {
    if !limits.allow_plaintext {
        return Err(OpenError::PlaintextRefused);
    }
    let (len, limit) = (payload.data.len(), limits.max_text_len);
    if len > limit {
        return Err(OpenError::TooLong { len: len as u64, limit });
    }
    Ok(payload.data.clone())
}
