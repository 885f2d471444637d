use super::event::Violation;
use crate::rsocket::Payload;
use crate::rsocket::frame::FrameType;
use bytes::BytesMut;

/// A payload that comes in fragments, and what it will be when it is whole.
#[derive(Debug)]
pub(super) struct Assembly {
    /// Of the request that opens its stream when it is whole; otherwise it is the next payload of an open one.
    pub(super) head: Option<Head>,
    metadata: Option<BytesMut>,
    data: BytesMut,
    /// What it counts as against its limits.
    cost: usize,
}

/// What a request says, apart from its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Which request.
    pub(super) frame_type: FrameType,
    /// Of a stream or channel.
    pub(super) initial_n: u32,
    /// Of a channel.
    pub(super) complete: bool,
}

/// What fragments of one payload, and of all payloads of a connection, may come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) payload: usize,
    /// What is left for the whole connection.
    pub(super) connection: usize,
}

impl Assembly {
    pub(super) fn new(head: Option<Head>) -> Self {
        Self { head, metadata: None, data: BytesMut::new(), cost: 0 }
    }

    /// Adds a fragment; gives by how much the cost has grown.
    ///
    /// Short fragments cost as much as those of the smallest MTU, so that a flood of them comes to its limit, too
    /// (rsocket-java refuses them outright).
    pub(super) fn add(&mut self, fragment: &Payload, limits: Limits) -> Result<usize, Violation> {
        let cost = fragment.encoded_len().max(FRAGMENT_COST);
        if self.cost + cost > limits.payload {
            return Err(Violation::PayloadTooLong { limit: limits.payload });
        }
        if cost > limits.connection {
            return Err(Violation::TooMuchUnfinished);
        }
        self.cost += cost;
        if let Some(metadata) = &fragment.metadata {
            self.metadata.get_or_insert_default().extend_from_slice(metadata);
        }
        self.data.extend_from_slice(&fragment.data);
        Ok(cost)
    }

    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    pub(super) fn finish(self) -> Payload {
        Payload { metadata: self.metadata.map(BytesMut::freeze), data: self.data.freeze() }
    }
}

/// The payload of a whole fragment at the smallest MTU, 64, is a little shorter than this.
const FRAGMENT_COST: usize = 64;
