use super::{EncodeError, MimeId, composite};
use bytes::BytesMut;

/// Metadata of an extension that can be encoded: by itself, or as an entry of composite metadata.
///
/// Values are copied only once, into `out`. Only the types of this module implement this trait; metadata of another MIME type
/// is encoded as an [`Entry`](super::Entry).
pub trait Metadata: Content {
    /// Appends the metadata by itself. It can be the metadata of a frame if the connection's metadata MIME type is this one.
    ///
    /// # Errors
    ///
    /// A field is longer than its length field allows. `out` is then unchanged.
    fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.reserve(self.check()?);
        self.write(out);
        Ok(())
    }

    /// Appends the metadata as one entry of composite metadata, with its well-known MIME type as an id.
    ///
    /// # Errors
    ///
    /// Those of [`Metadata::encode`], or the metadata is longer than [`Entry::MAX_CONTENT`](super::Entry::MAX_CONTENT) bytes.
    /// `out` is then unchanged.
    fn encode_entry(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        composite::put_header(&Self::MIME.into(), self.check()?, out)?;
        self.write(out);
        Ok(())
    }
}

impl<T: Content> Metadata for T {}

/// How each extension is encoded. Not public, so that `check` and `write` always agree.
pub trait Content {
    /// The MIME type of its entry.
    const MIME: MimeId;

    /// How many bytes [`Content::write`] appends. Fails if a field is longer than its length field allows.
    fn check(&self) -> Result<usize, EncodeError>;

    /// Appends metadata that [`Content::check`] has passed.
    fn write(&self, out: &mut BytesMut);
}
