use crate::frame::{Frame, StreamId};
use std::collections::{BTreeMap, VecDeque};

/// Frames that wait to be sent: those about the connection first, then the streams', one frame a stream in turn.
///
/// Frames keep the payloads as counted slices; they become bytes when they are taken.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    control: VecDeque<Frame>,
    streams: BTreeMap<StreamId, VecDeque<Frame>>,
    /// Streams with a frame to send, each once.
    turns: VecDeque<StreamId>,
    bytes: usize,
    stream_frames: usize,
}

impl Outbound {
    pub(super) fn push_control(&mut self, frame: Frame) {
        self.bytes += frame.encoded_len();
        self.control.push_back(frame);
    }

    pub(super) fn push_stream(&mut self, frame: Frame) {
        self.bytes += frame.encoded_len();
        self.stream_frames += 1;
        let queue = self.streams.entry(frame.stream_id).or_default();
        if queue.is_empty() {
            self.turns.push_back(frame.stream_id);
        }
        queue.push_back(frame);
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
        let Some(queue) = self.streams.remove(&stream_id) else { return false };
        self.turns.retain(|turn| *turn != stream_id);
        self.stream_frames -= queue.len();
        self.bytes -= queue.iter().map(Frame::encoded_len).sum::<usize>();
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
        let stream_id = self.turns.pop_front()?;
        let queue = self.streams.get_mut(&stream_id)?;
        let frame = queue.pop_front()?;
        self.stream_frames -= 1;
        if queue.is_empty() {
            self.streams.remove(&stream_id);
        } else {
            self.turns.push_back(stream_id);
        }
        Some(frame)
    }
}
