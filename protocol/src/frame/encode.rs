use super::Frame;
use bytes::BytesMut;

/// Why a frame cannot be encoded: a field is longer than its length field can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} of {len} bytes is over its limit of {limit}")]
pub struct EncodeError {
    /// Which field.
    pub field: &'static str,
    /// Its length in bytes.
    pub len: usize,
    /// The longest that the wire can carry.
    pub limit: usize,
}

impl Frame {
    /// stub
    pub fn encode(&self, _out: &mut BytesMut) -> Result<(), EncodeError> {
        todo!()
    }
    /// stub
    pub fn encoded_len(&self) -> usize {
        todo!()
    }
}
