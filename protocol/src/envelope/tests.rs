use super::*;
use crate::Payload;
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::LazyLock;

/// A field of the scrape that a JDK sealed.
fn vector(name: &str) -> Bytes {
    let file = include_str!("../../tests/vectors/scrape.tsv");
    let hex = file
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'))
        .unwrap_or_else(|| panic!("no {name} in scrape.tsv"));
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect::<Vec<u8>>().into()
}

static KEYS: LazyLock<RsaKeyPair> =
    LazyLock::new(|| RsaKeyPair::from_pkcs8_der(&vector("PKCS8")).unwrap());
static OTHER_KEYS: LazyLock<RsaKeyPair> =
    LazyLock::new(|| RsaKeyPair::generate(2048, [3; 32]).unwrap());

fn peer_key() -> PeerKey {
    PeerKey::parse(&KEYS.public_key()).unwrap()
}

fn open_by_default(payload: &Payload) -> Result<Opened, OpenError> {
    open(&*KEYS, payload, &OpenLimits::default(), [1; 32])
}

#[test]
fn a_scrape_sealed_by_a_jdk_opens_step_by_step() {
    let key = KEYS.unwrap_key(&vector("METADATA_RSA_OAEP_SHA256_MGF1SHA1"), [1; 32]).unwrap();
    assert_eq!(key.expose(), vector("AES_KEY"));
    let block = decrypt(&key, vector("DATA_AES_ECB_PKCS5")).unwrap();
    assert_eq!(block, vector("SNAPPY_RAW_BLOCK"));
    assert_eq!(expand(&block, 4096).unwrap(), vector("PLAIN_UTF8"));
    assert_eq!(encrypt(&key, &block), vector("DATA_AES_ECB_PKCS5"));
    assert_eq!(KEYS.public_key(), vector("SPKI"));
    assert_eq!(compress(b""), vector("SNAPPY_OF_EMPTY"));
}

#[test]
fn a_frame_sealed_by_a_jdk_opens_whole() {
    let frame = crate::frame::Frame::decode(vector("PAYLOAD_FRAME_SID4")).unwrap();
    let crate::frame::Body::Payload { payload, .. } = frame.body else { panic!("a PAYLOAD frame") };
    assert_eq!(open_by_default(&payload).unwrap().text, vector("PLAIN_UTF8"));
}

#[test]
fn every_size_of_key_round_trips() {
    let large = [
        &include_bytes!("../../tests/vectors/rsa3072.pkcs8.der")[..],
        &include_bytes!("../../tests/vectors/rsa4096.pkcs8.der")[..],
    ];
    let large = large.map(|der| RsaKeyPair::from_pkcs8_der(der).unwrap());
    for keys in [&*KEYS, &large[0], &large[1]] {
        let peer = PeerKey::parse(&keys.public_key()).unwrap();
        for size in [AesKeySize::Aes128, AesKeySize::Aes192, AesKeySize::Aes256] {
            let payload = seal(&peer, "µ 1\n".as_bytes(), size, [2; 32]).unwrap();
            let opened = open(keys, &payload, &OpenLimits::default(), [1; 32]).unwrap();
            assert_eq!(opened.text, "µ 1\n");
            let wrapped = payload.metadata.unwrap();
            assert_eq!(keys.unwrap_key(&wrapped, [1; 32]).unwrap().expose().len(), size.bytes());
        }
    }
}

#[test]
fn an_empty_text_is_sealed_like_any_other() {
    let payload = seal(&peer_key(), b"", AesKeySize::default(), [2; 32]).unwrap();
    assert_eq!(payload.data.len(), 16);
    assert_eq!(open_by_default(&payload).unwrap().text, "");
}

#[test]
fn the_seed_alone_decides_the_bytes() {
    let seal = |seed| seal(&peer_key(), b"a 1\n", AesKeySize::default(), [seed; 32]).unwrap();
    assert_eq!(seal(2), seal(2));
    assert_ne!(seal(2).data, seal(3).data);
    assert_ne!(seal(2).metadata, seal(3).metadata);
}

#[test]
fn plaintext_is_opened_only_where_it_is_allowed() {
    let key = PeerKey::parse(b"plaintext").unwrap();
    assert!(key.is_plaintext());
    let payload = seal(&key, b"a 1\n", AesKeySize::default(), [2; 32]).unwrap();
    assert_eq!(payload, Payload::new(&b"plaintext"[..], &b"a 1\n"[..]));
    assert_eq!(open_by_default(&payload), Err(OpenError::PlaintextRefused));
    let limits = OpenLimits { allow_plaintext: true, max_text_len: 4 };
    assert_eq!(open(&*KEYS, &payload, &limits, [1; 32]).unwrap().text, "a 1\n");
    let limits = OpenLimits { max_text_len: 3, ..limits };
    let error = open(&*KEYS, &payload, &limits, [1; 32]).unwrap_err();
    assert_eq!(error, OpenError::TooLong { len: 4, limit: 3 });
}

#[test]
fn another_key_fails_at_unwrapping() {
    let peer = PeerKey::parse(&OTHER_KEYS.public_key()).unwrap();
    let payload = seal(&peer, b"a 1\n", AesKeySize::default(), [2; 32]).unwrap();
    let error = open_by_default(&payload).unwrap_err();
    assert_eq!(error, OpenError::Unwrap(UnwrapError { len: 256, expected: 256 }));
}

#[test]
fn mask_generation_by_sha_256_is_another_padding() {
    use ::rsa::pkcs8::DecodePublicKey;
    use rand_chacha::rand_core::SeedableRng;
    let public = ::rsa::RsaPublicKey::from_public_key_der(&KEYS.public_key()).unwrap();
    let mut random = rand_chacha::ChaCha20Rng::from_seed([5; 32]);
    let padding = ::rsa::Oaep::new::<sha2::Sha256>();
    let wrapped = public.encrypt(&mut random, padding, &[9; 16]).unwrap();
    assert!(KEYS.unwrap_key(&wrapped, [1; 32]).is_err());
}

#[test]
fn every_broken_part_is_named() {
    let sealed = seal(&peer_key(), b"a 1\n", AesKeySize::default(), [2; 32]).unwrap();
    let key = KEYS.unwrap_key(sealed.metadata.as_ref().unwrap(), [1; 32]).unwrap();
    let with = |data: Bytes| Payload { data, ..sealed.clone() };
    let inside = |block: &[u8]| with(encrypt(&key, block));

    let bare = Payload::from_data(sealed.data.clone());
    assert_eq!(open_by_default(&bare), Err(OpenError::NoMetadata));
    for metadata in [vec![], vec![0; 16], vec![0; 256], vec![255; 256], vec![1; 4096]] {
        let payload = Payload { metadata: Some(metadata.into()), ..sealed.clone() };
        assert!(matches!(open_by_default(&payload), Err(OpenError::Unwrap(_))));
    }
    let decrypt_error = |len| Err(OpenError::Decrypt { len });
    assert_eq!(open_by_default(&with(Bytes::new())), decrypt_error(0));
    assert_eq!(open_by_default(&with(sealed.data.slice(..15))), decrypt_error(15));
    assert_eq!(open_by_default(&with(vec![0; 32].into())), decrypt_error(32));
    assert!(matches!(open_by_default(&inside(&[])), Err(OpenError::Expand { len: 0, .. })));
    assert!(matches!(open_by_default(&inside(&[4, 0xff])), Err(OpenError::Expand { len: 2, .. })));
    let not_utf8 = open_by_default(&inside(&compress(b"a 1\n\xff"))).unwrap_err();
    assert!(matches!(not_utf8, OpenError::NotUtf8(error) if error.valid_up_to() == 4));
}

#[test]
fn an_announced_length_is_believed_only_within_bounds() {
    let four_gib = [0xff, 0xff, 0xff, 0xff, 0x0f, 0];
    let error = expand(&four_gib, 1 << 20).unwrap_err();
    assert_eq!(error, OpenError::TooLong { len: u64::from(u32::MAX), limit: 1 << 20 });
    // Within the limit, but more than six bytes can hold.
    let error = expand(&[0x80, 0x80, 0x40, 0, 0, 0], 1 << 20).unwrap_err();
    assert!(matches!(error, OpenError::Expand { len: 6, .. }), "{error}");
    let longest = vec![b'a'; 4096];
    assert_eq!(expand(&compress(&longest), 4096).unwrap(), longest);
    let error = expand(&compress(&longest), 4095).unwrap_err();
    assert_eq!(error, OpenError::TooLong { len: 4096, limit: 4095 });
}

#[test]
fn keys_that_are_none_are_refused_with_the_reason() {
    for key in [&b""[..], b"plaintex", &[0x30, 0x82], &vec![0x30; 5000]] {
        let error = PeerKey::parse(key).unwrap_err();
        assert!(matches!(&error, KeyError::Malformed { len, .. } if *len == key.len()), "{error}");
    }
    assert_eq!(RsaKeyPair::generate(1024, [0; 32]).unwrap_err(), KeyError::Size { bits: 1024 });
    assert!(RsaKeyPair::from_pkcs8_der(b"no key").is_err());
}

#[test]
fn nothing_secret_is_shown() {
    let shown = format!("{:?} {:?}", SecretKey::new(vec![0xab; 16]).unwrap(), *KEYS);
    assert_eq!(shown, "SecretKey(128 bits) RsaKeyPair(2048 bits)");
}

/// What OpenSSL sealed by
/// `openssl pkeyutl -encrypt -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha1`.
#[test]
fn a_key_wrapped_by_openssl_is_unwrapped() {
    let wrapped = include_bytes!("../../tests/vectors/openssl_oaep.bin");
    let key = KEYS.unwrap_key(wrapped, [1; 32]).unwrap();
    assert_eq!(key.expose(), b"sixteen byte key");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_text_comes_out_as_it_went_in(text in "\\PC{0,2000}", seed in any::<[u8; 32]>()) {
        let payload = seal(&peer_key(), text.as_bytes(), AesKeySize::Aes256, seed).unwrap();
        prop_assert_eq!(open_by_default(&payload).unwrap().text, text);
    }

    #[test]
    fn no_payload_panics(metadata in any::<Option<Vec<u8>>>(), data in any::<Vec<u8>>()) {
        let payload = Payload { metadata: metadata.map(Bytes::from), data: data.into() };
        prop_assert!(open_by_default(&payload).is_err());
    }
}

proptest! {
    #[test]
    fn no_block_panics_or_exceeds_the_limit(block in any::<Vec<u8>>(), limit in 0_usize..5000) {
        if let Ok(text) = expand(&block, limit) {
            prop_assert!(text.len() <= limit);
        }
    }

    #[test]
    fn no_sealed_data_panics(data in any::<Vec<u8>>()) {
        let key = SecretKey::new(vec![7; 24]).unwrap();
        let _ = decrypt(&key, data.into());
    }
}
