//! What every implementation of RSA behind [`KeyUnwrap`] must do, as tests that are written once.
//!
//! A test file names its [`Backend`] and passes it to [`unwrapping_suite`](crate::unwrapping_suite), which generates a test for each behaviour.

use bytes::Bytes;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::envelope::{
    AesKeySize, KeyError, KeyUnwrap, OpenLimits, PeerKey, SecretKey, UnwrapError, open, seal,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, Oaep, RsaPublicKey};
use sha1::Sha1;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::thread;

use crate::vectors;

/// An implementation under test.
pub trait Backend {
    /// Its key pair.
    type Key: KeyUnwrap + 'static;

    /// Makes a key pair.
    fn generate(bits: usize) -> Result<Self::Key, KeyError>;

    /// Reads a private key in PKCS#8 DER.
    fn load(der: &[u8]) -> Result<Self::Key, KeyError>;
}

/// Generates a `#[test]` for each behaviour of a [`Backend`](crate::unwrapping::Backend).
#[macro_export]
macro_rules! unwrapping_suite {
    ($backend:ty) => {
        $crate::unwrapping_suite!(@each $backend:
            a_scrape_of_a_jdk_is_unwrapped
            a_wrapped_key_that_begins_with_zeros_is_taken_only_whole
            all_failures_look_alike
            keys_of_every_size_unwrap_what_was_wrapped_for_them
            keys_of_openssl_are_unwrapped_unless_the_hash_of_the_mask_is_another
            several_threads_unwrap_at_once
            sizes_that_are_not_offered_are_refused
            what_is_no_private_rsa_key_is_refused
        );
    };
    (@each $backend:ty: $($name:ident)+) => {
        $(#[test] fn $name() { $crate::unwrapping::$name::<$backend>(); })+
    };
}

#[doc(hidden)]
pub fn a_scrape_of_a_jdk_is_unwrapped<B: Backend>() {
    let rows = vectors::SCRAPE.lines().map(|row| row.split_once('\t').unwrap());
    let scrape: BTreeMap<&str, Bytes> =
        rows.map(|(name, hex)| (name, vectors::unhex(hex))).collect();
    let key = load::<B>(&scrape["PKCS8"]);
    assert_eq!(key.public_key(), scrape["SPKI"]);
    let wrapped = &scrape["METADATA_RSA_OAEP_SHA256_MGF1SHA1"];
    let secret = key.unwrap_key(wrapped, [3; 32]).unwrap();
    assert_eq!(secret.expose(), scrape["AES_KEY"]);
    let payload = Payload::new(wrapped.clone(), scrape["DATA_AES_ECB_PKCS5"].clone());
    let opened = open(&*key, payload, &OpenLimits::default(), [4; 32]).unwrap();
    assert_eq!(opened.text, scrape["PLAIN_UTF8"]);
}

#[doc(hidden)]
pub fn keys_of_openssl_are_unwrapped_unless_the_hash_of_the_mask_is_another<B: Backend>() {
    let keys = [
        ("2048", load::<B>(vectors::RSA2048)),
        ("3072", load::<B>(vectors::RSA3072)),
        ("4096", load::<B>(vectors::RSA4096)),
    ];
    let mut seen = 0;
    for row in vectors::rows(vectors::OPENSSL) {
        let [rsa, aes, mgf1, metadata, data] = row[..] else { panic!("{row:?}") };
        let (_, key) = keys.iter().find(|(bits, _)| *bits == rsa).unwrap();
        let wrapped = vectors::unhex(metadata);
        let unwrapped = key.unwrap_key(&wrapped, [5; 32]);
        seen += 1;
        if mgf1 == "sha256" {
            assert_eq!(unwrapped.unwrap_err(), failure(256, 256));
            continue;
        }
        assert_eq!((unwrapped.unwrap().expose().len() * 8).to_string(), aes);
        let payload = Payload::new(wrapped, vectors::unhex(data));
        let opened = open(&**key, payload, &OpenLimits::default(), [6; 32]).unwrap();
        assert_eq!(opened.text, "# HELP up µ\n# TYPE up gauge\nup{app=\"vector\"} 1.0\n");
    }
    assert_eq!(seen, 10);
}

#[doc(hidden)]
pub fn keys_of_every_size_unwrap_what_was_wrapped_for_them<B: Backend>() {
    let generated: Box<dyn KeyUnwrap> = Box::new(B::generate(2048).unwrap());
    let loaded = [vectors::RSA2048, vectors::RSA3072, vectors::RSA4096].map(|der| load::<B>(der));
    for (key, bits) in loaded.iter().zip([2048, 3072, 4096]).chain([(&generated, 2048)]) {
        let peer = peer(&**key);
        for (size, seed) in [AesKeySize::Aes128, AesKeySize::Aes192, AesKeySize::Aes256]
            .into_iter()
            .flat_map(|size| (0..5).map(move |seed| (size, seed)))
        {
            let secret = SecretKey::new(vec![seed + 1; size.bytes()]).unwrap();
            let wrapped = peer.wrap(&secret, [seed; 32]).unwrap();
            assert_eq!(wrapped.len(), bits / 8);
            let unwrapped = key.unwrap_key(&wrapped, [seed; 32]).unwrap();
            assert_eq!(unwrapped.expose(), secret.expose());
        }
        let sealed = seal(&peer, b"x 1\n", AesKeySize::Aes128, [7; 32]).unwrap();
        assert_eq!(open(&**key, sealed, &OpenLimits::default(), [8; 32]).unwrap().text, "x 1\n");
    }
}

/// Whatever is wrong, the error contains only the two lengths.
#[doc(hidden)]
pub fn all_failures_look_alike<B: Backend>() {
    let key = load::<B>(vectors::RSA2048);
    let refuses = |wrapped: &[u8], what: &str| {
        let error = key.unwrap_key(wrapped, [9; 32]).expect_err(what);
        assert_eq!(error, failure(wrapped.len(), 256), "{what}");
    };
    let secret = SecretKey::new(vec![1; 16]).unwrap();
    let wrapped = peer(&*key).wrap(&secret, [2; 32]).unwrap();
    for bit in (0..2048).step_by(31) {
        let mut flipped = wrapped.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        refuses(&flipped, &format!("bit {bit} flipped"));
    }
    for len in [0, 1, 128, 255] {
        refuses(&wrapped[..len], &format!("{len} bytes"));
    }
    refuses(&[&wrapped[..], &[0]].concat(), "a byte more");
    refuses(&[&[0], &wrapped[..]].concat(), "a zero in front");
    refuses(&[0; 256], "zero");
    let modulus = public(&*key).n().clone();
    refuses(&modulus.to_bytes_be(), "the modulus");
    // The same number modulo n.
    let beyond = |wrapped: Bytes| (BigUint::from_bytes_be(&wrapped) + &modulus).to_bytes_be();
    let beyond = wraps(&*key, &secret).map(beyond).find(|beyond| beyond.len() == 256);
    refuses(&beyond.expect("one that fits"), "a number beyond the modulus");
    refuses(&[0xff; 256], "the greatest number of 256 bytes");
    let for_another = peer(&*load::<B>(vectors::RSA3072)).wrap(&secret, [2; 32]).unwrap();
    refuses(&for_another, "for a longer key");
    let generated = B::generate(2048).unwrap();
    refuses(&peer(&generated).wrap(&secret, [2; 32]).unwrap(), "for another key");
    for len in [0, 1, 15, 17, 31, 33, 190] {
        let oaep = Oaep::new_with_mgf_hash::<Sha256, Sha1>();
        refuses(&encrypt(&*key, oaep, &vec![7; len]), &format!("an AES key of {len} bytes"));
    }
    for (what, oaep) in [
        ("both hashes SHA-256", Oaep::new::<Sha256>()),
        ("both hashes SHA-1", Oaep::new::<Sha1>()),
        ("the hashes exchanged", Oaep::new_with_mgf_hash::<Sha1, Sha256>()),
        ("a label", Oaep::new_with_mgf_hash_and_label::<Sha256, Sha1, _>("label")),
    ] {
        refuses(&encrypt(&*key, oaep, &[7; 16]), what);
    }
    let random = &mut ChaCha20Rng::from_seed([3; 32]);
    let pkcs1 = public(&*key).encrypt(random, rsa::Pkcs1v15Encrypt, &[7; 16]).unwrap();
    refuses(&pkcs1, "padding of PKCS #1 1.5");
    // The key is the same as before.
    assert_eq!(key.unwrap_key(&wrapped, [9; 32]).unwrap().expose(), secret.expose());
}

/// RFC 8017, 7.1.2: a wrapped key is as long as the modulus, whatever it begins with.
#[doc(hidden)]
pub fn a_wrapped_key_that_begins_with_zeros_is_taken_only_whole<B: Backend>() {
    let key = load::<B>(vectors::RSA2048);
    let secret = SecretKey::new(vec![1; 16]).unwrap();
    let wrapped = wraps(&*key, &secret).find(|wrapped| wrapped[0] == 0).expect("each 256th, or so");
    assert_eq!(key.unwrap_key(&wrapped, [0; 32]).unwrap().expose(), secret.expose());
    assert_eq!(key.unwrap_key(&wrapped[1..], [0; 32]).unwrap_err(), failure(255, 256));
}

#[doc(hidden)]
pub fn several_threads_unwrap_at_once<B: Backend>() {
    let key = load::<B>(vectors::RSA2048);
    let peer = peer(&*key);
    thread::scope(|scope| {
        for thread in 0..8 {
            let (key, peer) = (&key, &peer);
            scope.spawn(move || {
                for seed in 0..10 {
                    let secret = SecretKey::new(vec![thread * 16 + seed; 32]).unwrap();
                    let wrapped = peer.wrap(&secret, [seed; 32]).unwrap();
                    let unwrapped = key.unwrap_key(&wrapped, [thread; 32]).unwrap();
                    assert_eq!(unwrapped.expose(), secret.expose());
                    assert!(key.unwrap_key(&[0xee; 256], [thread; 32]).is_err());
                }
            });
        }
    });
}

#[doc(hidden)]
pub fn sizes_that_are_not_offered_are_refused<B: Backend>() {
    for bits in [0, 1024, 2047, 8192, usize::MAX] {
        assert_eq!(B::generate(bits).err(), Some(KeyError::Size { bits }));
    }
}

#[doc(hidden)]
pub fn what_is_no_private_rsa_key_is_refused<B: Backend>() {
    let good = vectors::RSA2048;
    let public = load::<B>(good).public_key();
    let mut damaged = good.to_vec();
    damaged[40] ^= 0x10;
    for (what, der) in [
        ("nothing", &[][..]),
        ("text", b"-----BEGIN PRIVATE KEY-----"),
        ("half a key", &good[..600]),
        ("a public key", &public),
        ("another modulus", &damaged),
        ("a key of Ed25519", &ED25519),
    ] {
        let error = B::load(der).err();
        let len = der.len();
        let is_told = matches!(&error, Some(KeyError::Malformed { len: told, .. }) if *told == len);
        assert!(is_told, "{what}: {error:?}");
    }
}

/// RFC 8410, section 10.3.
const ED25519: [u8; 48] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    0xd4, 0xee, 0x72, 0xdb, 0xf9, 0x13, 0x58, 0x4a, 0xd5, 0xb6, 0xd8, 0xf1, 0xf7, 0x69, 0xf8, 0xad,
    0x3a, 0xfe, 0x7c, 0x28, 0xcb, 0xf1, 0xd4, 0xfb, 0xe0, 0x97, 0xa8, 0x8f, 0x44, 0x75, 0x58, 0x42,
];

fn load<B: Backend>(der: &[u8]) -> Box<dyn KeyUnwrap> {
    Box::new(B::load(der).unwrap())
}

/// Returns the secret, wrapped in one way after the other.
fn wraps(key: &dyn KeyUnwrap, secret: &SecretKey) -> impl Iterator<Item = Bytes> {
    let peer = peer(key);
    let seeds = (0..=u16::MAX).map(|number| {
        let mut seed = [0; 32];
        seed[..2].copy_from_slice(&number.to_be_bytes());
        seed
    });
    seeds.map(move |seed| peer.wrap(secret, seed).unwrap())
}

fn peer(key: &dyn KeyUnwrap) -> PeerKey {
    PeerKey::parse(&key.public_key()).unwrap()
}

fn public(key: &dyn KeyUnwrap) -> RsaPublicKey {
    RsaPublicKey::from_public_key_der(&key.public_key()).unwrap()
}

fn encrypt(key: &dyn KeyUnwrap, padding: Oaep, message: &[u8]) -> Vec<u8> {
    public(key).encrypt(&mut ChaCha20Rng::from_seed([0; 32]), padding, message).unwrap()
}

fn failure(len: usize, expected: usize) -> UnwrapError {
    UnwrapError { len, expected }
}
