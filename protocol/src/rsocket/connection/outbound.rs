use crate::rsocket::frame::{Body, Frame, StreamId};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

/// Frames that wait to be sent: first those that concern the connection, then those of the streams in turn, one frame or
/// fragment of each stream at a time.
///
/// Frames hold their payloads as reference-counted slices. They are fragmented and encoded when they are taken.
#[derive(Debug)]
pub(super) struct Outbound {
    /// The longest frame of a stream; a longer one is fragmented.
    fragment_len: usize,
    control: VecDeque<Frame>,
    streams: BTreeMap<StreamId, Waiting>,
    /// Streams with a frame to send, each once, in the order of their turns.
    turns: BTreeMap<u64, StreamId>,
    next_turn: u64,
    bytes: usize,
    /// The part of `bytes` that belongs to answers to KEEPALIVE.
    echo_bytes: usize,
    stream_frames: usize,
}

/// The frames that one stream has to send; never empty.
#[derive(Debug)]
struct Waiting {
    turn: u64,
    frames: VecDeque<Frame>,
}

impl Outbound {
    pub(super) fn new(fragment_len: usize) -> Self {
        Self {
            fragment_len,
            control: VecDeque::new(),
            streams: BTreeMap::new(),
            turns: BTreeMap::new(),
            next_turn: 0,
            bytes: 0,
            echo_bytes: 0,
            stream_frames: 0,
        }
    }

    pub(super) fn push_control(&mut self, frame: Frame) {
        self.bytes += frame.encoded_len();
        self.echo_bytes += echo_len(&frame);
        self.control.push_back(frame);
    }

    /// Queues a frame. If it will be fragmented and has flag C, it becomes two frames.
    pub(super) fn push_stream(&mut self, mut frame: Frame) {
        let completion = frame.take_completion(self.fragment_len);
        self.push_stream_frame(frame);
        if let Some(completion) = completion {
            self.push_stream_frame(completion);
        }
    }

    fn push_stream_frame(&mut self, frame: Frame) {
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

    /// Takes the next frame, in the order that the type documents.
    pub(super) fn pop(&mut self) -> Option<Frame> {
        self.pop_control().or_else(|| self.pop_stream())
    }

    /// Takes the next frame that concerns the connection.
    pub(super) fn pop_control(&mut self) -> Option<Frame> {
        let frame = self.control.pop_front()?;
        self.bytes -= frame.encoded_len();
        self.echo_bytes -= echo_len(&frame);
        Some(frame)
    }

    pub(super) fn has_control(&self) -> bool {
        !self.control.is_empty()
    }

    /// Drops all frames that concern the connection.
    pub(super) fn clear_control(&mut self) {
        while self.pop_control().is_some() {}
    }

    /// Drops all frames of a stream. Returns whether its request was the first of them, so that the peer does not know the
    /// stream.
    pub(super) fn drop_stream(&mut self, stream_id: StreamId) -> bool {
        let Some(waiting) = self.streams.remove(&stream_id) else { return false };
        self.turns.remove(&waiting.turn);
        self.stream_frames -= waiting.frames.len();
        self.bytes -= waiting.frames.iter().map(Frame::encoded_len).sum::<usize>();
        waiting.frames.front().is_some_and(|frame| opens_stream(&frame.body))
    }

    /// Drops the payloads of a stream, but no other frames.
    pub(super) fn drop_payloads(&mut self, stream_id: StreamId) {
        let Some(mut waiting) = self.streams.remove(&stream_id) else { return };
        self.turns.remove(&waiting.turn);
        for frame in waiting.frames.drain(..) {
            self.stream_frames -= 1;
            self.bytes -= frame.encoded_len();
            if !matches!(frame.body, Body::Payload { .. }) {
                self.push_stream(frame);
            }
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.fragment_len);
    }

    /// Whether a stream has frames to send.
    pub(super) fn has_stream(&self, stream_id: StreamId) -> bool {
        self.streams.contains_key(&stream_id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.control.is_empty() && self.turns.is_empty()
    }

    /// Bytes of all queued frames, without prefixes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of the queued answers to KEEPALIVE.
    pub(super) fn echo_bytes(&self) -> usize {
        self.echo_bytes
    }

    /// How many frames are queued.
    pub(super) fn frames(&self) -> usize {
        self.control.len() + self.stream_frames
    }

    fn pop_stream(&mut self) -> Option<Frame> {
        let (_, stream_id) = self.turns.pop_first()?;
        let waiting = self.streams.get_mut(&stream_id)?;
        let mut frame = waiting.frames.pop_front()?;
        self.bytes -= frame.encoded_len();
        let frame = match frame.split_first(self.fragment_len) {
            Some(fragment) => {
                self.bytes += frame.encoded_len();
                waiting.frames.push_front(frame);
                fragment
            }
            None => {
                self.stream_frames -= 1;
                frame
            }
        };
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

/// The length of an answer to KEEPALIVE; 0 for any other frame.
fn echo_len(frame: &Frame) -> usize {
    match frame.body {
        Body::KeepAlive { respond: false, .. } => frame.encoded_len(),
        _ => 0,
    }
}

fn opens_stream(body: &Body) -> bool {
    matches!(
        body,
        Body::RequestChannel { .. }
            | Body::RequestFnf { .. }
            | Body::RequestResponse { .. }
            | Body::RequestStream { .. }
    )
}
