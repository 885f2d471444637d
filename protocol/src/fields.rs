//! Entries of composite metadata whose content is a list of fields: the [hello](crate::hello), and the offer and the seal of
//! [`envelope::v2`](crate::envelope::v2).
//!
//! | part of a field | bytes |
//! |---|---|
//! | id | 1 |
//! | length of the value | 2, big-endian |
//! | value | as many as the length says |

use crate::rsocket::metadata::{Entries, Entry, MimeType};
use bytes::{BufMut, Bytes, BytesMut};
use nom::multi::length_data;
use nom::number::complete::{be_u8, be_u16};
use nom::{IResult, Parser};

/// The maximum length of a content that is read, in bytes.
pub const MAX_LEN: usize = 8 * 1024;

/// Why the content of an entry cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// A field's value is invalid, or the field appears more often than it may.
    #[error("the field {id} at byte {at} has a value that makes no sense, or comes too often")]
    Field {
        /// The field's id.
        id: u8,
        /// The offset of the field in the content, in bytes.
        at: usize,
    },
    /// A required field is missing.
    #[error("the field {id} is missing")]
    Missing {
        /// The field's id.
        id: u8,
    },
    /// The content is longer than [`MAX_LEN`].
    #[error("{len} bytes are over the limit of {MAX_LEN}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// The content ends inside a field.
    #[error("it ends inside the field at byte {at}")]
    Truncated {
        /// The offset of that field in the content, in bytes.
        at: usize,
    },
}

/// One field, and its offset in the content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) at: usize,
    pub(crate) id: u8,
    pub(crate) value: &'a [u8],
}

impl<'a> Field<'a> {
    /// The error for an invalid value of this field.
    pub(crate) fn error(&self) -> FieldError {
        FieldError::Field { id: self.id, at: self.at }
    }

    /// The value, if it has length `N`.
    pub(crate) fn array<const N: usize>(&self) -> Result<[u8; N], FieldError> {
        self.value.try_into().map_err(|_| self.error())
    }

    /// Stores the value of a field that may appear once; an error if `slot` is taken.
    pub(crate) fn put_once<T>(&self, slot: &mut Option<T>, value: T) -> Result<(), FieldError> {
        match slot.replace(value) {
            None => Ok(()),
            Some(_) => Err(self.error()),
        }
    }
}

/// Calls `take` for each field of a content, in order.
pub(crate) fn read<'a, E: From<FieldError>>(
    content: &'a [u8],
    mut take: impl FnMut(Field<'a>) -> Result<(), E>,
) -> Result<(), E> {
    if content.len() > MAX_LEN {
        return Err(FieldError::TooLong { len: content.len() }.into());
    }
    let mut rest = content;
    while !rest.is_empty() {
        let at = content.len() - rest.len();
        let (after, (id, value)) = field(rest).map_err(|_| FieldError::Truncated { at })?;
        take(Field { at, id, value })?;
        rest = after;
    }
    Ok(())
}

/// Appends a field. The parts of its value must be shorter than 64 KiB together.
pub(crate) fn put(out: &mut BytesMut, id: u8, value: &[&[u8]]) {
    let len: usize = value.iter().map(|part| part.len()).sum();
    out.put_u8(id);
    out.put_uint(len as u64, 2);
    value.iter().for_each(|part| out.extend_from_slice(part));
}

/// Appends an entry to composite metadata. `mime` is one of our own types, and the content is far below the limit of an entry.
pub(crate) fn put_entry(out: &mut BytesMut, mime: &'static str, content: Bytes) {
    if let Ok(mime_type) = MimeType::named(mime) {
        let _ = Entry::new(mime_type, content).encode(out);
    }
}

/// Returns the content of the first entry with a MIME type. An entry that cannot be decoded ends the search.
pub(crate) fn find_entry(metadata: Bytes, mime: &str) -> Option<Bytes> {
    let is_wanted = |entry: &Entry| entry.mime_type.name() == Some(mime);
    Entries::new(metadata).map_while(Result::ok).find(is_wanted).map(|entry| entry.content)
}

fn field(input: &[u8]) -> IResult<&[u8], (u8, &[u8])> {
    (be_u8, length_data(be_u16)).parse(input)
}
