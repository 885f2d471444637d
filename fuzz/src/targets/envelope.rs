//! The envelope but for RSA: each step of opening what is hostile, and the way there and back.

use crate::input::Input;
use bytes::Bytes;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::envelope::{
    self, Fingerprint, KeyUnwrap, OpenError, OpenLimits, SecretKey, UnwrapError,
};

/// What is opened is text within the limits, and is what was sealed; all else is an error of the step that failed.
pub fn envelope(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() {
        0..128 => opening(&mut input),
        _ => there_and_back(&mut input),
    }
}

/// Wraps a key as it is: past RSA, to what comes after it.
pub(super) struct Bare;

impl KeyUnwrap for Bare {
    fn unwrap_key(&self, wrapped: &[u8], _: [u8; 32]) -> Result<SecretKey, UnwrapError> {
        let failed = UnwrapError { len: wrapped.len(), expected: 16 };
        SecretKey::new(wrapped.to_vec()).map_err(|_| failed)
    }

    fn unwrap_content_key(
        &self,
        _: &Fingerprint,
        wrapped: &[u8],
        seed: [u8; 32],
    ) -> Result<SecretKey, UnwrapError> {
        self.unwrap_key(wrapped, seed)
    }

    fn public_key(&self) -> Bytes {
        Bytes::new()
    }
}

fn limits(input: &mut Input<'_>) -> OpenLimits {
    let mut limits = OpenLimits::default();
    limits.allow_plaintext = input.flag();
    limits.max_text_len = match input.byte() {
        0..128 => 1 << 20,
        byte => usize::from(byte - 128) * 8,
    };
    limits
}

/// The steps by themselves come to what opening comes to.
fn opening(input: &mut Input<'_>) {
    let limits = limits(input);
    let metadata = match input.below(8) {
        0 => None,
        1 => Some(Bytes::from_static(envelope::PLAINTEXT)),
        2 => Some(input.owned()),
        size => Some(Bytes::copy_from_slice(secret(size, input).expose())),
    };
    let is_sealed = input.flag();
    let data = Bytes::copy_from_slice(input.rest());
    // Otherwise hardly anything would come through the padding.
    let data = match metadata.as_ref().map(|key| SecretKey::new(key.to_vec())) {
        Some(Ok(key)) if is_sealed => envelope::encrypt(&key, &data),
        _ => data,
    };
    let payload = Payload { metadata, data };
    let opened = envelope::open(&Bare, payload.clone(), &limits, [0; 32]);
    assert_eq!(opened.map(|opened| opened.text), steps(&payload, &limits));
}

fn steps(payload: &Payload, limits: &OpenLimits) -> Result<Bytes, OpenError> {
    let Some(metadata) = &payload.metadata else { return Err(OpenError::NoMetadata) };
    let text = if metadata == envelope::PLAINTEXT {
        let (len, limit) = (payload.data.len(), limits.max_text_len);
        match limits.allow_plaintext {
            false => return Err(OpenError::PlaintextRefused),
            true if len > limit => return Err(OpenError::TooLong { len: len as u64, limit }),
            true => payload.data.clone(),
        }
    } else {
        let key = Bare.unwrap_key(metadata, [0; 32])?;
        let block = envelope::decrypt(&key, payload.data.clone())?;
        // A whole block of padding at most, and at least a byte.
        let padding = payload.data.len() - block.len();
        assert!((1..=16).contains(&padding) && payload.data.len().is_multiple_of(16));
        assert_eq!(envelope::encrypt(&key, &block), payload.data);
        envelope::expand(&block, limits.max_text_len)?
    };
    assert!(text.len() <= limits.max_text_len);
    Ok(text)
}

/// Any text that is sealed, but for RSA.
fn there_and_back(input: &mut Input<'_>) {
    let key = secret(input.below(3), input);
    let text = String::from_utf8_lossy(input.rest()).into_owned();
    let block = envelope::compress(text.as_bytes());
    let sealed = envelope::encrypt(&key, &block);
    assert!(sealed.len() > block.len() && sealed.len() <= block.len() + 16);
    let payload = Payload::new(Bytes::copy_from_slice(key.expose()), sealed);
    let mut limits = OpenLimits::default();
    limits.max_text_len = text.len();
    let opened = envelope::open(&Bare, payload, &limits, [0; 32]).expect("what was sealed");
    assert_eq!(opened.text, text);
}

fn secret(size: usize, input: &mut Input<'_>) -> SecretKey {
    let len = [16, 24, 32][size % 3];
    let mut key = input.take(len).to_vec();
    key.resize(len, 7);
    SecretKey::new(key).expect("a key's length")
}
