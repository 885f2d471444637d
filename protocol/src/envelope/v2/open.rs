use super::seal::TAG_LEN;
use super::{
    Binding, IdempotencyKey, KeyId, PURPOSE_PUSH, PURPOSE_SCRAPE, Purpose, SEAL_COUNTER,
    SEAL_FORMAT, SEAL_KEY_ID, SEAL_MIME, SEAL_PURPOSE, SEAL_VERSION, SEAL_WRAPPED, VERSION, nonce,
};
use crate::Payload;
use crate::envelope::{Fingerprint, KeyUnwrap, OpenError, SecretKey};
use crate::exposition::SourceFormat;
use crate::fields::{self, FieldError};
use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use bytes::{Buf, Bytes, BytesMut};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A content key that the proxy has unwrapped.
#[derive(Clone, Debug)]
pub struct KnownKey {
    id: KeyId,
    secret: SecretKey,
}

impl KnownKey {
    /// Returns its id.
    pub fn id(&self) -> KeyId {
        self.id
    }
}

/// What a sealed message is expected to be.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The binding of the request, or of the connection's pushes.
    pub binding: Binding,
    /// Whether it is a push instead of an answer.
    pub is_push: bool,
    /// The connection's known content keys.
    pub known: Vec<Arc<KnownKey>>,
}

/// An authenticated message. Its block has not been examined yet.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The text, as a raw Snappy block.
    pub block: Bytes,
    /// The format of the text, as the application declares it.
    pub format: SourceFormat,
    /// What it was sealed for.
    pub purpose: Purpose,
    /// The counter of the message.
    pub counter: u64,
    /// The content key that it was sealed under.
    pub key: Arc<KnownKey>,
    /// Whether that key was known before.
    pub was_known: bool,
}

/// Opens a message sealed in version 2: unwraps the content key if it is new, and decrypts in place if nothing else shares the
/// payload's buffer. `seed` must be fresh randomness.
///
/// Does not detect replayed pushes: that takes a memory of counters.
///
/// # Errors
///
/// See [`OpenError`]. The peer must not learn which error it was.
pub fn open(
    keys: &dyn KeyUnwrap,
    payload: Payload,
    expected: &Expected,
    seed: [u8; 32],
) -> Result<Opened, OpenError> {
    let Payload { metadata, data } = payload;
    let content = metadata.and_then(|metadata| fields::find_entry(metadata, SEAL_MIME));
    let content = content.ok_or(OpenError::NotSealed)?;
    let header = Header::decode(&content)?;
    if header.is_push != expected.is_push {
        return Err(OpenError::Purpose);
    }
    let (key, was_known) = header.find_key(keys, expected, seed)?;
    let associated = [&content[..], &expected.binding.0].concat();
    // It is usually a slice of the same buffer as the data.
    drop(content);
    let secret = key.as_ref().map_or_else(|failed| &failed.substitute, |key| &key.secret);
    let plain = decrypt(secret, header.counter, &associated, data);
    match (key, plain) {
        (Err(failed), _) => Err(failed.error),
        (Ok(_), None) => Err(OpenError::Tag),
        (Ok(key), Some(mut block)) => {
            let mut purpose = Purpose::Scrape;
            if header.is_push {
                let key = block.try_get_u128().map_err(|_| OpenError::NoIdempotencyKey)?;
                purpose = Purpose::Push(IdempotencyKey(key.to_be_bytes()));
            }
            let (format, counter) = (header.format, header.counter);
            Ok(Opened { block, format, purpose, counter, key, was_known })
        }
    }
}

/// The content of a seal's entry.
struct Header {
    is_push: bool,
    key_id: KeyId,
    counter: u64,
    format: SourceFormat,
    wrapped: Option<(Fingerprint, Bytes)>,
}

impl Header {
    fn decode(content: &Bytes) -> Result<Self, FieldError> {
        let (mut version, mut is_push, mut key_id) = (None, None, None);
        let (mut counter, mut format, mut wrapped) = (None, None, None);
        fields::read(content, |field| match (field.id, field.value) {
            (SEAL_VERSION, &[VERSION]) => field.put_once(&mut version, ()),
            (SEAL_PURPOSE, &[PURPOSE_SCRAPE]) => field.put_once(&mut is_push, false),
            (SEAL_PURPOSE, &[PURPOSE_PUSH]) => field.put_once(&mut is_push, true),
            (SEAL_KEY_ID, _) => field.put_once(&mut key_id, KeyId(field.array()?)),
            (SEAL_COUNTER, _) => field.put_once(&mut counter, u64::from_be_bytes(field.array()?)),
            (SEAL_FORMAT, &[0]) => field.put_once(&mut format, SourceFormat::Text004),
            (SEAL_FORMAT, &[1]) => field.put_once(&mut format, SourceFormat::OpenMetrics),
            (SEAL_WRAPPED, value) => {
                let parts = value.split_first_chunk().ok_or_else(|| field.error())?;
                let under = Fingerprint::from_bytes(*parts.0);
                field.put_once(&mut wrapped, (under, Bytes::copy_from_slice(parts.1)))
            }
            (SEAL_VERSION | SEAL_PURPOSE | SEAL_FORMAT, _) => Err(field.error()),
            _ => Ok(()),
        })?;
        needed(version, SEAL_VERSION)?;
        Ok(Self {
            is_push: needed(is_push, SEAL_PURPOSE)?,
            key_id: needed(key_id, SEAL_KEY_ID)?,
            counter: needed(counter, SEAL_COUNTER)?,
            format: needed(format, SEAL_FORMAT)?,
            wrapped,
        })
    }

    /// Returns the key that the message is sealed under, and whether it was known; or, if it cannot be unwrapped, what to continue with.
    fn find_key(
        &self,
        keys: &dyn KeyUnwrap,
        expected: &Expected,
        seed: [u8; 32],
    ) -> Result<(Result<Arc<KnownKey>, Failed>, bool), OpenError> {
        if let Some(key) = expected.known.iter().find(|key| key.id == self.key_id) {
            return Ok((Ok(Arc::clone(key)), true));
        }
        let (under, wrapped) = self.wrapped.as_ref().ok_or(OpenError::UnknownKey)?;
        let key = match keys.unwrap_content_key(under, wrapped, seed) {
            Ok(secret) if secret.expose().len() == KEY_LEN => {
                Ok(Arc::new(KnownKey { id: self.key_id, secret }))
            }
            Ok(secret) => {
                let len = secret.expose().len();
                Err(Failed::new(OpenError::KeySize { len }, seed)?)
            }
            Err(error) => Err(Failed::new(error.into(), seed)?),
        };
        Ok((key, false))
    }
}

fn needed<T>(field: Option<T>, id: u8) -> Result<T, FieldError> {
    field.ok_or(FieldError::Missing { id })
}

/// A key that could not be unwrapped. Opening continues with a substitute until the tag fails, so that to the application it
/// takes as long as a key that can be unwrapped with a wrong tag.
struct Failed {
    error: OpenError,
    substitute: SecretKey,
}

impl Failed {
    fn new(error: OpenError, seed: [u8; 32]) -> Result<Self, OpenError> {
        let digest = Sha256::new().chain_update(b"substitute").chain_update(seed).finalize();
        Ok(Self { error, substitute: SecretKey::new(digest.to_vec())? })
    }
}

/// Returns the plaintext if the tag is right.
fn decrypt(secret: &SecretKey, counter: u64, associated: &[u8], data: Bytes) -> Option<Bytes> {
    let cipher = Aes256Gcm::new_from_slice(secret.expose()).ok()?;
    let mut data = BytesMut::from(data);
    let tag = data.split_off(data.len().checked_sub(TAG_LEN)?);
    let (nonce, tag) = (nonce(counter), Tag::from_slice(&tag));
    let nonce = Nonce::from_slice(&nonce);
    cipher.decrypt_in_place_detached(nonce, associated, &mut data, tag).ok()?;
    Some(data.freeze())
}

/// The length of a content key in bytes.
const KEY_LEN: usize = 32;
