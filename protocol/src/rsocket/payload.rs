use bytes::Bytes;

/// What one request or one response carries: data, and metadata that may be absent.
///
/// Absent metadata (`None`: flag M clear) and empty metadata (`Some` of no bytes: flag M set, length 0) are
/// different things on the wire, and rsocket-java keeps them apart, so this type does too. Data cannot be
/// absent, only empty.
///
/// Both parts are cheap to clone: they are counted references into the buffer that was received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// Metadata, at most 16,777,215 bytes (its length field has 24 bits).
    pub metadata: Option<Bytes>,
    /// Data; takes the rest of the frame.
    pub data: Bytes,
}

impl Payload {
    /// A payload of data alone, without metadata.
    pub fn from_data(data: impl Into<Bytes>) -> Self {
        Self { metadata: None, data: data.into() }
    }

    /// A payload of metadata and data, both of which may be empty.
    pub fn new(metadata: impl Into<Bytes>, data: impl Into<Bytes>) -> Self {
        Self { metadata: Some(metadata.into()), data: data.into() }
    }

    /// Bytes that this payload takes in a frame: the data, and where there is metadata, it and its length field.
    pub fn encoded_len(&self) -> usize {
        self.data.len() + self.metadata.as_ref().map_or(0, |metadata| 3 + metadata.len())
    }
}
