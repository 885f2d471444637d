use crate::frame::StreamId;
use std::collections::BTreeMap;

/// An open stream, by who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// We sent REQUEST_RESPONSE.
    Requested,
    /// The peer did.
    Received,
}

/// The open streams of both sides, counted by side.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: BTreeMap<StreamId, Stream>,
    requested: usize,
}

impl Streams {
    /// Opens a stream that is not open.
    pub(super) fn insert(&mut self, stream_id: StreamId, stream: Stream) {
        let previous = self.open.insert(stream_id, stream);
        debug_assert_eq!(previous, None, "ids in use are skipped or refused");
        self.requested += usize::from(stream == Stream::Requested);
    }

    pub(super) fn remove(&mut self, stream_id: StreamId) {
        let removed = self.open.remove(&stream_id);
        self.requested -= usize::from(removed == Some(Stream::Requested));
    }

    pub(super) fn get(&self, stream_id: StreamId) -> Option<Stream> {
        self.open.get(&stream_id).copied()
    }

    pub(super) fn count(&self, who: Stream) -> usize {
        match who {
            Stream::Requested => self.requested,
            Stream::Received => self.open.len() - self.requested,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

impl IntoIterator for Streams {
    type Item = (StreamId, Stream);
    type IntoIter = std::collections::btree_map::IntoIter<StreamId, Stream>;

    fn into_iter(self) -> Self::IntoIter {
        self.open.into_iter()
    }
}
