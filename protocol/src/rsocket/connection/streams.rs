use super::assembly::Assembly;
use super::credit::Balance;
use crate::rsocket::frame::StreamId;
use std::collections::BTreeMap;

/// One open stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) side: Side,
    pub(super) kind: Kind,
    /// Our direction, with the credit that the peer granted.
    pub(super) sending: Half,
    /// The peer's direction, with the credit that we granted.
    pub(super) receiving: Half,
    /// A payload of the peer's whose reassembly is not complete.
    pub(super) assembly: Option<Box<Assembly>>,
}

/// The side that opened a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The peer.
    Received,
    /// Ourselves.
    Requested,
}

/// The kind of request that opened a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// REQUEST_CHANNEL
    Channel,
    /// A request of the peer's whose reassembly is not complete; the owner does not know of it.
    Opening,
    /// REQUEST_RESPONSE
    Response,
    /// REQUEST_STREAM
    Stream,
}

/// One direction of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Closed,
    Open(Balance),
}

impl Half {
    pub(super) fn is_open(self) -> bool {
        self != Self::Closed
    }
}

impl Stream {
    pub(super) fn new(side: Side, kind: Kind, sending: Half, receiving: Half) -> Self {
        Self { side, kind, sending, receiving, assembly: None }
    }

    /// Whether the owner knows of the stream.
    pub(super) fn is_known(&self) -> bool {
        self.kind != Kind::Opening
    }

    /// Whether both directions are closed.
    pub(super) fn is_over(&self) -> bool {
        !self.sending.is_open() && !self.receiving.is_open()
    }
}

/// The open streams of both sides, counted by side.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: BTreeMap<StreamId, Stream>,
    requested: usize,
    /// The cost of all payloads whose reassembly is not complete.
    unfinished: usize,
}

impl Streams {
    /// Adds a stream, whose id must not be open.
    pub(super) fn insert(&mut self, stream_id: StreamId, stream: Stream) {
        self.requested += usize::from(stream.side == Side::Requested);
        let previous = self.open.insert(stream_id, stream);
        debug_assert!(previous.is_none(), "ids in use are skipped or refused");
    }

    pub(super) fn remove(&mut self, stream_id: StreamId) -> Option<Stream> {
        let stream = self.open.remove(&stream_id)?;
        self.requested -= usize::from(stream.side == Side::Requested);
        self.unfinished -= stream.assembly.as_ref().map_or(0, |assembly| assembly.cost());
        Some(stream)
    }

    pub(super) fn get(&self, stream_id: StreamId) -> Option<&Stream> {
        self.open.get(&stream_id)
    }

    /// A stream that the owner knows of.
    pub(super) fn known(&mut self, stream_id: StreamId) -> Option<&mut Stream> {
        self.open.get_mut(&stream_id).filter(|stream| stream.is_known())
    }

    pub(super) fn get_mut(&mut self, stream_id: StreamId) -> Option<&mut Stream> {
        self.open.get_mut(&stream_id)
    }

    /// Removes the stream if it is over.
    pub(super) fn tidy(&mut self, stream_id: StreamId) {
        if self.open.get(&stream_id).is_some_and(Stream::is_over) {
            self.remove(stream_id);
        }
    }

    pub(super) fn count(&self, side: Side) -> usize {
        match side {
            Side::Requested => self.requested,
            Side::Received => self.open.len() - self.requested,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The cost of all payloads whose reassembly is not complete.
    pub(super) fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// Notes that an unfinished payload has grown by `cost`.
    pub(super) fn on_unfinished(&mut self, cost: usize) {
        self.unfinished += cost;
    }

    /// Notes that an unfinished payload of this cost is complete or abandoned.
    pub(super) fn on_finished(&mut self, cost: usize) {
        self.unfinished -= cost;
    }
}

impl IntoIterator for Streams {
    type Item = (StreamId, Stream);
    type IntoIter = std::collections::btree_map::IntoIter<StreamId, Stream>;

    fn into_iter(self) -> Self::IntoIter {
        self.open.into_iter()
    }
}
