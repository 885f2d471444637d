//! Version 2 of the envelope: offers, and what was sealed.

use crate::input::Input;
use crate::targets::envelope::Bare;
use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::envelope::v2::{
    self, Binding, ContentKey, Expected, IdempotencyKey, KnownKey, Message, Offer, Purpose,
};
use prometheus_rsocket_protocol::envelope::{PeerKey, RsaKeyPair, expand};
use prometheus_rsocket_protocol::rsocket::metadata::{Entry, MimeType};
use prometheus_rsocket_testkit::vectors::{RSA2048, RSA2048_PUBLIC};
use std::sync::{Arc, LazyLock};

/// An offer that can be read is the same when it is written and read again. Of what was sealed, nothing is opened that was changed in any bit, or
/// is for something else; any bytes at all are opened or refused.
pub fn sealed(data: &[u8]) {
    let mut input = Input::new(data);
    match input.below(4) {
        0 => offer(Bytes::copy_from_slice(input.rest())),
        1 => offer(entry(v2::OFFER_MIME, Bytes::copy_from_slice(input.rest()))),
        2 => any_bytes(&mut input),
        _ => changed(&mut input),
    }
}

fn offer(metadata: Bytes) {
    if let Ok(Some(offer)) = Offer::decode(metadata) {
        assert_eq!(Offer::decode(offer.encode()), Ok(Some(offer)));
    }
}

fn any_bytes(input: &mut Input<'_>) {
    let expected = expected(input.flag(), input.flag());
    let content = input.owned();
    let metadata = if input.flag() { content } else { entry(v2::SEAL_MIME, content) };
    let payload = Payload::new(metadata, Bytes::copy_from_slice(input.rest()));
    assert!(v2::open(&Bare, payload, &expected, [1; 32]).is_err(), "nobody has sealed this");
}

/// Seals, changes, and opens.
fn changed(input: &mut Input<'_>) {
    let (is_push, attach_key, is_known) = (input.flag(), input.flag(), input.flag());
    let purpose = match is_push {
        true => Purpose::Push(IdempotencyKey::new([input.byte(); 16])),
        false => Purpose::Scrape,
    };
    let counter = u64::from(input.byte());
    let (change, at, bit) = (input.below(6), input.below(1 << 10), input.below(8));
    let text = input.rest();
    let message = Message { text, purpose, binding: BINDING, counter, attach_key };
    let sealed = v2::seal(&CONTENT.0, &message).expect("a short text");
    let mut expected = expected(is_push, is_known);
    let (mut metadata, mut data) =
        (BytesMut::from(&*sealed.metadata.expect("a seal")), BytesMut::from(&*sealed.data));
    let has_key = attach_key || is_known;
    match change {
        0 => {
            let payload = Payload::new(metadata.freeze(), data.freeze());
            let opened = v2::open(keys(), payload, &expected, [1; 32]);
            assert_eq!(opened.is_ok(), has_key, "it is as it was sealed");
            let Ok(opened) = opened else { return };
            assert_eq!((opened.purpose, opened.counter), (purpose, counter));
            assert_eq!(expand(&opened.block, 1 << 20).expect("our own block"), text);
            return;
        }
        1 => flip(&mut metadata, at, bit),
        2 => flip(&mut data, at, bit),
        3 => data.truncate(at % data.len()),
        4 => expected.is_push = !is_push,
        _ => expected.binding = Binding::new([8; 16]),
    }
    let payload = Payload::new(metadata.freeze(), data.freeze());
    assert!(v2::open(keys(), payload, &expected, [1; 32]).is_err(), "change {change} at {at}");
}

fn flip(bytes: &mut BytesMut, at: usize, bit: usize) {
    let at = at % bytes.len();
    bytes[at] ^= 1 << bit;
}

fn expected(is_push: bool, is_known: bool) -> Expected {
    let known = if is_known { vec![Arc::clone(&CONTENT.1)] } else { Vec::new() };
    Expected { binding: BINDING, is_push, known }
}

fn entry(mime: &'static str, content: Bytes) -> Bytes {
    let mut metadata = BytesMut::new();
    let mime = MimeType::named(mime).expect("an ASCII name");
    Entry::new(mime, content).encode(&mut metadata).expect("a short entry");
    metadata.freeze()
}

fn keys() -> &'static RsaKeyPair {
    static KEYS: LazyLock<RsaKeyPair> =
        LazyLock::new(|| RsaKeyPair::from_pkcs8_der(RSA2048).expect("a good key"));
    &KEYS
}

/// A content key, as who seals and who opens have it.
static CONTENT: LazyLock<(ContentKey, Arc<KnownKey>)> = LazyLock::new(|| {
    let key = PeerKey::parse(RSA2048_PUBLIC).expect("a good key");
    let content = ContentKey::generate(&key, [6; 32]).expect("a key to wrap under");
    let (text, purpose, binding) = (&b"a 1\n"[..], Purpose::Scrape, BINDING);
    let message = Message { text, purpose, binding, counter: 0, attach_key: true };
    let sealed = v2::seal(&content, &message).expect("a short text");
    let expected = Expected { binding: BINDING, is_push: false, known: Vec::new() };
    let known = v2::open(keys(), sealed, &expected, [1; 32]).expect("what was sealed").key;
    (content, known)
});

const BINDING: Binding = Binding::new([7; 16]);
