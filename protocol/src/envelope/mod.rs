//! The envelope, version 1: how an application's metrics travel to the proxy.
//!
//! ```text
//! text ── Snappy raw block ── AES in ECB mode, PKCS#5 padding ──▶ the payload's data
//! fresh AES key ── RSA-OAEP under the proxy's public key ───────▶ the payload's metadata
//! ```
//!
//! | part | exactly |
//! |---|---|
//! | public key | DER of a SubjectPublicKeyInfo, as the data of the proxy's requests; RSA 2048, 3072 or 4096 |
//! | RSA-OAEP | label hash SHA-256, mask generation MGF1 with **SHA-1**, empty label: what the JDK makes of `OAEPWithSHA-256AndMGF1Padding` |
//! | AES | key of 128 bits, by the application's choice also 192 or 256; no initialisation vector |
//! | Snappy | raw format (a varint of the length, then elements), no framing, no checksum; of UTF-8 text |
//! | plaintext mode | where the proxy's key is the ASCII text `plaintext`, the metadata is that text and the data the text itself |
//!
//! This is what `micrometer-metrics/prometheus-rsocket-proxy` does, byte for byte. It hides the metrics from who
//! listens. It does not protect them from being altered: ECB has no integrity, so use TLS where that matters.
//!
//! Opening is CPU-heavy (a private RSA operation, a few milliseconds), which is why it belongs in a worker. All randomness is an argument.

mod aes;
mod error;
mod open;
mod rsa;
mod seal;
mod snappy;

#[cfg(test)]
mod tests;

pub use self::aes::{AesKeySize, SecretKey, decrypt, encrypt};
pub use error::{KeyError, OpenError, SealError, UnwrapError};
pub use open::{KeyUnwrap, OpenLimits, Opened, open};
pub use rsa::{PeerKey, RsaKeyPair};
pub use seal::seal;
pub use snappy::{compress, expand};

/// The key and the metadata of plaintext mode.
pub const PLAINTEXT: &[u8] = b"plaintext";
