use std::fmt;

/// Bytes that are not the metadata that they should be: which field, and where.
///
/// It says nothing of what the metadata holds, so it can be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {kind}", Place(*.index, *.offset))]
pub struct DecodeError {
    /// In a list (composite metadata, routing, accepted MIME types), how many of its items were read before.
    pub index: Option<usize>,
    /// Where the field begins, or the first wrong byte of a text is: in bytes from the start of the metadata that the
    /// reader was given.
    pub offset: usize,
    /// What is wrong.
    pub kind: DecodeErrorKind,
}

/// What is wrong with metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The metadata ends inside a field.
    #[error("{field} takes {needed} bytes, {available} left")]
    Truncated {
        /// Which field, in the specification's words.
        field: &'static str,
        /// Bytes that it takes: its fixed width, or what its length field announces.
        needed: usize,
        /// Bytes that are left where the field begins; fewer than `needed`.
        available: usize,
    },
    /// A MIME type or authentication type holds a byte that is not ASCII.
    #[error("{field} is not ASCII")]
    NotAscii {
        /// Which field.
        field: &'static str,
    },
    /// A user name, password or token is not UTF-8.
    #[error("{field} is not UTF-8")]
    NotUtf8 {
        /// Which field.
        field: &'static str,
    },
    /// Bytes follow where the metadata should end.
    #[error("{len} bytes after the {field}, its last field")]
    Trailing {
        /// The field after which nothing may follow.
        field: &'static str,
        /// How many bytes follow.
        len: usize,
    },
}

struct Place(Option<usize>, usize);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(index) = self.0 {
            write!(f, "item {index}, ")?;
        }
        write!(f, "byte {}", self.1)
    }
}
