/// Bytes that are not a key to seal under or to open with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not the DER of an RSA key.
    #[error("a key of {len} bytes is neither \"plaintext\" nor an RSA key in DER: {reason}")]
    Malformed {
        /// How long it is.
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
    /// An RSA key of a size that is not used here.
    #[error("an RSA key of {bits} bits; 1024 to 8192 are accepted")]
    Size {
        /// Its size.
        bits: usize,
    },
    /// A key pair could not be made.
    #[error("cannot make a key pair: {0}")]
    Generate(String),
}

/// Why metrics cannot be sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Snappy takes less than 4 GiB.
    #[error("compressing {len} bytes: {reason}")]
    Compress {
        /// Bytes of the text.
        len: usize,
        /// What Snappy says.
        reason: String,
    },
    /// The AES key cannot be wrapped under this RSA key.
    #[error("wrapping the AES key: {0}")]
    Wrap(String),
}

/// The AES key could not be unwrapped: wrapped under another key, or no wrapped key at all. There is no telling which, nor
/// should there be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes are not a key wrapped under ours of {expected} bytes")]
pub struct UnwrapError {
    /// Bytes that were to be unwrapped.
    pub len: usize,
    /// Bytes of a key wrapped under ours.
    pub expected: usize,
}

/// Why sealed metrics cannot be opened: which step failed, and by what.
///
/// For the log of who opens. Who sealed must not learn which step it was: that would help to probe the private key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The payload has no metadata, where the wrapped key should be.
    #[error("no metadata with a wrapped key")]
    NoMetadata,
    /// Plaintext, which is not accepted here.
    #[error("plaintext metrics are not accepted")]
    PlaintextRefused,
    /// The key.
    #[error("unwrapping the AES key: {0}")]
    Unwrap(#[from] UnwrapError),
    /// What was unwrapped is no AES key.
    #[error("an AES key of {len} bytes; 16, 24 and 32 are known")]
    KeySize {
        /// Its length.
        len: usize,
    },
    /// The data is not whole blocks, or its padding is wrong.
    #[error("decrypting {len} bytes: not whole blocks, or wrong padding")]
    Decrypt {
        /// Bytes of the data.
        len: usize,
    },
    /// The text would be, or is, longer than allowed.
    #[error("a text of {len} bytes is over the limit of {limit}")]
    TooLong {
        /// Its length, or what Snappy announces.
        len: u64,
        /// The limit.
        limit: usize,
    },
    /// The Snappy block is broken.
    #[error("expanding a Snappy block of {len} bytes: {reason}")]
    Expand {
        /// Bytes of the block.
        len: usize,
        /// What is wrong with it.
        reason: String,
    },
}
