use super::{
    Binding, KeyId, PURPOSE_PUSH, PURPOSE_SCRAPE, Purpose, SEAL_COUNTER, SEAL_FORMAT, SEAL_KEY_ID,
    SEAL_MIME, SEAL_PURPOSE, SEAL_VERSION, SEAL_WRAPPED, VERSION, format_byte, nonce,
};
use crate::Payload;
use crate::envelope::{Fingerprint, PeerKey, SealError, SecretKey};
use crate::exposition::source_format;
use crate::fields::{self, put};
use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use bytes::{Bytes, BytesMut};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use snap::raw::{Encoder, max_compress_len};
use std::fmt;

/// The key that an application seals under, made for one connection and one key of the proxy.
pub struct ContentKey {
    pub(super) id: KeyId,
    pub(super) secret: SecretKey,
    under: Fingerprint,
    wrapped: Bytes,
}

impl ContentKey {
    /// The maximum number of messages sealed under one key.
    pub const MAX_MESSAGES: u64 = 1 << 20;

    /// Generates a key and wraps it under the proxy's key. `seed` must be secret and fresh.
    ///
    /// # Errors
    ///
    /// If the proxy's key cannot wrap, as in plaintext mode.
    pub fn generate(proxy: &PeerKey, seed: [u8; 32]) -> Result<Self, SealError> {
        let no_key = || SealError::Wrap("there is no key in plaintext mode".to_owned());
        let under = proxy.fingerprint().ok_or_else(no_key)?;
        let mut random = ChaCha20Rng::from_seed(seed);
        let (mut id, mut secret, mut padding) = ([0; 16], vec![0; 32], [0; 32]);
        random.fill_bytes(&mut id);
        random.fill_bytes(&mut secret);
        random.fill_bytes(&mut padding);
        let secret = SecretKey::new(secret).map_err(|error| SealError::Wrap(error.to_string()))?;
        let wrapped = proxy.wrap_content_key(&secret, padding)?;
        Ok(Self { id: KeyId(id), secret, under, wrapped })
    }

    /// Returns its id.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Returns the fingerprint of the proxy's key that it was wrapped under.
    pub fn under(&self) -> Fingerprint {
        self.under
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentKey").field("id", &self.id).field("under", &self.under).finish()
    }
}

/// A message to seal.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The metrics text.
    pub text: &'a [u8],
    /// What it is sealed for.
    pub purpose: Purpose,
    /// The binding in the proxy's offer.
    pub binding: Binding,
    /// The number of the message under this key, from 0. Never use one twice.
    pub counter: u64,
    /// Whether to attach the wrapped key, because the proxy may not know it yet.
    pub attach_key: bool,
}

/// Seals metrics.
///
/// # Errors
///
/// If the text is too long for Snappy.
pub fn seal(key: &ContentKey, message: &Message<'_>) -> Result<Payload, SealError> {
    let content = header(key, message);
    let data = encrypt(key, message, &content)?;
    let mut metadata = BytesMut::with_capacity(content.len() + 64);
    fields::put_entry(&mut metadata, SEAL_MIME, content);
    Ok(Payload::new(metadata.freeze(), data))
}

/// The content of the seal's entry.
fn header(key: &ContentKey, message: &Message<'_>) -> Bytes {
    let purpose = match message.purpose {
        Purpose::Scrape => PURPOSE_SCRAPE,
        Purpose::Push(_) => PURPOSE_PUSH,
    };
    let mut content = BytesMut::with_capacity(96 + key.wrapped.len());
    put(&mut content, SEAL_VERSION, &[&[VERSION]]);
    put(&mut content, SEAL_PURPOSE, &[&[purpose]]);
    put(&mut content, SEAL_KEY_ID, &[&key.id.0]);
    put(&mut content, SEAL_COUNTER, &[&message.counter.to_be_bytes()]);
    put(&mut content, SEAL_FORMAT, &[&[format_byte(source_format(message.text))]]);
    if message.attach_key {
        put(&mut content, SEAL_WRAPPED, &[key.under.as_bytes(), &key.wrapped]);
    }
    content.freeze()
}

fn encrypt(key: &ContentKey, message: &Message<'_>, content: &[u8]) -> Result<Bytes, SealError> {
    let len = message.text.len();
    let failed = |reason: String| SealError::Compress { len, reason };
    let prefix: &[u8] = match &message.purpose {
        Purpose::Scrape => &[],
        Purpose::Push(key) => key.as_bytes(),
    };
    let mut data = vec![0; prefix.len() + max_compress_len(len) + TAG_LEN];
    let (front, block) = data.split_at_mut(prefix.len());
    front.copy_from_slice(prefix);
    let compressed =
        Encoder::new().compress(message.text, block).map_err(|error| failed(error.to_string()))?;
    data.truncate(prefix.len() + compressed);
    let associated = [content, &message.binding.0].concat();
    let nonce = nonce(message.counter);
    let cipher = Aes256Gcm::new_from_slice(key.secret.expose());
    let cipher = cipher.map_err(|error| SealError::Wrap(error.to_string()))?;
    let tag = cipher.encrypt_in_place_detached(Nonce::from_slice(&nonce), &associated, &mut data);
    // AES-GCM takes 64 GiB, and Snappy returns less than 5.
    data.extend_from_slice(&tag.map_err(|error| failed(error.to_string()))?);
    Ok(data.into())
}

/// The length of AES-GCM's tag.
pub(super) const TAG_LEN: usize = 16;
