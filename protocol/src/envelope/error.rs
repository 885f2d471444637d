use super::{MAX_RSA_BITS, MIN_RSA_BITS};

/// Bytes that are no key for the envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not the DER of the expected structure.
    #[error("{len} bytes that are not {expected} in DER: {reason}")]
    Malformed {
        /// The structure, in its standard's words.
        expected: &'static str,
        /// How many bytes were given.
        len: usize,
        /// What the parser says.
        reason: String,
    },
    /// A key of another algorithm.
    #[error("a key of the algorithm {oid}, not of RSA (1.2.840.113549.1.1.1)")]
    NotRsa {
        /// The algorithm's object identifier, in dots.
        oid: String,
    },
    /// The modulus is too small or too large.
    #[error("an RSA key of {bits} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted")]
    Size {
        /// Its bits.
        bits: usize,
    },
    /// The numbers do not make an RSA key.
    #[error("an RSA key of {bits} bits whose numbers are wrong: {reason}")]
    Numbers {
        /// Bits of its modulus.
        bits: usize,
        /// What is wrong.
        reason: String,
    },
    /// No key pair could be made.
    #[error("no RSA key of {bits} bits could be made: {reason}")]
    Generation {
        /// The bits asked for.
        bits: usize,
        /// What the backend says.
        reason: String,
    },
}

/// Why a text could not be sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Snappy takes no more than 2^32 - 1 bytes, including its worst-case overhead.
    #[error("compress: {len} bytes of text are more than a Snappy block holds")]
    TooLong {
        /// Bytes of the text.
        len: usize,
    },
    /// The AES key could not be wrapped.
    #[error("wrap: {reason}")]
    Wrap {
        /// What the RSA backend says.
        reason: String,
    },
}

/// Why a payload could not be opened, by the step that failed, in their order.
///
/// For our own log and counters. A peer must not be told which one it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no metadata, so neither a wrapped key nor the word `plaintext`.
    #[error("metadata: there is none beside {data_len} bytes of data")]
    NoMetadata {
        /// Bytes of data.
        data_len: usize,
    },
    /// The payload is not encrypted, and the policy does not allow that.
    #[error("metadata: {data_len} bytes of data are not encrypted, which is not allowed")]
    PlaintextRefused {
        /// Bytes of data.
        data_len: usize,
    },
    /// The text of a payload that is not encrypted is longer than allowed.
    #[error("text: {len} bytes, more than {limit}")]
    TextTooLong {
        /// Its bytes.
        len: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The AES key could not be unwrapped.
    #[error("unwrap: {0}")]
    Unwrap(#[from] UnwrapError),
    /// The data could not be decrypted.
    #[error("decrypt: {0}")]
    Decrypt(#[from] DecryptError),
    /// The decrypted data could not be expanded.
    #[error("expand: {0}")]
    Expand(#[from] ExpandError),
    /// The text is not UTF-8.
    #[error("text: not UTF-8 at byte {position} of {len}")]
    NotUtf8 {
        /// Where the first wrong sequence begins, counted from 0.
        position: usize,
        /// Bytes of the text.
        len: usize,
    },
}

/// Why a wrapped AES key could not be unwrapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnwrapError {
    /// The wrapped key is not as long as the modulus.
    #[error("{actual} bytes, but our key wraps into {expected}")]
    WrongLength {
        /// Bytes of our modulus.
        expected: usize,
        /// Bytes that came.
        actual: usize,
    },
    /// Decrypted, it has no OAEP padding: wrapped for another key, or with other hashes, or damaged.
    #[error("{len} bytes that are not wrapped for our key with OAEP (SHA-256, MGF1 with SHA-1)")]
    Rejected {
        /// Bytes that came.
        len: usize,
    },
    /// What was wrapped is no AES key.
    #[error("a key of {len} bytes; AES takes 16, 24 or 32")]
    KeyLength {
        /// Bytes that were wrapped.
        len: usize,
    },
    /// Another backend's own failure, not the peer's fault.
    #[error("the key store failed: {reason}")]
    Backend {
        /// What it says.
        reason: String,
    },
}

/// Why data could not be decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// No length that the encryption gives.
    #[error("{len} bytes are not a positive multiple of 16")]
    Length {
        /// Bytes of data.
        len: usize,
    },
    /// The last block does not end in padding: another key, or damaged.
    #[error("{len} bytes that do not end in PKCS #5 padding")]
    Padding {
        /// Bytes of data.
        len: usize,
    },
}

/// Why a Snappy block could not be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpandError {
    /// It announces more than allowed.
    #[error("the block announces {announced} bytes of text, more than {limit}")]
    TooLong {
        /// Bytes it announces.
        announced: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// It announces more than its size can hold.
    #[error(
        "the block announces {announced} bytes of text, which its {block_len} bytes cannot hold"
    )]
    Impossible {
        /// Bytes it announces.
        announced: usize,
        /// Bytes it has.
        block_len: usize,
    },
    /// It is no Snappy block.
    #[error("{block_len} bytes that are no Snappy block: {reason}")]
    Corrupt {
        /// Bytes it has.
        block_len: usize,
        /// What the decoder says.
        reason: String,
    },
}
