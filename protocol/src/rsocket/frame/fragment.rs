use super::{Body, Frame};
use crate::rsocket::Payload;

impl Frame {
    /// Takes off the first part of a frame that is longer than `max_len` bytes, as a fragment of at most that length, and
    /// leaves the rest as a PAYLOAD of the same stream (Protocol.md, "Fragmentation And Reassembly"). `None`, and no change,
    /// if the frame is short enough, or of a type that cannot be fragmented.
    ///
    /// Metadata goes before data; absent and empty stay apart. As rsocket-java demands, what follows the first fragment
    /// has flag N. None has flag C: [`take_completion`](Self::take_completion) goes first. `max_len` is at least 61, so that something
    /// goes with each.
    pub(crate) fn split_first(&mut self, max_len: usize) -> Option<Self> {
        let len = self.encoded_len();
        if len <= max_len {
            return None;
        }
        let (Body::RequestResponse { follows, payload }
        | Body::RequestFnf { follows, payload }
        | Body::RequestStream { follows, payload, .. }
        | Body::RequestChannel { follows, payload, .. }
        | Body::Payload { follows, payload, .. }) = &mut self.body
        else {
            return None;
        };
        let room = max_len.saturating_sub(len - payload.encoded_len());
        let first = payload.split_first(room)?;
        let rest = std::mem::replace(payload, first);
        *follows = true;
        let rest = Body::Payload { follows: false, complete: false, next: true, payload: rest };
        Some(std::mem::replace(self, Self::new(self.stream_id, rest)))
    }

    /// Takes flag C off a frame that is longer than `max_len` bytes, so that it will go in fragments, and makes a frame of its own
    /// of it, to be sent after them. Several peers look at the flags of a payload's first fragment alone, and others at
    /// those of its last; all of them understand this.
    pub(crate) fn take_completion(&mut self, max_len: usize) -> Option<Self> {
        if self.encoded_len() <= max_len {
            return None;
        }
        let (Body::RequestChannel { complete, .. } | Body::Payload { complete, .. }) =
            &mut self.body
        else {
            return None;
        };
        let payload = Payload::default();
        let body = Body::Payload { follows: false, complete: true, next: false, payload };
        std::mem::take(complete).then(|| Self::new(self.stream_id, body))
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
