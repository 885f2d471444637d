use super::event::Violation;
use crate::rsocket::Payload;
use crate::rsocket::frame::FrameType;
use bytes::BytesMut;

/// A payload during its reassembly from fragments.
#[derive(Debug)]
pub(super) struct Assembly {
    /// The fields of the request that opens a stream when the payload is complete; `None` if the payload is the next one of an
    /// open stream.
    pub(super) head: Option<Head>,
    metadata: Option<BytesMut>,
    data: BytesMut,
    /// The bytes that count towards the limits.
    cost: usize,
}

/// The fields of a request apart from its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The kind of request.
    pub(super) frame_type: FrameType,
    /// The initial credit of a stream or channel; 0 otherwise.
    pub(super) initial_n: u32,
    /// Flag C of a channel; false otherwise.
    pub(super) complete: bool,
}

/// Limits on the cost of the fragments of one payload, and of all payloads of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) payload: usize,
    /// What is left of the connection's limit.
    pub(super) connection: usize,
}

impl Assembly {
    pub(super) fn new(head: Option<Head>) -> Self {
        Self { head, metadata: None, data: BytesMut::new(), cost: 0 }
    }

    /// Adds a fragment. Returns by how much the cost has grown.
    ///
    /// Short fragments cost as much as those of the smallest MTU, so that a flood of them reaches the limit too (rsocket-java
    /// refuses short fragments).
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

/// The smallest MTU. A fragment of that MTU has a slightly shorter payload.
const FRAGMENT_COST: usize = 64;
