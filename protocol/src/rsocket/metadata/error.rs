use std::fmt;

/// Bytes that are not valid metadata of their type. The error names the field and its position.
///
/// It reveals no content of the metadata, so it can be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {kind}", Place(*.index, *.offset))]
pub struct DecodeError {
    /// In a list (composite metadata, routing, accepted MIME types), the index of the item, from 0. `None` for metadata that is
    /// one value.
    pub index: Option<usize>,
    /// Where the field begins or, if a text is invalid, its first wrong byte: in bytes from the start of the metadata that the
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
        /// The field, named as in the specification.
        field: &'static str,
        /// Bytes that the field takes: its fixed width, or the length that its length field announces.
        needed: usize,
        /// Bytes that are left where the field begins; fewer than `needed`.
        available: usize,
    },
    /// A MIME type or authentication type holds a byte that is not ASCII.
    #[error("{field} is not ASCII")]
    NotAscii {
        /// The field.
        field: &'static str,
    },
    /// A user name, password or token is not UTF-8.
    #[error("{field} is not UTF-8")]
    NotUtf8 {
        /// The field.
        field: &'static str,
    },
    /// More bytes follow after the end of the metadata.
    #[error("{len} bytes after the {field}, its last field")]
    Trailing {
        /// The field after which nothing may follow.
        field: &'static str,
        /// How many bytes follow it.
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
