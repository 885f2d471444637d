use super::{EncodeError, MimeId, composite};
use bytes::BytesMut;

/// Metadata of an extension that can be written: by itself, or as an entry of composite metadata.
///
/// Nothing is copied on the way but the values, once, into `out`. Only the types of this module are such; metadata of another
/// MIME type is an [`Entry`](super::Entry).
pub trait Metadata: Content {
    /// Appends the metadata by itself: what a frame's metadata is if the connection's metadata MIME type is this one.
    ///
    /// # Errors
    ///
    /// If a field is longer than its length field can say. `out` is then unchanged.
    fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.reserve(self.check()?);
        self.write(out);
        Ok(())
    }

    /// Appends the metadata as one entry of composite metadata, under its well-known MIME type.
    ///
    /// # Errors
    ///
    /// Those of [`Metadata::encode`], and if the whole is longer than [`Entry::MAX_CONTENT`](super::Entry::MAX_CONTENT).
    /// `out` is then unchanged.
    fn encode_entry(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        composite::put_header(&Self::MIME.into(), self.check()?, out)?;
        self.write(out);
        Ok(())
    }
}

impl<T: Content> Metadata for T {}

/// How each extension is written. Not public, so that `check` and `write` agree.
pub trait Content {
    /// The MIME type under which it is an entry.
    const MIME: MimeId;

    /// How many bytes [`Content::write`] appends, if every field fits its length field.
    fn check(&self) -> Result<usize, EncodeError>;

    /// Appends what [`Content::check`] has passed.
    fn write(&self, out: &mut BytesMut);
}
