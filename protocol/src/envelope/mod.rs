//! The metrics envelope: one application's text sealed for one proxy, and opened again. This is version 1; version 2 is in [`v2`].
//!
//! Version 1 is that of micrometer-metrics' prometheus-rsocket-proxy, byte for byte: the Java proxy opens what is sealed here,
//! and what a Java client seals is opened here. Nothing here does IO, reads a clock or draws randomness; random values are
//! derived from a seed that the caller passes in.
//!
//! # The proxy's key
//!
//! The key reaches the application as the *data* of a request, without metadata: first in a REQUEST_FNF right after SETUP, then with each scrape.
//!
//! | data | meaning | type |
//! |---|---|---|
//! | an X.509 SubjectPublicKeyInfo in DER | RSA: seal under it (294 bytes for 2,048 bits) | [`PeerKey`] |
//! | the nine ASCII bytes `plaintext` | do not encrypt | [`PeerKey::is_plaintext`] |
//!
//! The Java proxy makes 2,048-bit keys on JDK 17, and 3,072-bit keys from JDK 19 on (JDK-8282995). 1,024 to 8,192 bits are accepted here.
//!
//! # The sealed payload
//!
//! | part | encrypted | plaintext mode |
//! |---|---|---|
//! | metadata | the AES key, wrapped with RSA; as long as the modulus (256 bytes for 2,048 bits) | `plaintext` |
//! | data | AES(Snappy(text)), a multiple of 16 bytes | the text |
//!
//! | step | exactly |
//! |---|---|
//! | Snappy | one *raw* block (length as a varint, then elements): no framing, no checksum. The empty text is the byte `00` |
//! | AES | ECB mode with PKCS #5 padding (1 to 16 bytes), under a fresh key of 128 (Java's choice), 192 or 256 bits |
//! | RSA | OAEP with an empty label, hash of the label **SHA-256**, mask generation MGF1 with **SHA-1** |
//!
//! The two hashes differ because Java's `RSA/ECB/OAEPWithSHA-256AndMGF1Padding` leaves the hash of the mask to the provider,
//! and the JDK's own provider takes SHA-1. (BouncyCastle takes SHA-256. A client that uses it cannot talk to a Java proxy on
//! the JDK's provider, and its metrics are refused here as well, when the key is unwrapped.)
//!
//! # What version 1 does not protect
//!
//! * **No integrity.** ECB encrypts each 16 bytes separately, and nothing authenticates the whole. An attacker on the path can
//!   swap, repeat or drop blocks, and can see which blocks are equal. Padding and Snappy catch much of such damage, but by
//!   chance, not by design. For integrity, use TLS.
//! * **No authentication.** The application accepts the key of any peer that answers at the proxy's address, and any peer can seal for the proxy.
//! * **Which step failed is for our own log only.** A peer that learns whether the padding was right has an oracle that
//!   decrypts for it (Manger 2001 on OAEP, Vaudenay 2002 on CBC). All [`OpenError`]s must look alike to the peer.
//! * **The arithmetic of `rsa` 0.9 is not constant-time** ([RUSTSEC-2023-0071]). [`RsaKeyPair`] therefore always blinds: each
//!   decryption works on the ciphertext times a random number that the peer cannot know, so that its time says nothing about
//!   the key. [`KeyUnwrap`] allows other backends; the proxy has one that uses OpenSSL.
//!
//! [RUSTSEC-2023-0071]: https://rustsec.org/advisories/RUSTSEC-2023-0071
//!
//! # Example
//!
//! ```
//! use prometheus_rsocket_protocol::envelope::{self, AesKeySize, KeyUnwrap, OpenLimits, PeerKey, RsaKeyPair};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The proxy makes a key pair, once. Seeds are fixed here; real ones come from the system's randomness.
//! let keys = RsaKeyPair::generate(2048, [1; 32])?;
//! let request = keys.public_key();
//!
//! // The application seals its metrics for the key that came with the request.
//! let key = PeerKey::parse(&request)?;
//! let answer = envelope::seal(&key, b"up 1\n", AesKeySize::Aes128, [2; 32])?;
//!
//! // The proxy opens them.
//! let opened = envelope::open(&keys, answer, &OpenLimits::default(), [3; 32])?;
//! assert_eq!(opened.text, "up 1\n");
//! # Ok(())
//! # }
//! ```

mod aes;
mod error;
mod fingerprint;
mod open;
mod pkcs8;
mod rsa;
mod seal;
mod snappy;
pub mod v2;

#[cfg(test)]
mod tests;

pub use self::aes::{AesKeySize, SecretKey, decrypt, encrypt};
pub use error::{KeyError, OpenError, SealError, UnwrapError};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use open::{KeyUnwrap, OpenLimits, Opened, open};
pub(crate) use open::{Unsealed, unseal};
pub use pkcs8::PrivateKeyFile;
pub use rsa::{PeerKey, RsaKeyPair};
pub use seal::seal;
pub use snappy::{Scratch, compress, expand};

/// The key and the metadata of plaintext mode.
pub const PLAINTEXT: &[u8] = b"plaintext";
