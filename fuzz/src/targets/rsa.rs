//! The envelope with RSA, which costs a hundred times what the rest of it does.

use crate::input::Input;
use bytes::Bytes;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::envelope::{
    self, AesKeySize, KeyError, KeyUnwrap, OpenError, OpenLimits, PeerKey, RsaKeyPair, SecretKey,
    UnwrapError,
};
use std::sync::OnceLock;

/// Any bytes are a key to seal under or named none; what is sealed is opened; what is not wrapped under our key is not unwrapped.
pub fn rsa(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() {
        0..160 => key(input.rest()),
        160..208 => unwrapping(&mut input),
        _ => real(&mut input),
    }
}

/// What a proxy sends as its key.
fn key(der: &[u8]) {
    match PeerKey::parse(der) {
        Ok(key) if key.is_plaintext() => assert_eq!(der, envelope::PLAINTEXT),
        Ok(key) => {
            // As long as the modulus.
            let secret = SecretKey::new(vec![7; 16]).expect("a key's length");
            if let Ok(wrapped) = key.wrap(&secret, [1; 32]) {
                assert!((128..=1024).contains(&wrapped.len()), "{} bytes", wrapped.len());
                assert!(der.len() > wrapped.len());
            }
        }
        Err(KeyError::Size { bits }) => assert!(!(1024..=8192).contains(&bits)),
        Err(error) => assert!(error.to_string().len() < 1_000),
    }
}

/// A wrapped key that may be none, for the real key.
fn unwrapping(input: &mut Input<'_>) {
    let limits = OpenLimits::default();
    let payload = Payload::new(Bytes::copy_from_slice(input.take(256)), input.owned());
    if let Err(OpenError::Unwrap(error)) = envelope::open(keys(), &payload, &limits, [3; 32]) {
        let len = payload.metadata.as_ref().map_or(0, Bytes::len);
        assert_eq!(error, UnwrapError { len, expected: 256 });
    }
}

/// All of it, and then a byte that is changed.
fn real(input: &mut Input<'_>) {
    let sizes = [AesKeySize::Aes128, AesKeySize::Aes192, AesKeySize::Aes256];
    let (size, at, flip) = (sizes[input.below(3)], input.below(256), input.byte());
    let text = String::from_utf8_lossy(input.rest()).into_owned();
    let key = PeerKey::parse(&keys().public_key()).expect("our own key");
    let sealed = envelope::seal(&key, text.as_bytes(), size, [2; 32]).expect("a short text");
    let limits = OpenLimits::default();
    let opened = envelope::open(keys(), &sealed, &limits, [3; 32]).expect("what was sealed");
    assert_eq!(opened.text, text);
    if flip != 0 {
        let mut wrapped = sealed.metadata.expect("a wrapped key").to_vec();
        wrapped[at] ^= flip;
        let changed = Payload::new(wrapped, sealed.data);
        let error = envelope::open(keys(), &changed, &limits, [3; 32]).expect_err("OAEP");
        assert_eq!(error, OpenError::Unwrap(UnwrapError { len: 256, expected: 256 }));
    }
}

/// A key that is known to everybody.
fn keys() -> &'static RsaKeyPair {
    static KEYS: OnceLock<RsaKeyPair> = OnceLock::new();
    let der = include_bytes!("../../../protocol/tests/vectors/rsa2048.pkcs8.der");
    KEYS.get_or_init(|| RsaKeyPair::from_pkcs8_der(der).expect("a good key"))
}
