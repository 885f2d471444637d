use super::*;
use crate::Payload;
use ::rsa::pkcs8::EncodePublicKey;
use ::rsa::{BigUint, Oaep, RsaPublicKey};
use bytes::{Bytes, BytesMut};
use prometheus_rsocket_testkit::vectors;
use proptest::prelude::*;
use rand_chacha::rand_core::SeedableRng;
use std::sync::LazyLock;

/// Made by a JDK: one scrape answer with all intermediate steps, and the keys.
const SCRAPE: &str = vectors::SCRAPE;
/// Made by OpenSSL, for the keys below.
const OPENSSL: &str = vectors::OPENSSL;

static RSA_2048: LazyLock<RsaKeyPair> = LazyLock::new(|| pair(vectors::RSA2048));
static RSA_3072: LazyLock<RsaKeyPair> = LazyLock::new(|| pair(vectors::RSA3072));
static RSA_4096: LazyLock<RsaKeyPair> = LazyLock::new(|| pair(vectors::RSA4096));

const AES_SIZES: [AesKeySize; 3] = [AesKeySize::Aes128, AesKeySize::Aes192, AesKeySize::Aes256];
const TEXT: &str = "# TYPE up gauge\nup{app=\"µ\"} 1.0\n";

fn pair(der: &[u8]) -> RsaKeyPair {
    RsaKeyPair::from_pkcs8_der(der).unwrap()
}

fn pairs() -> [(usize, &'static RsaKeyPair); 3] {
    [(2048, &RSA_2048), (3072, &RSA_3072), (4096, &RSA_4096)]
}

fn peer(keys: &RsaKeyPair) -> PeerKey {
    PeerKey::parse(&keys.public_key()).unwrap()
}

fn hex(text: &str) -> Bytes {
    assert!(text.len().is_multiple_of(2));
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn scrape(name: &str) -> Bytes {
    let mut rows = SCRAPE.lines().map(|line| line.split_once('\t').unwrap());
    hex(rows.find(|row| row.0 == name).unwrap().1)
}

fn open_for_2048(payload: &Payload) -> Result<Opened, OpenError> {
    open(&*RSA_2048, payload.clone(), &OpenLimits::default(), [9; 32])
}

/// A payload with a correctly wrapped AES key, around any Snappy block.
fn around_block(block: &[u8]) -> Payload {
    let secret = SecretKey::new(vec![1; 16]).unwrap();
    let metadata = peer(&RSA_2048).wrap(&secret, [2; 32]).unwrap();
    Payload::new(metadata, encrypt(&secret, block))
}

#[test]
fn a_scrape_of_a_jdk_opens_step_by_step() {
    assert_eq!(SCRAPE.lines().count(), 9);
    let keys = pair(&scrape("PKCS8"));
    assert_eq!(keys.public_key(), scrape("SPKI"));
    let secret = keys.unwrap_key(&scrape("METADATA_RSA_OAEP_SHA256_MGF1SHA1"), [3; 32]).unwrap();
    assert_eq!(secret.expose(), scrape("AES_KEY"));
    let block = decrypt(&secret, scrape("DATA_AES_ECB_PKCS5")).unwrap();
    assert_eq!(block, scrape("SNAPPY_RAW_BLOCK"));
    let text = expand(&block, 1000).unwrap();
    assert_eq!(text, scrape("PLAIN_UTF8"));
    assert_eq!(expand(&scrape("SNAPPY_OF_EMPTY"), 0).unwrap(), "");

    assert_eq!(encrypt(&secret, &block), scrape("DATA_AES_ECB_PKCS5"));
    assert_eq!(compress(b""), scrape("SNAPPY_OF_EMPTY"));
}

#[test]
fn the_frame_of_a_jdk_opens_whole() {
    let frame = scrape("PAYLOAD_FRAME_SID4");
    let frame = crate::rsocket::frame::Frame::decode(frame).unwrap();
    let crate::rsocket::frame::Body::Payload { payload, .. } = frame.body else {
        panic!("{frame:?}")
    };
    let opened = open(&pair(&scrape("PKCS8")), payload, &OpenLimits::default(), [4; 32]).unwrap();
    assert_eq!(opened.text, scrape("PLAIN_UTF8"));
}

#[test]
fn payloads_of_openssl_open() {
    let mut opened = 0;
    for row in OPENSSL.lines().filter(|row| !row.starts_with('#')) {
        let row: Vec<&str> = row.split('\t').collect();
        let [rsa, aes, mgf1, metadata, data] = row[..] else { panic!("{row:?}") };
        let (_, keys) = pairs().into_iter().find(|keys| keys.0.to_string() == rsa).unwrap();
        let payload = Payload::new(hex(metadata), hex(data));
        let result = open(keys, payload.clone(), &OpenLimits::default(), [5; 32]);
        opened += 1;
        if mgf1 == "sha256" {
            let error = OpenError::Unwrap(UnwrapError { len: 256, expected: 256 });
            assert_eq!(result.unwrap_err(), error, "the mask's hash is SHA-1");
            continue;
        }
        assert_eq!(result.unwrap().text, "# HELP up µ\n# TYPE up gauge\nup{app=\"vector\"} 1.0\n");
        let secret = keys.unwrap_key(&payload.metadata.unwrap(), [6; 32]).unwrap();
        assert_eq!((secret.expose().len() * 8).to_string(), aes);
    }
    assert_eq!(opened, 10);
}

/// The bytes for these arguments, as OpenSSL decrypts them to the text (`rsa_oaep_md:sha256`, `rsa_mgf1_md:sha1`).
#[test]
fn sealing_is_pinned_to_what_openssl_has_opened() {
    let sealed = seal(&peer(&RSA_2048), TEXT.as_bytes(), AesKeySize::Aes128, [42; 32]).unwrap();
    let pinned = vectors::SEALED;
    let row = pinned.lines().find(|row| !row.starts_with('#')).unwrap();
    let (metadata, data) = row.split_once('\t').unwrap();
    assert_eq!(sealed.metadata.unwrap(), hex(metadata));
    assert_eq!(sealed.data, hex(data));
}

#[test]
fn every_pair_of_sizes_opens_what_it_sealed() {
    for (bits, keys) in pairs() {
        assert_eq!(format!("{keys:?}"), format!("RsaKeyPair({bits} bits)"));
        for size in AES_SIZES {
            for text in ["", TEXT, &TEXT.repeat(10_000)] {
                let sealed = seal(&peer(keys), text.as_bytes(), size, [7; 32]).unwrap();
                assert_eq!(sealed.metadata.as_ref().unwrap().len(), bits / 8);
                assert!(sealed.data.len().is_multiple_of(16));
                let opened = open(keys, sealed.clone(), &OpenLimits::default(), [8; 32]).unwrap();
                assert_eq!(opened.text, text);
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
    let key = peer(&RSA_2048);
    let sealed = |seed| seal(&key, TEXT.as_bytes(), AesKeySize::Aes256, [seed; 32]).unwrap();
    assert_eq!(sealed(1), sealed(1));
    assert_ne!(sealed(1).metadata, sealed(2).metadata);
    assert_ne!(sealed(1).data, sealed(2).data);
    let generated = |seed| RsaKeyPair::generate(2048, [seed; 32]).unwrap();
    assert_eq!(generated(1).public_key(), generated(1).public_key());
    assert_ne!(generated(1).public_key(), generated(2).public_key());
    let opened = open(
        &generated(1),
        seal(&peer(&generated(1)), b"x", AesKeySize::Aes128, [3; 32]).unwrap(),
        &OpenLimits::default(),
        [0; 32],
    );
    assert_eq!(opened.unwrap().text, "x");
}

#[test]
fn a_key_that_is_made_here_has_the_size_that_was_asked_for() {
    for seed in 0..8 {
        let keys = RsaKeyPair::generate(2048, [seed; 32]).unwrap();
        let sealed = seal(&peer(&keys), b"x", AesKeySize::Aes256, [seed; 32]).unwrap();
        assert_eq!(sealed.metadata.as_ref().unwrap().len(), 2048 / 8);
        assert_eq!(open(&keys, sealed, &OpenLimits::default(), [1; 32]).unwrap().text, "x");
        assert_eq!(format!("{keys:?}"), "RsaKeyPair(2048 bits)");
    }
}

#[test]
fn plaintext_is_sealed_as_it_is_and_opened_only_where_allowed() {
    let key = PeerKey::parse(b"plaintext").unwrap();
    assert!(key.is_plaintext());
    assert!(!peer(&RSA_2048).is_plaintext());
    let secret = SecretKey::new(vec![1; 16]).unwrap();
    assert_eq!(key.wrap(&secret, [0; 32]).unwrap(), "plaintext");
    let sealed = seal(&key, TEXT.as_bytes(), AesKeySize::Aes128, [0; 32]).unwrap();
    assert_eq!(sealed, Payload::new("plaintext", TEXT));
    assert_eq!(open_for_2048(&sealed), Err(OpenError::PlaintextRefused));

    let limits = OpenLimits { allow_plaintext: true, max_text_len: TEXT.len() };
    assert_eq!(open(&*RSA_2048, sealed.clone(), &limits, [0; 32]).unwrap().text, TEXT);
    let limits = OpenLimits { max_text_len: TEXT.len() - 1, ..limits };
    let error = OpenError::TooLong { len: TEXT.len() as u64, limit: TEXT.len() - 1 };
    assert_eq!(open(&*RSA_2048, sealed, &limits, [0; 32]), Err(error));
}

#[test]
fn metadata_that_is_absent_or_empty_is_told_apart() {
    assert_eq!(open_for_2048(&Payload::from_data("x")), Err(OpenError::NoMetadata));
    let error = UnwrapError { len: 0, expected: 256 };
    assert_eq!(open_for_2048(&Payload::new("", "x")), Err(OpenError::Unwrap(error)));
}

#[test]
fn a_payload_for_another_key_fails_in_unwrapping() {
    let other = pair(&scrape("PKCS8"));
    let sealed = seal(&peer(&other), TEXT.as_bytes(), AesKeySize::Aes128, [1; 32]).unwrap();
    let error = open_for_2048(&sealed).unwrap_err();
    assert_eq!(error, OpenError::Unwrap(UnwrapError { len: 256, expected: 256 }));
    let message = "unwrapping the AES key: 256 bytes are not a key wrapped under ours of 256 bytes";
    assert_eq!(error.to_string(), message);

    let sealed = seal(&peer(&RSA_3072), TEXT.as_bytes(), AesKeySize::Aes128, [1; 32]).unwrap();
    let error = UnwrapError { len: 384, expected: 256 };
    assert_eq!(open_for_2048(&sealed).unwrap_err(), OpenError::Unwrap(error));
}

#[test]
fn a_wrapped_key_that_is_not_one_of_aes_is_refused() {
    let public = RSA_2048.public_key();
    let public = <RsaPublicKey as ::rsa::pkcs8::DecodePublicKey>::from_public_key_der(&public);
    let oaep = Oaep::new_with_mgf_hash::<sha2::Sha256, sha1::Sha1>();
    let mut rng = rand_chacha::ChaCha20Rng::from_seed([0; 32]);
    let wrapped = public.unwrap().encrypt(&mut rng, oaep, &[0; 17]).unwrap();
    let error = open_for_2048(&Payload::new(wrapped, vec![0; 16])).unwrap_err();
    assert_eq!(error, OpenError::Unwrap(UnwrapError { len: 256, expected: 256 }));
}

#[test]
fn damaged_ciphertexts_fail_in_decrypting() {
    let sealed = seal(&peer(&RSA_2048), TEXT.as_bytes(), AesKeySize::Aes128, [1; 32]).unwrap();
    let len = sealed.data.len();
    for cut in [len, len - 1, len - 15] {
        let data = sealed.data.slice(..len - cut);
        let error = OpenError::Decrypt { len: len - cut };
        let payload = Payload { data, ..sealed.clone() };
        assert_eq!(open_for_2048(&payload).unwrap_err(), error, "{cut} bytes fewer");
    }
    let mut data = sealed.data.to_vec();
    data[len - 1] ^= 1;
    let error = open_for_2048(&Payload { data: data.into(), ..sealed.clone() }).unwrap_err();
    assert_eq!(error, OpenError::Decrypt { len });

    let data = sealed.data.slice(..len - 16);
    let error = open_for_2048(&Payload { data, ..sealed }).unwrap_err();
    assert_eq!(error, OpenError::Decrypt { len: len - 16 });
}

#[test]
fn padding_of_every_length_is_right_and_any_other_is_refused() {
    for size in AES_SIZES {
        let key = SecretKey::new(vec![1; size.bytes()]).unwrap();
        for len in 0..=33 {
            let data = encrypt(&key, &vec![b'x'; len]);
            assert_eq!(data.len(), (len / 16 + 1) * 16);
            // Sharing the buffer makes no difference.
            assert_eq!(decrypt(&key, data.clone()).unwrap(), vec![b'x'; len]);
            assert_eq!(decrypt(&key, data).unwrap(), vec![b'x'; len]);
        }
        // A block of zeros is padded with a block of sixteens; without that, its last byte is not valid padding.
        let zeros = encrypt(&key, &[0; 16]).slice(..16);
        assert_eq!(decrypt(&key, zeros), Err(OpenError::Decrypt { len: 16 }));
    }
    for len in [0, 15, 17, 23, 25, 31, 33] {
        let error = SecretKey::new(vec![1; len]).unwrap_err();
        assert_eq!(error, OpenError::KeySize { len });
    }
}

#[test]
fn a_block_is_believed_only_within_the_limit_and_its_own_size() {
    let opened = |block: &[u8], max_text_len| {
        let limits = OpenLimits { max_text_len, allow_plaintext: false };
        open(&*RSA_2048, around_block(block), &limits, [0; 32]).unwrap_err()
    };
    let four_gib = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, b'x'];
    let error = OpenError::TooLong { len: 0xffff_ffff, limit: 64 << 20 };
    assert_eq!(opened(&four_gib, 64 << 20), error);
    assert!(matches!(opened(&four_gib, usize::MAX), OpenError::Expand { len: 7, .. }));
    // It announces 129 bytes of text, one more than 6 bytes can hold.
    let error = opened(&[0x81, 0x01, 0x00, b'x', 0xfe, 0x01], 64 << 20);
    assert!(matches!(&error, OpenError::Expand { len: 6, reason } if reason.contains("129")));

    let block = compress(TEXT.as_bytes());
    assert_eq!(expand(&block, TEXT.len()).unwrap(), TEXT);
    let error = OpenError::TooLong { len: TEXT.len() as u64, limit: TEXT.len() - 1 };
    assert_eq!(expand(&block, TEXT.len() - 1), Err(error));
}

#[test]
fn a_block_that_is_kept_takes_no_more_memory_than_its_bytes() {
    let block = compress(TEXT.repeat(1000).as_bytes());
    let len = block.len();
    assert_eq!(block.try_into_mut().unwrap().capacity(), len);
}

#[test]
fn the_densest_block_that_there_can_be_expands() {
    // One literal, then copies of 64 bytes with an offset of 1, in 3 bytes each.
    let copies = 100_000;
    let len = copies * 64 + 1;
    let varint = [0, 7, 14, 21].map(|shift| (len >> shift & 0x7f) as u8 | 0x80);
    let mut block = [&varint[..], &[0x00, 0x00, b'x']].concat();
    block.extend([0xfe, 0x01, 0x00].repeat(copies));
    assert_eq!(expand(&block, usize::MAX).unwrap(), "x".repeat(len));
}

#[test]
fn what_is_no_snappy_block_fails_in_expanding() {
    let reason = |block: &[u8]| match open_for_2048(&around_block(block)) {
        Err(OpenError::Expand { len, reason }) => {
            assert_eq!(len, block.len());
            reason
        }
        other => panic!("{other:?}"),
    };
    assert!(!reason(b"").is_empty());
    assert!(!reason(&[0xff; 6]).is_empty());
    assert!(!reason(&[5, 0, b'x']).is_empty(), "shorter than announced");
    assert!(!reason(&[1, 4, b'x', b'y']).is_empty(), "longer than announced");
    assert!(!reason(&[8, 0, b'x', 0x0d, 0x05]).is_empty(), "a copy from before the start");
}

#[test]
fn text_that_is_not_utf8_is_opened_all_the_same() {
    let sealed = seal(&peer(&RSA_2048), b"abc\xffdef", AesKeySize::Aes128, [1; 32]).unwrap();
    assert_eq!(open_for_2048(&sealed).unwrap().text, &b"abc\xffdef"[..]);
}

#[test]
fn a_payload_that_nobody_else_holds_is_decrypted_in_place() {
    let sealed = seal(&peer(&RSA_2048), TEXT.as_bytes(), AesKeySize::Aes128, [1; 32]).unwrap();
    let metadata = sealed.metadata.unwrap();
    let mut frame = BytesMut::new();
    frame.extend_from_slice(&metadata);
    frame.extend_from_slice(&sealed.data);
    let mut frame = frame.freeze();
    let metadata = frame.split_to(metadata.len());
    let at = frame.as_ptr();
    let payload = Payload { metadata: Some(metadata), data: frame };
    let opened = open(&*RSA_2048, payload, &OpenLimits::default(), [9; 32]).unwrap();
    let block = opened.block.unwrap();
    assert_eq!((block.as_ptr(), expand(&block, 1 << 20).unwrap()), (at, opened.text));
}

/// A well-formed public key whose modulus has this many bits.
fn spki(bits: usize, exponent: u32) -> Vec<u8> {
    let modulus = (BigUint::from(1_u8) << (bits - 1)) + 1_u8;
    let key = RsaPublicKey::new_unchecked(modulus, BigUint::from(exponent));
    key.to_public_key_der().unwrap().into_vec()
}

#[test]
fn keys_are_taken_within_the_bounds_only() {
    for bits in [1024, 1025, 2047, 2048, 3072, 8191, 8192] {
        let key = PeerKey::parse(&spki(bits, 65537)).unwrap();
        let sealed = seal(&key, b"", AesKeySize::Aes256, [0; 32]).unwrap();
        assert_eq!(sealed.metadata.unwrap().len(), bits.div_ceil(8));
    }
    for bits in [512, 1023, 8193, 16384] {
        assert_eq!(PeerKey::parse(&spki(bits, 65537)).unwrap_err(), KeyError::Size { bits });
    }
    for exponent in [0, 1, 2, 65536] {
        let error = PeerKey::parse(&spki(2048, exponent)).unwrap_err();
        assert!(matches!(error, KeyError::Malformed { .. }), "{exponent}: {error:?}");
    }
}

#[test]
fn what_is_no_rsa_key_is_refused_with_the_reason() {
    let p256 = hex(concat!(
        "3059301306072a8648ce3d020106082a8648ce3d030107034200040139e4f360c239dbd7088b83cbea70fe95b8",
        "30252d0a9cf9e6a1b7d2d34caef0149aaf47029142f6108840a48a61909fa940928e8d4b582e2bec252f85e3adfe"
    ));
    let error = PeerKey::parse(&p256).unwrap_err();
    assert_eq!(error, KeyError::NotRsa { oid: "1.2.840.10045.2.1".to_owned() });

    let public = RSA_2048.public_key();
    let mut longer = public.to_vec();
    longer.push(0);
    for data in [
        &b""[..],
        b"plain",
        b"plaintext ",
        &public[..293],
        &longer,
        &scrape("PKCS8"),
        &vec![0x30; 5000],
    ] {
        let error = PeerKey::parse(data).unwrap_err();
        assert!(matches!(error, KeyError::Malformed { len, .. } if len == data.len()), "{error:?}");
    }
    let error = RsaKeyPair::from_pkcs8_der(&public).unwrap_err();
    assert!(matches!(error, KeyError::Malformed { len: 294, .. }), "{error:?}");
    for bits in [0, 1024, 2047, 8192] {
        assert_eq!(RsaKeyPair::generate(bits, [0; 32]).unwrap_err(), KeyError::Size { bits });
    }
}

#[test]
fn debug_shows_no_secrets() {
    let secret = SecretKey::new(vec![0xab; 24]).unwrap();
    assert_eq!(format!("{secret:?}"), "SecretKey(192 bits)");
    assert_eq!(format!("{:?}", *RSA_2048), "RsaKeyPair(2048 bits)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_comes_back(text in ".*", aes in 0..3_usize, seed: [u8; 32]) {
        let sealed = seal(&peer(&RSA_2048), text.as_bytes(), AES_SIZES[aes], seed).unwrap();
        let opened = open_for_2048(&sealed).unwrap();
        prop_assert_eq!(opened.text, text);
    }

    #[test]
    fn any_damage_is_survived(
        at in any::<prop::sample::Index>(), bit in 0..8_u8, in_metadata: bool,
    ) {
        let mut sealed = seal(&peer(&RSA_2048), TEXT.as_bytes(), AesKeySize::Aes128, [1; 32]).unwrap();
        let part = if in_metadata { sealed.metadata.take().unwrap() } else { sealed.data.clone() };
        let mut part = part.to_vec();
        let at = at.index(part.len());
        part[at] ^= 1 << bit;
        if in_metadata {
            sealed.metadata = Some(part.into());
            let error = OpenError::Unwrap(UnwrapError { len: 256, expected: 256 });
            prop_assert_eq!(open_for_2048(&sealed).unwrap_err(), error);
        } else {
            // Without integrity, damage may go unnoticed; it must do nothing worse.
            sealed.data = part.into();
            let _ = open_for_2048(&sealed);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        metadata in prop::option::of(prop::collection::vec(any::<u8>(), 0..300)),
        wrapped in prop::collection::vec(any::<u8>(), 256),
        data in prop::collection::vec(any::<u8>(), 0..200),
        key in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let payload = Payload { metadata: metadata.map(Bytes::from), data: data.clone().into() };
        prop_assert!(open_for_2048(&payload).is_err());
        prop_assert!(open_for_2048(&Payload::new(wrapped, data.clone())).is_err());
        let _ = PeerKey::parse(&data);
        let _ = RsaKeyPair::from_pkcs8_der(&data);
        if let Ok(key) = SecretKey::new(key) {
            let _ = decrypt(&key, data.clone().into());
        }
        let text = expand(&data, 1000);
        prop_assert!(text.is_err() || text.unwrap().len() <= 1000);
    }

    #[test]
    fn damaged_keys_never_panic(at in any::<prop::sample::Index>(), byte: u8) {
        let mut der = RSA_2048.public_key().to_vec();
        let index = at.index(der.len());
        der[index] = byte;
        if let Ok(key) = PeerKey::parse(&der) {
            let _ = seal(&key, TEXT.as_bytes(), AesKeySize::Aes128, [0; 32]);
        }
    }
}
