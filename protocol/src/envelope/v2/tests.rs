use super::*;
use crate::Payload;
use crate::envelope::{KeyUnwrap, OpenError, PeerKey, RsaKeyPair, expand};
use bytes::{Bytes, BytesMut};
use prometheus_rsocket_testkit::vectors::{self, rows, unhex};
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};

static KEYS: LazyLock<RsaKeyPair> =
    LazyLock::new(|| RsaKeyPair::from_pkcs8_der(vectors::RSA2048).unwrap());

const BINDING: Binding = Binding([0x22; 16]);
const ID: KeyId = KeyId([0x11; 16]);
const LIMIT: usize = 1 << 20;

/// The rows of one kind in the vectors made by Python, without the kind.
fn vectors_of(kind: &str) -> impl Iterator<Item = Vec<&'static str>> {
    let of_kind = move |row: &Vec<&str>| row[0] == kind;
    rows(vectors::ENVELOPE_2).filter(of_kind).map(|row| row[1..].to_vec())
}

fn sealed_row(row: &[&str]) -> Payload {
    Payload::new(unhex(row[3]), unhex(row[4]))
}

fn expected(is_push: bool, known: Vec<Arc<KnownKey>>) -> Expected {
    Expected { binding: BINDING, is_push, known }
}

fn open_as(payload: &Payload, expected: &Expected) -> Result<Opened, OpenError> {
    open(&*KEYS, payload.clone(), expected, [9; 32])
}

/// The content key of the vectors, attached to the first of them.
fn known() -> Arc<KnownKey> {
    let row = vectors_of("seal").next().unwrap();
    open_as(&sealed_row(&row), &expected(false, Vec::new())).unwrap().key
}

fn content_key(seed: u8) -> ContentKey {
    let proxy = PeerKey::parse(&KEYS.public_key()).unwrap();
    ContentKey::generate(&proxy, [seed; 32]).unwrap()
}

fn message(text: &[u8], purpose: Purpose) -> Message<'_> {
    Message { text, purpose, binding: BINDING, counter: 7, attach_key: true }
}

#[test]
fn offers_of_python_are_read_and_other_versions_are_skipped() {
    let offers: Vec<_> = vectors_of("offer").collect();
    assert_eq!(offers.len(), 2);
    for row in offers {
        let known = (!row[2].is_empty()).then_some(ID);
        assert_eq!(unhex(row[1]), BINDING.0.as_slice());
        let offer = Offer { binding: BINDING, known };
        assert_eq!(Offer::decode(unhex(row[0])).unwrap(), Some(offer));
        assert_eq!(Offer::decode(offer.encode()).unwrap(), Some(offer));
    }
}

#[test]
fn what_python_sealed_is_opened_or_refused_for_the_right_reason() {
    let known = known();
    let (mut good, mut bad) = (0, 0);
    for row in vectors_of("seal") {
        let known = if row[2] == "1" { vec![Arc::clone(&known)] } else { Vec::new() };
        let is_push = row[1] == "1";
        match open_as(&sealed_row(&row), &expected(is_push, known)) {
            Ok(opened) => {
                assert_eq!(row[0], "ok", "{row:?}");
                let text = unhex(row[5]);
                assert_eq!(expand(&opened.block, LIMIT).unwrap(), text);
                assert_eq!(opened.format, crate::exposition::source_format(&text));
                assert_eq!((opened.was_known, opened.key.id()), (row[2] == "1", ID));
                let push = Purpose::Push(IdempotencyKey([0x44; 16]));
                assert_eq!(opened.purpose, if is_push { push } else { Purpose::Scrape });
                good += 1;
            }
            Err(error) => {
                assert_eq!(error.reason(), row[0], "{row:?}");
                bad += 1;
            }
        }
    }
    assert_eq!((good, bad), (9, 24));
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    for row in vectors_of("seal").filter(|row| row[0] == "ok") {
        let expected = expected(row[1] == "1", vec![known()]);
        let whole = sealed_row(&row);
        open_as(&whole, &expected).unwrap();
        let (metadata, data) = (whole.metadata.unwrap(), whole.data);
        let refused = |metadata: &[u8], data: &[u8]| {
            let payload =
                Payload::new(Bytes::copy_from_slice(metadata), Bytes::copy_from_slice(data));
            let error = open_as(&payload, &expected).expect_err("it was changed");
            assert!(OpenError::REASONS.contains(&error.reason()));
        };
        for (part, other) in [(&metadata, &data), (&data, &metadata)] {
            let is_metadata = std::ptr::eq(part, &raw const metadata);
            let changed = |changed: &[u8]| match is_metadata {
                true => refused(changed, other),
                false => refused(other, changed),
            };
            for bit in 0..part.len() * 8 {
                let mut flipped = BytesMut::from(&part[..]);
                flipped[bit / 8] ^= 1 << (bit % 8);
                changed(&flipped);
            }
            (0..part.len()).for_each(|len| changed(&part[..len]));
        }
        refused(&metadata, &[&data[..], b"\0"].concat());
    }
}

/// If the key is not known, RSA detects a damaged wrap; continuing with a random key reveals nothing else.
#[test]
fn a_damaged_wrap_is_refused_for_the_key_whatever_is_damaged() {
    let payload = seal(&content_key(5), &message(b"up 1\n", Purpose::Scrape)).unwrap();
    let (metadata, data) = (payload.metadata.unwrap(), payload.data);
    let wrapped = metadata.len() - 256;
    for bit in (0..256 * 8).step_by(61) {
        let mut damaged = BytesMut::from(&metadata[..]);
        damaged[wrapped + bit / 8] ^= 1 << (bit % 8);
        let payload = Payload::new(damaged.freeze(), data.clone());
        let error = open_as(&payload, &expected(false, Vec::new())).unwrap_err();
        assert_eq!(error.reason(), "key", "bit {bit}");
    }
}

#[test]
fn nothing_is_moved_to_another_binding_purpose_or_key() {
    let (one, two) = (content_key(1), content_key(2));
    let scrape = seal(&one, &message(b"up 1\n", Purpose::Scrape)).unwrap();
    let push =
        seal(&one, &message(b"up 1\n", Purpose::Push(IdempotencyKey::new([5; 16])))).unwrap();
    let of_two = seal(&two, &message(b"up 1\n", Purpose::Scrape)).unwrap();
    let reason = |payload: &Payload, expected: &Expected| {
        open_as(payload, expected).map_err(|error| error.reason()).err()
    };
    assert_eq!(reason(&scrape, &expected(false, Vec::new())), None);
    assert_eq!(reason(&push, &expected(true, Vec::new())), None);
    assert_eq!(reason(&scrape, &expected(true, Vec::new())), Some("tampered"));
    assert_eq!(reason(&push, &expected(false, Vec::new())), Some("tampered"));
    let mut elsewhere = expected(false, Vec::new());
    elsewhere.binding = Binding::new([3; 16]);
    assert_eq!(reason(&scrape, &elsewhere), Some("tampered"));
    let swapped = Payload::new(scrape.metadata.unwrap(), of_two.data);
    assert_eq!(reason(&swapped, &expected(false, Vec::new())), Some("tampered"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_comes_back(text in prop::collection::vec(any::<u8>(), 0..2000), is_push: bool) {
        static KEY: LazyLock<ContentKey> = LazyLock::new(|| content_key(4));
        let push = Purpose::Push(IdempotencyKey::new([6; 16]));
        let purpose = if is_push { push } else { Purpose::Scrape };
        let payload = seal(&KEY, &message(&text, purpose)).unwrap();
        let opened = open_as(&payload, &expected(is_push, Vec::new())).unwrap();
        prop_assert_eq!((opened.purpose, opened.counter), (purpose, 7));
        prop_assert_eq!(&expand(&opened.block, LIMIT).unwrap()[..], &text[..]);
    }

    #[test]
    fn no_bytes_make_it_panic(content in prop::collection::vec(any::<u8>(), 0..200), is_push: bool) {
        for mime in [OFFER_MIME, SEAL_MIME] {
            let mut metadata = BytesMut::new();
            crate::fields::put_entry(&mut metadata, mime, content.clone().into());
            for metadata in [metadata.freeze(), content.clone().into()] {
                let _ = Offer::decode(metadata.clone());
                let payload = Payload::new(metadata, Bytes::from(content.clone()));
                let opened = open_as(&payload, &expected(is_push, Vec::new()));
                prop_assert!(opened.is_err());
            }
        }
    }
}
