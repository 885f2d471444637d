//! Entries of composite metadata whose content is a list of fields, as [hello](crate::hello), offer and seal
//! ([`envelope::v2`](crate::envelope::v2)) have them.
//!
//! | part of a field | bytes |
//! |---|---|
//! | id | 1 |
//! | length of the value | 2, big-endian |
//! | value | so many |

use crate::rsocket::metadata::{Entries, Entry, MimeType};
use bytes::{BufMut, Bytes, BytesMut};
use nom::multi::length_data;
use nom::number::complete::{be_u8, be_u16};
use nom::{IResult, Parser};

/// The longest content that is read, in bytes.
pub const MAX_LEN: usize = 8 * 1024;

/// Why the content of an entry cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// A field's value makes no sense, or it comes more often than it may.
    #[error("the field {id} at byte {at} has a value that makes no sense, or comes too often")]
    Field {
        /// The field.
        id: u8,
        /// Where it begins.
        at: usize,
    },
    /// A field that has to be there is not.
    #[error("the field {id} is missing")]
    Missing {
        /// The field.
        id: u8,
    },
    /// Longer than [`MAX_LEN`].
    #[error("{len} bytes are over the limit of {MAX_LEN}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// It ends inside a field.
    #[error("it ends inside the field at byte {at}")]
    Truncated {
        /// Where the field begins.
        at: usize,
    },
}

/// One field, and where it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) at: usize,
    pub(crate) id: u8,
    pub(crate) value: &'a [u8],
}

impl<'a> Field<'a> {
    /// The error that says that it makes no sense.
    pub(crate) fn error(&self) -> FieldError {
        FieldError::Field { id: self.id, at: self.at }
    }

    /// The value, if it is of this length.
    pub(crate) fn array<const N: usize>(&self) -> Result<[u8; N], FieldError> {
        self.value.try_into().map_err(|_| self.error())
    }

    /// Keeps what a field says that may come once.
    pub(crate) fn put_once<T>(&self, slot: &mut Option<T>, value: T) -> Result<(), FieldError> {
        match slot.replace(value) {
            None => Ok(()),
            Some(_) => Err(self.error()),
        }
    }
}

/// Hands each field of a content to `take`, in order.
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

/// Appends a field; its parts are less than 64 KiB together.
pub(crate) fn put(out: &mut BytesMut, id: u8, value: &[&[u8]]) {
    let len: usize = value.iter().map(|part| part.len()).sum();
    out.put_u8(id);
    out.put_uint(len as u64, 2);
    value.iter().for_each(|part| out.extend_from_slice(part));
}

/// Appends an entry to composite metadata. The MIME type is one of ours, and the content far from the limit of an entry.
pub(crate) fn put_entry(out: &mut BytesMut, mime: &'static str, content: Bytes) {
    if let Ok(mime_type) = MimeType::named(mime) {
        let _ = Entry::new(mime_type, content).encode(out);
    }
}

/// Returns the content of the first entry of a MIME type. An entry that cannot be read ends the list; what is in it is not ours.
pub(crate) fn find_entry(metadata: Bytes, mime: &str) -> Option<Bytes> {
    let is_wanted = |entry: &Entry| entry.mime_type.name() == Some(mime);
    Entries::new(metadata).map_while(Result::ok).find(is_wanted).map(|entry| entry.content)
}

fn field(input: &[u8]) -> IResult<&[u8], (u8, &[u8])> {
    (be_u8, length_data(be_u16)).parse(input)
}
