use super::encode::Content;
use super::read::{Items, Source};
use super::{DecodeError, DecodeErrorKind, EncodeError, Hidden, MimeId, MimeType};
use bytes::{Bytes, BytesMut};
use std::fmt;
use std::iter::FusedIterator;

/// The MIME type of the data of one stream, if it is not the connection's (Extensions/PerStreamDataMimeTypesDefinition.md).
///
/// In a request it applies to the data of the request, in a response to the data of the response. A responder must send it if
/// its data has a MIME type that the requester does not expect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataMimeType(pub MimeType);

impl DataMimeType {
    /// Decodes `metadata` of the MIME type [`MimeId::MIME_TYPE`].
    ///
    /// # Errors
    ///
    /// The metadata is not exactly one MIME type.
    pub fn decode(metadata: Bytes) -> Result<Self, DecodeError> {
        let (source, input) = Source::new(&metadata);
        let (input, mime_type) = MimeType::read(source, input)?;
        if input.is_empty() {
            return Ok(Self(mime_type));
        }
        let kind = DecodeErrorKind::Trailing { field: "MIME type", len: input.len() };
        Err(source.error(input, 0, kind))
    }
}

impl Content for DataMimeType {
    const MIME: MimeId = MimeId::MIME_TYPE;

    fn check(&self) -> Result<usize, EncodeError> {
        Ok(self.0.encoded_len())
    }

    fn write(&self, out: &mut BytesMut) {
        self.0.write(out);
    }
}

/// The MIME types that a requester accepts for the data of the responses to one request, to encode; any number.
///
/// [`MimeTypes`] is the reader. A requester ignores this metadata in a response.
#[derive(Clone, Copy, Debug)]
pub struct AcceptMimeTypes<'a>(pub &'a [MimeType]);

impl Content for AcceptMimeTypes<'_> {
    const MIME: MimeId = MimeId::ACCEPT_MIME_TYPES;

    fn check(&self) -> Result<usize, EncodeError> {
        Ok(self.0.iter().map(MimeType::encoded_len).fold(0, usize::saturating_add))
    }

    fn write(&self, out: &mut BytesMut) {
        self.0.iter().for_each(|mime_type| mime_type.write(out));
    }
}

/// An iterator over the MIME types of [`AcceptMimeTypes`], in their order. Each text is a slice of the metadata. An error ends
/// the iteration.
#[derive(Clone)]
pub struct MimeTypes(Items);

impl MimeTypes {
    /// Reads `metadata` of the MIME type [`MimeId::ACCEPT_MIME_TYPES`], which may have no MIME types.
    pub fn new(metadata: Bytes) -> Self {
        Self(Items::new(metadata))
    }
}

impl Iterator for MimeTypes {
    type Item = Result<MimeType, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_with(MimeType::read)
    }
}

impl FusedIterator for MimeTypes {}

impl fmt::Debug for MimeTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MimeTypes").field(&Hidden(self.0.remaining())).finish()
    }
}
