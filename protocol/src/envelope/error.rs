use crate::fields::FieldError;

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
    /// Not a private key in PEM that is used here.
    #[error("not an RSA key in PEM: {0}")]
    Pem(String),
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
    #[error("an AES key of {len} bytes; 16, 24 and 32 are known, and 32 in version 2")]
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
    /// The application seals in version 2, and the metadata has no seal of it.
    #[error("no seal of version 2")]
    NotSealed,
    /// The seal cannot be read.
    #[error("the seal: {0}")]
    Seal(#[from] FieldError),
    /// A push where an answer was expected, or the other way round.
    #[error("sealed for another purpose")]
    Purpose,
    /// The content key is not known, and is not attached.
    #[error("the content key is not known, and is not attached")]
    UnknownKey,
    /// The tag does not hold.
    #[error(
        "the tag does not hold: changed on the way, or sealed for another request or connection"
    )]
    Tag,
    /// A push ends before its idempotency key does.
    #[error("no idempotency key")]
    NoIdempotencyKey,
    /// The same message came before on this connection.
    #[error("the message {counter} came before, or is too old to tell")]
    Replayed {
        /// Its counter.
        counter: u64,
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

    /// Returns the reason as the value of a label, one of [`REASONS`](Self::REASONS).
    ///
    /// | reason | meaning |
    /// |---|---|
    /// | `expand` | the Snappy block is broken |
    /// | `key` | the wrapped key cannot be unwrapped: wrapped for another proxy, or damaged |
    /// | `malformed` | there is no wrapped key or seal, or one that cannot be read |
    /// | `plaintext` | metrics in plaintext, which are not accepted |
    /// | `replayed` | the message came before on this connection (version 2) |
    /// | `tampered` | changed on the way, or sealed for another request, connection or purpose. Version 1 finds this only by chance |
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
