use super::encode::Content;
use super::read::{Items, Parsed, Source};
use super::{DecodeError, EncodeError, Hidden, MimeId};
use crate::rsocket::frame::within;
use bytes::{BufMut, Bytes, BytesMut};
use nom::number::complete::be_u8;
use std::fmt;
use std::iter::FusedIterator;
use std::str::Utf8Error;

/// Routing metadata to be written (Extensions/Routing.md): any number of tags, each at most [`Tag::MAX_LEN`] bytes.
///
/// Most responders take the first tag as the route. [`Tags`] is the reader. (rsocket-java leaves out tags that are empty,
/// or too long, where it writes them; here the first are written and the second are an error.)
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

/// One tag of routing metadata, at most 255 bytes, possibly none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Bytes);

impl Tag {
    /// The longest tag, in bytes: its length field has 8 bits.
    pub const MAX_LEN: usize = 0xff;

    /// The tag as text, which the specification says it is.
    ///
    /// # Errors
    ///
    /// If it is not UTF-8. [`Tag::as_bytes`] has it nevertheless.
    pub fn as_str(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(&self.0)
    }

    /// The tag as it came.
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

/// The tags of routing metadata, in their order, each a slice of it. An error ends the iteration.
#[derive(Clone)]
pub struct Tags(Items);

impl Tags {
    /// Reads `metadata`, which has the MIME type [`MimeId::ROUTING`]. There may be no tag in it.
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
