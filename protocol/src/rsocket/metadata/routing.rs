use super::encode::Content;
use super::read::{Items, Parsed, Source};
use super::{DecodeError, EncodeError, Hidden, MimeId};
use crate::rsocket::frame::within;
use bytes::{BufMut, Bytes, BytesMut};
use nom::number::complete::be_u8;
use std::fmt;
use std::iter::FusedIterator;
use std::str::Utf8Error;

/// Routing metadata to encode (Extensions/Routing.md): any number of tags of at most [`Tag::MAX_LEN`] bytes each.
///
/// Most responders take the first tag as the route. [`Tags`] is the reader. (rsocket-java omits tags that are empty or too long
/// when it writes. This type writes empty tags, and a tag that is too long is an error.)
#[derive(Clone, Copy, Debug)]
pub struct Routing<'a, T>(pub &'a [T]);

impl<T: AsRef<str>> Content for Routing<'_, T> {
    const MIME: MimeId = MimeId::ROUTING;

    fn check(&self) -> Result<usize, EncodeError> {
        self.0.iter().map(AsRef::as_ref).try_fold(0, |len: usize, tag| {
            within("tag", tag.len(), Tag::MAX_LEN)?;
            Ok(len.saturating_add(1 + tag.len()))
        })
    }

    fn write(&self, out: &mut BytesMut) {
        for tag in self.0.iter().map(AsRef::as_ref) {
            out.put_uint(tag.len() as u64, 1);
            out.extend_from_slice(tag.as_bytes());
        }
    }
}

/// One tag of routing metadata: 0 to 255 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Bytes);

impl Tag {
    /// The longest tag, in bytes: its length field has 8 bits.
    pub const MAX_LEN: usize = 0xff;

    /// The tag as text. The specification demands UTF-8.
    ///
    /// # Errors
    ///
    /// The tag is not UTF-8. Its bytes are still available from [`Tag::as_bytes`].
    pub fn as_str(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(&self.0)
    }

    /// The bytes of the tag, as received.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    fn read<'a>(source: Source<'a>, input: &'a [u8]) -> Parsed<'a, Self> {
        let (input, len) = source.parse("tag length", 1, be_u8, input)?;
        let (input, tag) = source.bytes("tag", usize::from(len), input)?;
        Ok((input, Self(tag)))
    }
}

impl From<Tag> for Bytes {
    fn from(tag: Tag) -> Self {
        tag.0
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        String::from_utf8_lossy(&self.0).fmt(f)
    }
}

/// An iterator over the tags of routing metadata, in their order. Each is a slice of the metadata. An error ends the iteration.
#[derive(Clone)]
pub struct Tags(Items);

impl Tags {
    /// Reads `metadata` of the MIME type [`MimeId::ROUTING`], which may have no tags.
    pub fn new(metadata: Bytes) -> Self {
        Self(Items::new(metadata))
    }
}

impl Iterator for Tags {
    type Item = Result<Tag, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_with(Tag::read)
    }
}

impl FusedIterator for Tags {}

impl fmt::Debug for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tags").field(&Hidden(self.0.remaining())).finish()
    }
}
