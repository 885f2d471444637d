use super::{Body, Frame};
use crate::rsocket::Payload;

impl Frame {
    /// Takes off the first part of a frame that is longer than `max_len` bytes, as a fragment of at most that length, and
    /// leaves the rest as a PAYLOAD of the same stream (Protocol.md, "Fragmentation And Reassembly"). `None`, and no change,
    /// if the frame is short enough, or of a type that cannot be fragmented.
    ///
    /// Metadata goes before data; absent and empty stay apart. As rsocket-java demands, what follows the first fragment
    /// has flag N, and flag C moves to the last one. `max_len` is at least 61, so that something goes with each.
    pub(crate) fn split_first(&mut self, max_len: usize) -> Option<Self> {
        let len = self.encoded_len();
        if len <= max_len {
            return None;
        }
        let (payload, follows, complete) = match &mut self.body {
            Body::RequestResponse { follows, payload }
            | Body::RequestFnf { follows, payload }
            | Body::RequestStream { follows, payload, .. } => (payload, follows, None),
            Body::RequestChannel { follows, complete, payload, .. }
            | Body::Payload { follows, complete, payload, .. } => {
                (payload, follows, Some(complete))
            }
            _ => return None,
        };
        let room = max_len.saturating_sub(len - payload.encoded_len());
        let first = payload.split_first(room)?;
        let rest = std::mem::replace(payload, first);
        *follows = true;
        let complete = complete.is_some_and(std::mem::take);
        let rest = Body::Payload { follows: false, complete, next: true, payload: rest };
        Some(std::mem::replace(self, Self::new(self.stream_id, rest)))
    }
}

impl Payload {
    /// Takes off what fits into `room` bytes, length field included; `None` if that is nothing.
    fn split_first(&mut self, room: usize) -> Option<Self> {
        let mut room = room;
        let metadata = match &mut self.metadata {
            None => None,
            Some(metadata) => {
                room = room.checked_sub(METADATA_LENGTH)?;
                let first = metadata.split_to(metadata.len().min(room));
                room -= first.len();
                if metadata.is_empty() {
                    self.metadata = None;
                }
                Some(first)
            }
        };
        let data = match self.metadata {
            None => self.data.split_to(self.data.len().min(room)),
            Some(_) => bytes::Bytes::new(),
        };
        let is_something = !data.is_empty() || metadata.is_some();
        is_something.then_some(Self { metadata, data })
    }
}

/// Bytes of the field that tells the length of metadata.
const METADATA_LENGTH: usize = 3;
