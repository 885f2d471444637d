use crate::frame::{Frame, StreamId};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

/// Frames that wait to be sent: those about the connection first, then the streams', one frame a stream in turn.
///
/// Frames keep the payloads as counted slices; they become bytes when they are taken.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    control: VecDeque<Frame>,
    streams: BTreeMap<StreamId, Waiting>,
    /// Streams with a frame to send, each once, by its turn.
    turns: BTreeMap<u64, StreamId>,
    next_turn: u64,
    bytes: usize,
    stream_frames: usize,
}

/// What one stream has to send; never empty.
#[derive(Debug)]
struct Waiting {
    turn: u64,
    frames: VecDeque<Frame>,
}

impl Outbound {
    pub(super) fn push_control(&mut self, frame: Frame) {
        self.bytes += frame.encoded_len();
        self.control.push_back(frame);
    }

    pub(super) fn push_stream(&mut self, frame: Frame) {
        self.bytes += frame.encoded_len();
        self.stream_frames += 1;
        match self.streams.entry(frame.stream_id) {
            Entry::Occupied(waiting) => waiting.into_mut().frames.push_back(frame),
            Entry::Vacant(vacant) => {
                self.turns.insert(self.next_turn, frame.stream_id);
                vacant.insert(Waiting { turn: self.next_turn, frames: VecDeque::from([frame]) });
                self.next_turn += 1;
            }
        }
    }

    /// The next frame by the order of the type's documentation.
    pub(super) fn pop(&mut self) -> Option<Frame> {
        let frame = match self.control.pop_front() {
            Some(frame) => frame,
            None => self.pop_stream()?,
        };
        self.bytes -= frame.encoded_len();
        Some(frame)
    }

    /// Forgets what waits for a stream, and says whether anything did.
    pub(super) fn drop_stream(&mut self, stream_id: StreamId) -> bool {
        let Some(waiting) = self.streams.remove(&stream_id) else { return false };
        self.turns.remove(&waiting.turn);
        self.stream_frames -= waiting.frames.len();
        self.bytes -= waiting.frames.iter().map(Frame::encoded_len).sum::<usize>();
        true
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.control.is_empty() && self.turns.is_empty()
    }

    /// Bytes of all frames that wait, without prefixes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Frames that wait.
    pub(super) fn frames(&self) -> usize {
        self.control.len() + self.stream_frames
    }

    fn pop_stream(&mut self) -> Option<Frame> {
        let (_, stream_id) = self.turns.pop_first()?;
        let waiting = self.streams.get_mut(&stream_id)?;
        let frame = waiting.frames.pop_front()?;
        self.stream_frames -= 1;
        if waiting.frames.is_empty() {
            self.streams.remove(&stream_id);
        } else {
            waiting.turn = self.next_turn;
            self.turns.insert(self.next_turn, stream_id);
            self.next_turn += 1;
        }
        Some(frame)
    }
}
