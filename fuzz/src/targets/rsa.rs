//! The envelope with RSA, which costs a hundred times what the rest of it does.

use crate::input::Input;
use bytes::Bytes;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::envelope::{
    self, AesKeySize, KeyError, KeyUnwrap, OpenError, OpenLimits, PeerKey, RsaKeyPair, SecretKey,
    UnwrapError,
};
use prometheus_rsocket_testkit::vectors::RSA2048;
use std::sync::OnceLock;

/// Any bytes are a key to seal under or named none; what is sealed is opened; what is not wrapped under our key is not unwrapped.
pub fn rsa(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() {
        0..128 => key(input.rest()),
        128..250 => made(&mut input),
        // What takes milliseconds.
        250..253 => unwrapping(&mut input),
        _ => real(&mut input),
    }
}

/// What a proxy sends as its key.
fn key(der: &[u8]) {
    match PeerKey::parse(der) {
        Ok(key) if key.is_plaintext() => assert_eq!(der, envelope::PLAINTEXT),
        Ok(key) => {
            // As long as the modulus. Long ones take long.
            if der.len() > WRAPPED_MAX {
                return;
            }
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

/// The DER of a key, of any two numbers.
fn made(input: &mut Input<'_>) {
    let len = usize::from(input.byte()) << 3 | usize::from(input.byte() & 7);
    let (mask, exponent) = (input.byte(), input.take(6));
    let bytes = input.rest().iter().copied().chain(std::iter::repeat(0xa5));
    let mut modulus: Vec<_> = bytes.take(len).collect();
    if let Some(first) = modulus.first_mut() {
        *first &= mask;
    }
    let bits = modulus
        .iter()
        .position(|byte| *byte != 0)
        .map_or(0, |zeros| 8 * (len - zeros) - modulus[zeros].leading_zeros() as usize);
    let der = spki(&modulus, exponent);
    match PeerKey::parse(&der) {
        Ok(_) => assert!((1024..=8192).contains(&bits), "{bits} bits"),
        Err(KeyError::Size { bits: told }) => assert_eq!(told, bits),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    key(&der);
}

/// SubjectPublicKeyInfo of RSA (RFC 3279, section 2.3.1).
fn spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    const RSA: [u8; 15] =
        [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let numbers = [number(modulus), number(exponent)].concat();
    let key = [&[0][..], &der(0x30, &numbers)].concat();
    der(0x30, &[&RSA[..], &der(0x03, &key)].concat())
}

/// Without zeros in front, but for one that keeps it positive.
fn number(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let bytes = &bytes[start..];
    let is_negative = bytes.first().is_none_or(|first| first & 0x80 != 0);
    der(0x02, &[&vec![0; usize::from(is_negative)][..], bytes].concat())
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let head = match len {
        ..0x80 => vec![tag, len as u8],
        0x80..0x100 => vec![tag, 0x81, len as u8],
        _ => vec![tag, 0x82, (len >> 8) as u8, len as u8],
    };
    [&head, content].concat()
}

/// A wrapped key that may be none, for the real key.
fn unwrapping(input: &mut Input<'_>) {
    let limits = OpenLimits::default();
    let payload = Payload::new(Bytes::copy_from_slice(input.take(256)), input.owned());
    if let Err(OpenError::Unwrap(error)) = envelope::open(keys(), payload.clone(), &limits, [3; 32])
    {
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
    let opened = envelope::open(keys(), sealed.clone(), &limits, [3; 32]).expect("what was sealed");
    assert_eq!(opened.text, text);
    if flip != 0 {
        let mut wrapped = sealed.metadata.expect("a wrapped key").to_vec();
        wrapped[at] ^= flip;
        let changed = Payload::new(wrapped, sealed.data);
        let error = envelope::open(keys(), changed, &limits, [3; 32]).expect_err("OAEP");
        assert_eq!(error, OpenError::Unwrap(UnwrapError { len: 256, expected: 256 }));
    }
}

/// A key that is known to everybody.
fn keys() -> &'static RsaKeyPair {
    static KEYS: OnceLock<RsaKeyPair> = OnceLock::new();
    KEYS.get_or_init(|| RsaKeyPair::from_pkcs8_der(RSA2048).expect("a good key"))
}

/// The DER of 2,048 bits, and a little more.
const WRAPPED_MAX: usize = 320;
