//! What holds of a connection, as its contract says.

use bytes::Bytes;
use prometheus_rsocket_protocol::rsocket::connection::{CloseReason, Config, Event, StreamFailure};
use prometheus_rsocket_protocol::rsocket::frame::{Body, Frame, FrameType};
use prometheus_rsocket_protocol::{Connection, Machine};
use std::collections::{BTreeMap, VecDeque};

pub(super) struct Check {
    config: Config,
    is_over: bool,
    /// The violation that ended it, once it is told, and the last frame that was sent.
    last: Option<Bytes>,
}

impl Check {
    pub(super) fn new(config: &Config) -> Self {
        // As `Config` says: one may always wait.
        let mut config = config.clone();
        config.max_events = config.max_events.max(1);
        config.max_event_bytes = config.max_event_bytes.max(1);
        config.max_queued_frames = config.max_queued_frames.max(1);
        config.max_queued_output = config.max_queued_output.max(1);
        Self { config, is_over: false, last: None }
    }

    /// Rules 5 and 8, as far as can be seen.
    pub(super) fn after(&self, connection: &Connection) {
        assert!(connection.open_streams() <= 2 * self.config.max_open_streams);
        let timer = connection.next_timer().map(|(at, _)| at);
        assert_eq!(connection.poll_timeout(), timer);
        assert!(!self.is_over || connection.is_closed(), "it told its end, and is not over");
        if connection.is_closed() {
            assert!(!connection.wants_input() && !connection.wants_transport());
            assert_eq!((timer, connection.open_streams()), (None, 0));
        }
    }

    /// What was sent in one go; `is_all` that waited.
    pub(super) fn sent<'a>(&mut self, frames: impl Iterator<Item = &'a Bytes>, is_all: bool) {
        let frames: Vec<_> = frames.collect();
        self.last = frames.last().map(|frame| Bytes::clone(frame)).or_else(|| self.last.take());
        let (mut count, mut bytes, mut longest) = (0, 0, 0);
        let mut streams = Vec::new();
        let mut is_about_connection = true;
        for (at, bytes_of) in frames.iter().enumerate() {
            let frame = Frame::decode(Bytes::clone(bytes_of)).expect("one of ours can be read");
            let is_last_word = at + 1 == frames.len() && is_error(&frame);
            is_about_connection &= frame.stream_id.is_connection();
            let is_in_order = is_about_connection
                || !frame.stream_id.is_connection()
                || is_last_word
                || self.config.resume.is_some();
            assert!(is_in_order, "rule 7: not before what streams have to say");
            if !frame.stream_id.is_connection() {
                streams.push(frame.stream_id.get());
                self.check_fragment(&frame, bytes_of.len());
            }
            // Of a payload in fragments, the first stands for all.
            let is_counted = !is_fragment(&frame);
            count += usize::from(is_counted);
            bytes += bytes_of.len();
            longest = longest.max(bytes_of.len());
        }
        if is_all && self.config.resume.is_none() {
            assert_eq!(streams, in_turn(&streams), "rule 7: not in turn");
            // An end for each stream, a tick, and the connection's own last frame.
            let beyond = 2 * self.config.max_open_streams + 2;
            let limit = self.config.max_queued_frames.saturating_add(beyond);
            assert!(count <= limit, "rule 5: {count} frames waited");
            let limit = self.config.max_queued_output.saturating_add(beyond * 100);
            let overhead = frames.len() * 16 + 600;
            assert!(bytes <= limit + overhead + longest, "rule 5: {bytes} bytes waited");
        }
    }

    fn check_fragment(&self, frame: &Frame, len: usize) {
        let is_cut = matches!(
            frame.body.frame_type(),
            FrameType::RequestResponse
                | FrameType::RequestFnf
                | FrameType::RequestStream
                | FrameType::RequestChannel
                | FrameType::Payload
        );
        if let (true, Some(mtu)) = (is_cut, self.config.mtu) {
            assert!(len <= mtu.max(64) - 3, "a fragment of {len} bytes at an MTU of {mtu}");
        }
    }

    /// What was taken in one go; `is_all` that waited.
    pub(super) fn took(&mut self, events: &[Event], is_all: bool) {
        for event in events {
            assert!(!self.is_over, "rule 8: {event:?} after the end");
            if let Event::Closed { reason } = event {
                self.is_over = true;
                self.check_end(reason);
            }
        }
        if is_all {
            let lens = || events.iter().map(payload_len);
            // A frame makes two events at most, and closing one for each stream and its own. Resumption tells, too.
            let limit = self.config.max_events.saturating_add(2 * self.config.max_open_streams + 4);
            assert!(events.len() <= limit, "rule 5: {} events waited: {events:#?}", events.len());
            let (sum, longest) = (lens().sum::<usize>(), lens().max().unwrap_or(0));
            let limit = self.config.max_event_bytes.saturating_add(longest);
            assert!(sum <= limit, "rule 5: {sum} bytes of events waited");
        }
    }

    /// Rule 2: what the peer did wrong is answered, if there was time to.
    fn check_end(&self, reason: &CloseReason) {
        let CloseReason::Violation(violation) = reason else { return };
        let frame =
            self.last.as_ref().map(|last| Frame::decode(last.clone()).expect("one of ours"));
        if let Some(Frame { stream_id, body: Body::Error { data, code }, .. }) = frame
            && stream_id.is_connection()
        {
            assert_eq!(data, violation.to_string());
            assert!(code.0 < 0x201, "{code} is no connection's");
        }
    }
}

fn is_error(frame: &Frame) -> bool {
    frame.stream_id.is_connection() && matches!(frame.body, Body::Error { .. })
}

/// Whether more of the same follows.
fn is_fragment(frame: &Frame) -> bool {
    match &frame.body {
        Body::RequestResponse { follows, .. }
        | Body::RequestFnf { follows, .. }
        | Body::RequestStream { follows, .. }
        | Body::RequestChannel { follows, .. }
        | Body::Payload { follows, .. } => *follows,
        _ => false,
    }
}

/// One of each stream in turn, the streams in the order of their first.
fn in_turn(sent: &[u32]) -> Vec<u32> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    let mut turns = VecDeque::new();
    for stream in sent {
        let count = counts.entry(*stream).or_default();
        if *count == 0 {
            turns.push_back(*stream);
        }
        *count += 1;
    }
    let mut order = Vec::new();
    while let Some(stream) = turns.pop_front() {
        let Some(count) = counts.get_mut(&stream) else { continue };
        order.push(stream);
        *count -= 1;
        if *count > 0 {
            turns.push_back(stream);
        }
    }
    order
}

/// Bytes of payload that an event keeps.
pub(super) fn payload_len(event: &Event) -> usize {
    match event {
        Event::Extension { payload, .. }
        | Event::FireAndForget { payload, .. }
        | Event::Payload { payload, .. }
        | Event::RequestChannel { payload, .. }
        | Event::RequestResponse { payload, .. }
        | Event::RequestStream { payload, .. } => payload.encoded_len(),
        Event::Response { payload, .. } => payload.as_ref().map_or(0, |it| it.encoded_len()),
        Event::LeaseReceived { metadata, .. } => metadata.as_ref().map_or(0, Bytes::len),
        Event::MetadataPush { metadata } => metadata.len(),
        Event::PeerFailed { data, .. }
        | Event::RequestFailed { error: StreamFailure::Error { data, .. }, .. } => data.len(),
        Event::SetupReceived { setup } => setup.payload.encoded_len(),
        _ => 0,
    }
}
