use crate::fields::FieldError;

/// Why bytes are not a key to seal under or to open with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// They are not an RSA key in DER.
    #[error("a key of {len} bytes is neither \"plaintext\" nor an RSA key in DER: {reason}")]
    Malformed {
        /// Their length.
        len: usize,
        /// The parser's reason.
        reason: String,
    },
    /// They are a key of another algorithm.
    #[error("a key of the algorithm {oid}, not of RSA (1.2.840.113549.1.1.1)")]
    NotRsa {
        /// The algorithm's object identifier, in dots.
        oid: String,
    },
    /// They are an RSA key of a size that is not accepted.
    #[error("an RSA key of {bits} bits; 1024 to 8192 are accepted")]
    Size {
        /// Its size in bits.
        bits: usize,
    },
    /// They are not an RSA private key in PEM.
    #[error("not an RSA key in PEM: {0}")]
    Pem(String),
    /// A key pair could not be generated.
    #[error("cannot make a key pair: {0}")]
    Generate(String),
}

/// Why metrics cannot be sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Snappy cannot compress the text; it takes less than 4 GiB.
    #[error("compressing {len} bytes: {reason}")]
    Compress {
        /// Length of the text in bytes.
        len: usize,
        /// The reason given by Snappy.
        reason: String,
    },
    /// The AES key cannot be wrapped under this RSA key.
    #[error("wrapping the AES key: {0}")]
    Wrap(String),
}

/// The AES key could not be unwrapped: it was wrapped under another key, or is not a wrapped key. These cases cannot be
/// distinguished, and should not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes are not a key wrapped under ours of {expected} bytes")]
pub struct UnwrapError {
    /// The number of bytes to unwrap.
    pub len: usize,
    /// The number of bytes of a key wrapped under ours.
    pub expected: usize,
}

/// Why sealed metrics cannot be opened: which step failed, and how.
///
/// For the log of the opening side. The sealing side must not learn which step failed, since that would help to probe the private key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The payload has no metadata, where the wrapped key should be.
    #[error("no metadata with a wrapped key")]
    NoMetadata,
    /// The metrics are in plaintext, which is not accepted here.
    #[error("plaintext metrics are not accepted")]
    PlaintextRefused,
    /// The key cannot be unwrapped.
    #[error("unwrapping the AES key: {0}")]
    Unwrap(#[from] UnwrapError),
    /// The unwrapped bytes are not an AES key.
    #[error("an AES key of {len} bytes; 16, 24 and 32 are known, and 32 in version 2")]
    KeySize {
        /// Their length in bytes.
        len: usize,
    },
    /// The data is not a whole number of blocks, or its padding is wrong.
    #[error("decrypting {len} bytes: not whole blocks, or wrong padding")]
    Decrypt {
        /// Length of the data in bytes.
        len: usize,
    },
    /// The application seals in version 2, but the metadata has no seal.
    #[error("no seal of version 2")]
    NotSealed,
    /// The seal cannot be read.
    #[error("the seal: {0}")]
    Seal(#[from] FieldError),
    /// A push where an answer was expected, or the other way round.
    #[error("sealed for another purpose")]
    Purpose,
    /// The content key is neither known nor attached.
    #[error("the content key is not known, and is not attached")]
    UnknownKey,
    /// The authentication tag is wrong.
    #[error(
        "the tag does not hold: changed on the way, or sealed for another request or connection"
    )]
    Tag,
    /// A push ends before the end of its idempotency key.
    #[error("no idempotency key")]
    NoIdempotencyKey,
    /// The same message arrived before on this connection, or is too old to tell.
    #[error("the message {counter} came before, or is too old to tell")]
    Replayed {
        /// Its counter.
        counter: u64,
    },
    /// The text is longer than allowed.
    #[error("a text of {len} bytes is over the limit of {limit}")]
    TooLong {
        /// Its length in bytes, as announced by Snappy or actual.
        len: u64,
        /// The limit.
        limit: usize,
    },
    /// The Snappy block is damaged.
    #[error("expanding a Snappy block of {len} bytes: {reason}")]
    Expand {
        /// Length of the block in bytes.
        len: usize,
        /// What is wrong with it.
        reason: String,
    },
}

impl OpenError {
    /// All values of [`reason`](Self::reason).
    pub const REASONS: [&str; 8] = [
        "expand",
        "key",
        "malformed",
        "plaintext",
        "replayed",
        "tampered",
        "too_large",
        "unknown_key",
    ];

    /// Returns the reason as the value of a label: one of [`REASONS`](Self::REASONS).
    ///
    /// | reason | meaning |
    /// |---|---|
    /// | `expand` | the Snappy block is damaged |
    /// | `key` | the wrapped key cannot be unwrapped: wrapped for another proxy, or damaged |
    /// | `malformed` | the wrapped key or the seal is missing or cannot be read |
    /// | `plaintext` | metrics in plaintext, which are not accepted |
    /// | `replayed` | the message arrived before on this connection (version 2) |
    /// | `tampered` | changed on the way, or sealed for another request, connection or purpose; version 1 detects this only by chance |
    /// | `too_large` | the text is over the limit |
    /// | `unknown_key` | the content key is neither known nor attached (version 2) |
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Expand { .. } => "expand",
            Self::KeySize { .. } | Self::Unwrap(_) => "key",
            Self::NoIdempotencyKey | Self::NoMetadata | Self::NotSealed | Self::Seal(_) => {
                "malformed"
            }
            Self::PlaintextRefused => "plaintext",
            Self::Replayed { .. } => "replayed",
            Self::Decrypt { .. } | Self::Purpose | Self::Tag => "tampered",
            Self::TooLong { .. } => "too_large",
            Self::UnknownKey => "unknown_key",
        }
    }
}
