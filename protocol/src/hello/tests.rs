use super::{Hello, HelloError};
use crate::fields::FieldError;
use crate::labels::Labels;
use crate::rsocket::Payload;
use crate::rsocket::frame::Setup;
use crate::rsocket::metadata::MimeId;
use bytes::Bytes;

fn setup(metadata: impl Into<Bytes>) -> Setup {
    Setup {
        metadata_mime: MimeId::COMPOSITE_METADATA.name().unwrap().as_bytes().into(),
        payload: Payload::new(metadata, ""),
        ..Setup::default()
    }
}

/// Composite metadata with one hello entry of this content.
fn entry(content: &[u8]) -> Bytes {
    let mut bytes = vec![super::MIME.len() as u8 - 1];
    bytes.extend_from_slice(super::MIME.as_bytes());
    bytes.extend_from_slice(&(content.len() as u32).to_be_bytes()[1..]);
    bytes.extend_from_slice(content);
    bytes.into()
}

#[test]
fn a_hello_is_read_as_it_was_written() {
    let labels = Labels::new([("instance", "a1"), ("zone", "é")]).unwrap();
    let mut hello = Hello::new(labels, "orders/1.4.2");
    assert_eq!(Hello::of_setup(&setup(hello.encode())), Ok(hello.clone()));
    hello.openmetrics = true;
    hello.seals_v2 = true;
    assert_eq!(Hello::of_setup(&setup(hello.encode())), Ok(hello));
}

#[test]
fn the_bytes_are_those_of_the_documentation() {
    let hello = Hello::new(Labels::new([("a", "xy")]).unwrap(), "p");
    let expected = [3, 0, 4, 1, b'a', b'x', b'y', 4, 0, 1, b'p', 5, 0, 0];
    assert_eq!(hello.encode(), entry(&expected));
}

#[test]
fn who_says_nothing_has_the_default_hello() {
    assert_eq!(Hello::of_setup(&Setup::default()), Ok(Hello::default()));
    assert_eq!(Hello::of_setup(&setup("")), Ok(Hello::default()));
    assert_eq!(Hello::of_setup(&setup("no composite metadata")), Ok(Hello::default()));
    let other = Setup { payload: Payload::new(entry(&[9]), ""), ..Setup::default() };
    assert_eq!(Hello::of_setup(&other), Ok(Hello::default()), "another MIME type");
}

#[test]
fn unknown_fields_are_skipped() {
    let hello = Hello::of_setup(&setup(entry(&[200, 0, 1, 7, 4, 0, 1, b'p']))).unwrap();
    assert_eq!(hello.program, "p");
}

#[test]
fn what_makes_no_sense_fails() {
    let of = |content: &[u8]| Hello::of_setup(&setup(entry(content))).unwrap_err();
    assert_eq!(of(&[1, 0]), FieldError::Truncated { at: 0 }.into());
    assert_eq!(of(&[5, 0, 0, 4, 0, 2, b'p']), FieldError::Truncated { at: 3 }.into());
    assert_eq!(of(&[5, 0, 1, 1]), FieldError::Field { id: 5, at: 0 }.into());
    assert_eq!(of(&[4, 0, 1, 0xff]), FieldError::Field { id: 4, at: 0 }.into());
    assert_eq!(of(&[3, 0, 2, 9, b'a']), FieldError::Field { id: 3, at: 0 }.into());
    assert!(matches!(of(&[3, 0, 3, 1, b'-', b'x']), HelloError::Labels(_)));
    assert_eq!(of(&vec![0; 8193]), FieldError::TooLong { len: 8193 }.into());
}

#[test]
fn a_long_program_is_cut() {
    let hello = Hello::new(Labels::default(), "é".repeat(100));
    assert_eq!(Hello::of_setup(&setup(hello.encode())).unwrap().program, "é".repeat(64));
}
