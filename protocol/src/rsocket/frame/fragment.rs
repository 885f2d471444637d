use super::{Body, Frame};
use crate::rsocket::Payload;

impl Frame {
    /// Splits the first fragment, of at most `max_len` bytes, off a frame that is longer than that, and leaves the rest as a
    /// PAYLOAD of the same stream (Protocol.md, "Fragmentation And Reassembly"). Returns `None`, and changes nothing, if the
    /// frame is short enough, or if its type cannot be fragmented.
    ///
    /// Metadata goes before data; absent and empty metadata stay distinct. The fragments after the first have flag N, as
    /// rsocket-java demands. No fragment has flag C if [`take_completion`](Self::take_completion) was called first. `max_len`
    /// must be at least 61, so that every fragment carries something.
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

    /// Clears flag C of a frame that is longer than `max_len` bytes, and returns a PAYLOAD frame with flag C alone, to be sent
    /// after the fragments. Several peers read only the flags of a payload's first fragment, and others only those of its last;
    /// all of them understand the separate frame.
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
    /// Splits off what fits into `room` bytes, length field included; `None` if nothing fits.
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

/// The length of the field for the length of metadata, in bytes.
const METADATA_LENGTH: usize = 3;
