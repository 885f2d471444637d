use bytes::Bytes;

/// The payload of one request or one response: data, and metadata that may be absent.
///
/// Absent metadata (`None`: flag M clear) and empty metadata (`Some` of no bytes: flag M set, length 0) differ on the wire, and
/// rsocket-java distinguishes them, so this type does too. Data is never absent, only empty.
///
/// Both parts are cheap to clone: they are reference-counted slices of the buffer that was received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// Metadata. In one frame, at most 16,777,215 bytes, since its length field has 24 bits.
    pub metadata: Option<Bytes>,
    /// Data. It takes the rest of the frame.
    pub data: Bytes,
}

impl Payload {
    /// Creates a payload that has data and no metadata.
    pub fn from_data(data: impl Into<Bytes>) -> Self {
        Self { metadata: None, data: data.into() }
    }

    /// Creates a payload of metadata and data, both of which may be empty.
    pub fn new(metadata: impl Into<Bytes>, data: impl Into<Bytes>) -> Self {
        Self { metadata: Some(metadata.into()), data: data.into() }
    }

    /// The length of this payload in a frame, in bytes: the data and, if there is metadata, the metadata and its length field.
    pub fn encoded_len(&self) -> usize {
        self.data.len() + self.metadata.as_ref().map_or(0, |metadata| 3 + metadata.len())
    }
}
