use super::{DecodeError, Frame};
use bytes::Bytes;

impl Frame {
    /// stub
    pub fn decode(_bytes: Bytes) -> Result<Self, DecodeError> {
        todo!()
    }
}
