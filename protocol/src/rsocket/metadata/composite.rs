use super::read::{Items, Parsed, Source};
use super::{DecodeError, EncodeError, Hidden, MimeId, MimeType};
use crate::rsocket::frame::within;
use bytes::{BufMut, Bytes, BytesMut};
use nom::number::complete::be_u24;
use std::fmt;
use std::iter::FusedIterator;

/// One entry of composite metadata (Extensions/CompositeMetadata.md), which is a sequence of entries.
///
/// `Debug` does not show the content, which may be a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The MIME type of the content.
    pub mime_type: MimeType,
    /// The content, at most [`Entry::MAX_CONTENT`] bytes.
    pub content: Bytes,
}

impl Entry {
    /// The longest content, in bytes: its length field has 24 bits.
    pub const MAX_CONTENT: usize = 0xff_ffff;

    /// Creates an entry. A content that is too long is an error of [`Entry::encode`].
    pub fn new(mime_type: impl Into<MimeType>, content: impl Into<Bytes>) -> Self {
        Self { mime_type: mime_type.into(), content: content.into() }
    }

    /// Whether the entry has this well-known MIME type, sent as an id or as text.
    pub fn is(&self, id: MimeId) -> bool {
        self.mime_type.well_known() == Some(id)
    }

    /// Appends the entry to composite metadata.
    ///
    /// # Errors
    ///
    /// The content is longer than [`Entry::MAX_CONTENT`] bytes. `out` is then unchanged.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        put_header(&self.mime_type, self.content.len(), out)?;
        out.extend_from_slice(&self.content);
        Ok(())
    }

    fn read<'a>(source: Source<'a>, input: &'a [u8]) -> Parsed<'a, Self> {
        let (input, mime_type) = MimeType::read(source, input)?;
        let (input, len) = source.parse("metadata length", 3, be_u24, input)?;
        let (input, content) = source.bytes("metadata payload", len as usize, input)?;
        Ok((input, Self { mime_type, content }))
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = Hidden(self.content.len());
        f.debug_struct("Entry")
            .field("mime_type", &self.mime_type)
            .field("content", &content)
            .finish()
    }
}

/// Appends an entry without its content, of which `len` bytes must follow. Appends nothing if `len` is too long.
pub(super) fn put_header(
    mime_type: &MimeType,
    len: usize,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    within("metadata payload", len, Entry::MAX_CONTENT)?;
    out.reserve(mime_type.encoded_len() + 3 + len);
    mime_type.write(out);
    out.put_uint(len as u64, 3);
    Ok(())
}

/// An iterator over the entries of composite metadata, in their order. Each content is a slice of the metadata.
///
/// Several entries may have the same MIME type. An error ends the iteration, since no entry after it can be found.
#[derive(Clone)]
pub struct Entries(Items);

impl Entries {
    /// Reads `metadata` of the MIME type [`MimeId::COMPOSITE_METADATA`], which may have no entries.
    pub fn new(metadata: Bytes) -> Self {
        Self(Items::new(metadata))
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_with(Entry::read)
    }
}

impl FusedIterator for Entries {}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entries").field(&Hidden(self.0.remaining())).finish()
    }
}
