//! A reference model of one side of a connection: the state of its streams, and what it owes to its peer and to its owner.
//!
//! The model is told about the owner's commands, about frames that the connection receives and sends, and about its events. It panics if these differ
//! from what the specification's table of a stream's lifetime demands.

mod hear;
mod life;
mod say;
mod table;

pub(crate) use life::Refusal;
pub(crate) use table::Signal;

use crate::world::Who;
use bytes::Bytes;
use life::Life;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::{
    Config, Event, Refusal as Refused, StreamFailure, Violation,
};
use prometheus_rsocket_protocol::rsocket::frame::{Body, ErrorCode, Frame, StreamId};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

pub(crate) struct Model {
    who: Who,
    config: Config,
    is_set_up: bool,
    /// RESUME is not answered yet.
    is_resuming: bool,
    /// The received position when the connection was resumed.
    resumed_at: u64,
    is_over: bool,
    streams: BTreeMap<StreamId, Life>,
    /// How many streams we have opened.
    opened: u32,
    /// Complete frames that are to be sent, by stream.
    owed: BTreeMap<StreamId, VecDeque<Frame>>,
    /// What was sent of the first of them, in fragments.
    begun: BTreeMap<StreamId, Frame>,
    /// The events about streams that the owner has yet to receive.
    events: VecDeque<Event>,
    /// All frames that have a position, in the order in which they were first sent.
    sent: Vec<Bytes>,
    /// How many of them were sent, counted again from where the connection was resumed.
    at: usize,
    /// All such frames that were received.
    heard: Vec<Bytes>,
    /// `None` if leases are not used.
    leases: Option<Leases>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Leases {
    granted: Lease,
    /// Granted over earlier transports: what was sent under it may arrive late.
    carried: u32,
    received: Lease,
}

#[derive(Clone, Copy, Debug, Default)]
struct Lease {
    left: u32,
    until: Option<Instant>,
}

impl Model {
    pub(crate) fn new(who: Who, config: &Config) -> Self {
        Self {
            who,
            config: config.clone(),
            is_set_up: who == Who::Client,
            is_resuming: false,
            resumed_at: 0,
            is_over: false,
            streams: BTreeMap::new(),
            opened: 0,
            owed: BTreeMap::new(),
            begun: BTreeMap::new(),
            events: VecDeque::new(),
            sent: Vec::new(),
            at: 0,
            heard: Vec::new(),
            leases: config.serve_leases.then(Leases::default),
        }
    }

    /// Checks that events about streams are the expected ones, in order.
    pub(crate) fn on_event(&mut self, event: &Event) {
        let is_about_streams = !matches!(
            event,
            Event::Closed { .. }
                | Event::Extension { .. }
                | Event::LeaseReceived { .. }
                | Event::MetadataPush { .. }
                | Event::Resumed
                | Event::SetupReceived { .. }
                | Event::Suspended
        );
        if is_about_streams {
            assert_eq!(self.events.pop_front().as_ref(), Some(event));
        }
        if matches!(event, Event::Closed { .. }) {
            assert_eq!(self.events, [], "not told before the end");
        }
    }

    /// The connection is over, or about to be, and so are all streams.
    pub(crate) fn on_end(&mut self) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        for (stream_id, life) in std::mem::take(&mut self.streams) {
            if life.is_mine {
                let error = StreamFailure::Closed;
                self.events.push_back(Event::RequestFailed { stream_id, error });
            } else if life.interaction.is_some() {
                self.events.push_back(Event::Canceled { stream_id });
            }
        }
    }

    /// "Leasing semantics are NOT assumed to carry over".
    pub(crate) fn on_suspended(&mut self) {
        self.is_resuming = false;
        if let Some(leases) = &mut self.leases {
            leases.received = Lease::default();
        }
    }

    pub(crate) fn on_resuming(&mut self) {
        self.is_resuming = true;
    }

    /// The connection continues over a new transport, and the peer has received what was sent up to this position.
    pub(crate) fn on_resumed(&mut self, position: u64) {
        self.is_resuming = false;
        self.resumed_at = self.position();
        let mut end = 0;
        let is_there = |frame: &&Bytes| {
            end += frame.len() as u64;
            end <= position
        };
        self.at = self.sent.iter().take_while(is_there).count();
        if let Some(leases) = &mut self.leases {
            leases.carried = leases.carried.saturating_add(leases.granted.left);
            (leases.granted, leases.received) = Default::default();
        }
    }

    pub(crate) fn on_granted(&mut self, now: Instant, ttl: Duration, requests: u32) {
        if let Some(leases) = &mut self.leases {
            let left = if ttl.is_zero() { 0 } else { requests };
            leases.granted = Lease { left, until: Some(now + ttl) };
        }
    }

    /// Checks that nothing is owed any more.
    pub(crate) fn assert_quiet(&self) {
        assert!(self.owed.is_empty() && self.begun.is_empty(), "not sent: {:?}", self.owed);
        assert_eq!(self.events, [], "not told");
        assert_eq!(self.at, self.sent.len(), "not sent again");
    }

    pub(crate) fn sent(&self) -> &[Bytes] {
        &self.sent
    }

    pub(crate) fn heard(&self) -> &[Bytes] {
        &self.heard
    }

    /// Returns the received position, in bytes.
    pub(crate) fn position(&self) -> u64 {
        self.heard.iter().map(|frame| frame.len() as u64).sum()
    }

    pub(crate) fn streams(&self) -> Vec<StreamId> {
        self.streams.keys().copied().collect()
    }

    pub(crate) fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// Returns what may be sent on each stream.
    pub(crate) fn credits(&self) -> impl Iterator<Item = (StreamId, u32)> {
        self.streams.iter().map(|(id, life)| (*id, life.half(life.me()).unwrap_or(0)))
    }

    /// Returns whether an open stream is a REQUEST_RESPONSE.
    pub(crate) fn is_answer(&self, id: StreamId) -> Option<bool> {
        Some(self.streams.get(&id)?.interaction? == table::Interaction::Response)
    }

    /// Returns how many requests the peer still accepts.
    pub(crate) fn lease_left(&self, now: Instant) -> u32 {
        self.leases.map_or(u32::MAX, |leases| leases.received.left_at(now))
    }

    fn count(&self, is_mine: bool) -> usize {
        self.streams.values().filter(|life| life.is_mine == is_mine).count()
    }

    /// Whether streams with this id are ours to open.
    fn is_ours(&self, id: StreamId) -> bool {
        let parity = if self.who == Who::Client { 1 } else { 0 };
        !id.is_connection() && id.get() % 2 == parity
    }

    /// Returns the id of our next stream: "start at 1 and increment by 2 sequentially"; a server begins at 2.
    fn next_id(&self) -> StreamId {
        let first = if self.who == Who::Client { 1 } else { 2 };
        StreamId::new(first + 2 * self.opened)
    }

    /// Queues a frame. A last payload that will be fragmented is followed by a frame that completes the stream, since some peers ignore flag C of
    /// fragments.
    fn owe(&mut self, id: StreamId, body: Body) {
        let mut frame = Frame::new(id, body);
        let is_long = frame.encoded_len() > self.longest_frame();
        let owed = self.owed.entry(id).or_default();
        match &mut frame.body {
            Body::RequestChannel { complete, .. } | Body::Payload { complete, .. }
                if is_long && *complete =>
            {
                *complete = false;
                let payload = Payload::default();
                let body = Body::Payload { follows: false, complete: true, next: false, payload };
                owed.extend([frame, Frame::new(id, body)]);
            }
            _ => owed.push_back(frame),
        }
    }

    /// Returns the length of the longest frame of a stream that is sent in one piece.
    fn longest_frame(&self) -> usize {
        self.config.mtu.map_or(usize::MAX, |mtu| mtu - 3)
    }

    /// Drops what is queued on a stream.
    fn forgive(&mut self, id: StreamId) {
        self.owed.remove(&id);
        self.begun.remove(&id);
    }

    /// Cancels a request of ours. The peer need not know of one that was not sent.
    fn abandon(&mut self, id: StreamId) {
        let is_request = |frame: &Frame| {
            matches!(
                frame.body,
                Body::RequestResponse { .. }
                    | Body::RequestStream { .. }
                    | Body::RequestChannel { .. }
            )
        };
        let waiting = self.owed.get(&id).and_then(VecDeque::front);
        let is_unsent = waiting.is_some_and(is_request) && !self.begun.contains_key(&id);
        self.forgive(id);
        if !is_unsent {
            self.owe(id, Body::Cancel);
        }
    }

    /// Answers a request that breaks no rule by refusing it.
    fn refuse(&mut self, stream_id: StreamId, refusal: Refused) {
        let data = refusal.to_string().into();
        self.owe(stream_id, Body::Error { code: ErrorCode::REJECTED, data });
        self.events.push_back(Event::RequestRefused { stream_id, refusal });
    }

    /// Answers a frame that the peer must not send on a stream that is not open, or no longer open.
    fn rebuke(&mut self, stream_id: StreamId, violation: Violation) {
        let data = violation.to_string().into();
        self.owe(stream_id, Body::Error { code: violation.code(), data });
        self.events.push_back(Event::StreamViolation { stream_id, violation });
    }
}

impl Lease {
    fn left_at(&self, now: Instant) -> u32 {
        if self.until.is_some_and(|until| until > now) { self.left } else { 0 }
    }

    /// Uses up one request. A lease that is over stays over.
    fn take(&mut self, now: Instant) -> bool {
        self.left = self.left_at(now);
        let had = self.left > 0;
        self.left = self.left.saturating_sub(1);
        had
    }
}
