//! Golden vectors: bytes that other implementations made, and what they mean. The files are in `testkit/vectors`.

use bytes::Bytes;

/// Frames of other RSocket implementations: source, hex, meaning.
pub const FRAMES: &str = include_str!("../vectors/frames.tsv");
/// Metadata of the extensions, by rsocket-java and rsocket-composite-metadata: source, kind, hex, meaning.
pub const METADATA: &str = include_str!("../vectors/metadata.tsv");
/// The well-known MIME types.
pub const MIME_TYPES: &str = include_str!("../vectors/mime_types.tsv");
/// One scrape that a JDK sealed, step by step: name, hex.
pub const SCRAPE: &str = include_str!("../vectors/scrape.tsv");
/// Payloads sealed for the key [`RSA2048`]: metadata, data.
pub const SEALED: &str = include_str!("../vectors/sealed.tsv");
/// Version 2 of the envelope, by Python: offers, and what is sealed for the key [`RSA2048`] under a fixed content key.
pub const ENVELOPE_2: &str = include_str!("../vectors/envelope-2.tsv");
/// AES keys that OpenSSL wrapped.
pub const OPENSSL: &str = include_str!("../vectors/openssl.tsv");
/// A private key of 2,048 bits, as PKCS#8 DER.
pub const RSA2048: &[u8] = include_bytes!("../vectors/rsa2048.pkcs8.der");
/// The public half of [`RSA2048`], by `openssl pkey -pubout`.
pub const RSA2048_PUBLIC: &[u8] = include_bytes!("../vectors/rsa2048.spki.der");
/// A private key of 3,072 bits, as PKCS#8 DER.
pub const RSA3072: &[u8] = include_bytes!("../vectors/rsa3072.pkcs8.der");
/// A private key of 4,096 bits, as PKCS#8 DER.
pub const RSA4096: &[u8] = include_bytes!("../vectors/rsa4096.pkcs8.der");

/// Returns the columns of each row that is not a comment.
pub fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let rows = table.lines().filter(|row| !row.starts_with('#'));
    rows.map(|row| row.split('\t').collect())
}

/// Reads hexadecimal digits.
///
/// # Panics
///
/// The text is anything else.
pub fn unhex(text: &str) -> Bytes {
    assert!(text.len().is_multiple_of(2), "half a byte in {text}");
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("two hex digits");
    (0..text.len()).step_by(2).map(byte).collect()
}
