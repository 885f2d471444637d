use super::{OpenError, PLAINTEXT, SealError, SecretKey, UnwrapError};
use super::{cipher, snappy};
use crate::Payload;
use bytes::Bytes;

/// What opens a wrapped AES key: the private half of the key that a proxy sends out.
///
/// The seam for another RSA backend, a hardware module, or a rotated set of keys. [`RsaKeyPair`](super::RsaKeyPair) is the default.
/// Unwrapping takes milliseconds: call it off the event loop.
pub trait KeyUnwrap: Send + Sync {
    /// Unwraps an AES key: RSA-OAEP with an empty label, SHA-256 for the label, MGF1 with SHA-1.
    ///
    /// `seed` is for blinding; the result does not depend on it. It must be random and unknown to the peer.
    ///
    /// # Errors
    ///
    /// [`UnwrapError`] if this is no AES key wrapped for this key pair.
    fn unwrap_key(&self, wrapped: &[u8], seed: [u8; 32]) -> Result<SecretKey, UnwrapError>;

    /// The public half, as it is sent to applications: X.509 SubjectPublicKeyInfo, DER.
    fn public_key(&self) -> Bytes;
}

/// What [`open`] accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenLimits {
    /// The longest text, in bytes.
    ///
    /// Default: 64 MiB, about 500,000 series. Texts shrink to a fifth or less, so this is beyond what fits a frame (16 MiB) in
    /// practice, while a block made to expand as far as Snappy can would reach 341 MiB.
    pub max_text_len: usize,
    /// Whether payloads that say they are not encrypted are accepted.
    ///
    /// Default: no. The Java client sends them only where it was sent `plaintext` for a key; from whom a real key was sent, they
    /// mean a broken client, or one that was made to believe it is talking to somebody else.
    pub allow_plaintext: bool,
}

impl Default for OpenLimits {
    fn default() -> Self {
        Self { max_text_len: 64 << 20, allow_plaintext: false }
    }
}

/// What was in the envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The metrics.
    pub text: String,
    /// The Snappy block that the text was in: what to keep instead of the text, for [`expand`](super::expand). `None` in plaintext mode.
    pub block: Option<Bytes>,
}

impl Opened {
    /// The text as a Snappy block: the one that came, or in plaintext mode a new one.
    ///
    /// # Errors
    ///
    /// [`SealError::TooLong`], see [`compress`](super::compress).
    pub fn into_block(self) -> Result<Bytes, SealError> {
        self.block.map_or_else(|| snappy::compress(self.text.as_bytes()), Ok)
    }
}

/// Opens a sealed payload: unwraps the key, decrypts, expands, and checks that the text is UTF-8.
///
/// Whether the text is in the Prometheus format is another matter: [`exposition`](crate::exposition). `seed` is for blinding, see
/// [`KeyUnwrap::unwrap_key`].
///
/// # Errors
///
/// [`OpenError`], by the step that failed. It is for our own log and counters: a peer must not learn which it was.
pub fn open(
    keys: &dyn KeyUnwrap,
    payload: &Payload,
    limits: &OpenLimits,
    seed: [u8; 32],
) -> Result<Opened, OpenError> {
    let data_len = payload.data.len();
    let metadata = payload.metadata.as_deref().ok_or(OpenError::NoMetadata { data_len })?;
    if metadata == PLAINTEXT {
        return open_plaintext(&payload.data, limits);
    }
    let secret = keys.unwrap_key(metadata, seed)?;
    let block = cipher::decrypt(&secret, &payload.data)?;
    let text = snappy::expand_vec(&block, limits.max_text_len)?;
    Ok(Opened { text: utf8(text)?, block: Some(block) })
}

fn open_plaintext(data: &[u8], limits: &OpenLimits) -> Result<Opened, OpenError> {
    if !limits.allow_plaintext {
        return Err(OpenError::PlaintextRefused { data_len: data.len() });
    }
    if data.len() > limits.max_text_len {
        return Err(OpenError::TextTooLong { len: data.len(), limit: limits.max_text_len });
    }
    Ok(Opened { text: utf8(data.to_vec())?, block: None })
}

fn utf8(text: Vec<u8>) -> Result<String, OpenError> {
    String::from_utf8(text).map_err(|error| OpenError::NotUtf8 {
        position: error.utf8_error().valid_up_to(),
        len: error.as_bytes().len(),
    })
}
