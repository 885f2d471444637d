//! One RSocket connection of either role, as a machine without IO.

mod config;
mod event;
mod inbound;
mod keepalive;
mod outbound;
mod stream_ids;

#[cfg(test)]
mod tests;

pub use config::{Config, Framing};
pub use event::{CloseReason, Event, RequestError, StreamError, StreamFailure, Violation};

use crate::frame::{Body, ErrorCode, Frame, Setup, StreamId};
use crate::framing::{self, split_frame};
use crate::{Machine, Payload};
use bytes::{Bytes, BytesMut};
use keepalive::KeepAlive;
use outbound::Outbound;
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;
use stream_ids::StreamIds;

/// One RSocket 1.0 connection, client or server, without IO, clock, or randomness.
///
/// # Methods
/// | kind | methods |
/// |---|---|
/// | in | [`handle_input`](Machine::handle_input) (byte streams) or [`handle_frame`](Self::handle_frame) (message transports), [`handle_eof`](Machine::handle_eof), [`handle_timeout`](Machine::handle_timeout) |
/// | commands | [`request_response`](Self::request_response), [`fire_and_forget`](Self::fire_and_forget), [`metadata_push`](Self::metadata_push); on a stream [`respond`](Self::respond), [`complete`](Self::complete), [`reject`](Self::reject), [`cancel`](Self::cancel); [`close`](Self::close) |
/// | out | [`poll_transmit`](Machine::poll_transmit), [`poll_timeout`](Machine::poll_timeout), [`poll_event`](Self::poll_event) |
/// | getters | [`wants_input`](Machine::wants_input), [`is_closed`](Machine::is_closed), [`open_streams`](Self::open_streams), [`next_timer`](Self::next_timer) |
///
/// # Contract
/// 1. Methods may be called in any order; nothing needs to be drained first.
/// 2. No `handle_*` fails or panics, whatever the peer sends: a violation becomes an ERROR frame, and ends the stream or
///    the connection that it belongs to.
/// 3. After `handle_timeout(now)` the next timeout is later than `now`, or none.
/// 4. How the input was cut into pieces changes nothing.
/// 5. All that is held is bounded by [`Config`].
/// 6. While a bound is reached, `wants_input` is false and frames stay in the caller's buffer.
/// 7. Frames are encoded when polled: those about the connection first, then the streams' in turn.
/// 8. After [`Event::Closed`] there is no timeout and no output, and every method does nothing.
/// 9. The same calls give the same bytes and events.
///
/// # Not served yet
/// Streams, channels, fragmentation, lease and resumption. A peer's request for one is answered by the ERROR that the
/// specification names, on its stream or in place of the setup.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    config: Config,
    phase: Phase,
    keepalive: Option<KeepAlive>,
    ids: StreamIds,
    streams: BTreeMap<StreamId, Stream>,
    outbound: Outbound,
    events: VecDeque<Event>,
    event_bytes: usize,
    /// Bytes of an unfinished frame that the last input ended with.
    unfinished: usize,
    /// The peer's CONNECTION_CLOSE: the connection ends with its last stream.
    draining: Option<CloseReason>,
}

/// Which side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The side that opened the transport and sends SETUP.
    Client,
    /// The side that accepted it.
    Server,
}

/// What the next timeout is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimerReason {
    /// Closing takes too long.
    Close,
    /// The peer has been silent for its lifetime.
    KeepAliveExpiry,
    /// A KEEPALIVE is to be sent.
    KeepAliveTick,
    /// SETUP is late.
    Setup,
}

#[derive(Debug)]
enum Phase {
    AwaitingSetup { deadline: Instant },
    Open,
    Closing { deadline: Instant, ending: Box<Ending> },
    Closed,
}

/// What is left of a connection that is closing: why, and the frame that says so.
#[derive(Debug)]
struct Ending {
    reason: CloseReason,
    last: Frame,
}

/// An open stream, by who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    /// We sent REQUEST_RESPONSE.
    Requested,
    /// The peer did.
    Received,
}

impl Connection {
    /// A client's connection; its first frame is `setup`.
    ///
    /// Fails if SETUP cannot be encoded (a MIME type above 255 bytes, a token above 65,535) or is longer than a frame may be.
    pub fn client(config: Config, setup: Setup, now: Instant) -> Result<Self, RequestError> {
        let keepalive = KeepAlive::client(now, &setup);
        let mut connection = Self::new(Role::Client, config, Phase::Open);
        connection.keepalive = Some(keepalive);
        let frame = Frame::on_connection(Body::Setup(setup));
        connection.check_frame(&frame)?;
        connection.outbound.push_control(frame);
        Ok(connection)
    }

    /// A server's connection, which waits for SETUP.
    pub fn server(config: Config, now: Instant) -> Self {
        let deadline = now + config.setup_timeout;
        Self::new(Role::Server, config, Phase::AwaitingSetup { deadline })
    }

    fn new(role: Role, config: Config, phase: Phase) -> Self {
        Self {
            role,
            config,
            phase,
            keepalive: None,
            ids: StreamIds::new(role),
            streams: BTreeMap::new(),
            outbound: Outbound::default(),
            events: VecDeque::new(),
            event_bytes: 0,
            unfinished: 0,
            draining: None,
        }
    }

    /// Takes one frame of a transport that keeps messages apart, without prefix. Unlike
    /// [`handle_input`](Machine::handle_input) it takes the frame in any case; ask [`wants_input`](Machine::wants_input) first.
    pub fn handle_frame(&mut self, now: Instant, frame: Bytes) {
        if !self.is_receiving() {
            return;
        }
        let limit = self.max_received();
        if frame.len() > limit {
            let announced = frame.len();
            self.on_too_long(now, framing::FrameTooLong { announced, limit });
            return;
        }
        self.on_frame_bytes(now, frame);
        self.settle();
    }

    /// Sends REQUEST_RESPONSE; [`Event::Response`] or [`Event::RequestFailed`] follows under the returned id.
    pub fn request_response(&mut self, payload: Payload) -> Result<StreamId, RequestError> {
        let body = Body::RequestResponse { follows: false, payload };
        let stream_id = self.send_request(body)?;
        self.streams.insert(stream_id, Stream::Requested);
        Ok(stream_id)
    }

    /// Sends REQUEST_FNF. Nothing tells whether it arrived.
    pub fn fire_and_forget(&mut self, payload: Payload) -> Result<StreamId, RequestError> {
        self.send_request(Body::RequestFnf { follows: false, payload })
    }

    /// Sends METADATA_PUSH.
    pub fn metadata_push(&mut self, metadata: Bytes) -> Result<(), RequestError> {
        self.check_may_request()?;
        let frame = Frame::on_connection(Body::MetadataPush { metadata });
        self.check_room(&frame)?;
        self.outbound.push_control(frame);
        Ok(())
    }

    /// Answers a request of the peer's, and ends its stream.
    pub fn respond(&mut self, stream_id: StreamId, payload: Payload) -> Result<(), StreamError> {
        self.answer(stream_id, true, payload)
    }

    /// Ends a request of the peer's without an answer (COMPLETE without NEXT; Java's empty `Mono`).
    pub fn complete(&mut self, stream_id: StreamId) -> Result<(), StreamError> {
        self.answer(stream_id, false, Payload::default())
    }

    /// Ends a request of the peer's by an ERROR frame. A text over 64 KiB is cut.
    pub fn reject(
        &mut self,
        stream_id: StreamId,
        code: ErrorCode,
        message: &str,
    ) -> Result<(), StreamError> {
        self.check_answerable(stream_id)?;
        self.streams.remove(&stream_id);
        self.push_stream_error(stream_id, code, message);
        self.settle();
        Ok(())
    }

    /// Gives up a request of ours: sends CANCEL, or nothing where the request had not been sent yet. No event follows.
    pub fn cancel(&mut self, stream_id: StreamId) -> Result<(), StreamError> {
        if self.streams.get(&stream_id) != Some(&Stream::Requested) {
            return Err(StreamError::NotOpen(stream_id));
        }
        self.streams.remove(&stream_id);
        if !self.outbound.drop_stream(stream_id) {
            self.outbound.push_stream(Frame::new(stream_id, Body::Cancel));
        }
        self.settle();
        Ok(())
    }

    /// Ends the connection: all streams end now, frames that wait are still sent, then an ERROR frame on stream 0 says why,
    /// then [`Event::Closed`]. The transport is to be closed afterwards, as the peer may not do so (rsocket-java does not).
    pub fn close(&mut self, now: Instant, code: ErrorCode, message: &str) {
        if self.is_receiving() {
            let reason = CloseReason::Local { code, message: message.to_owned() };
            self.begin_close(now, reason, code, message);
        }
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.event_bytes -= event.payload_len();
        Some(event)
    }

    /// Streams that are open, of both sides.
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// Which side this is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The next timeout, and what it is for.
    pub fn next_timer(&self) -> Option<(Instant, TimerReason)> {
        match &self.phase {
            Phase::AwaitingSetup { deadline } => Some((*deadline, TimerReason::Setup)),
            Phase::Closing { deadline, .. } => Some((*deadline, TimerReason::Close)),
            Phase::Closed => None,
            Phase::Open => {
                let keepalive = self.keepalive.as_ref()?;
                let expiry = (keepalive.expiry(), TimerReason::KeepAliveExpiry);
                let tick = keepalive.next_tick().map(|tick| (tick, TimerReason::KeepAliveTick));
                Some(tick.filter(|tick| tick.0 <= expiry.0).unwrap_or(expiry))
            }
        }
    }

    fn answer(
        &mut self,
        stream_id: StreamId,
        next: bool,
        payload: Payload,
    ) -> Result<(), StreamError> {
        self.check_answerable(stream_id)?;
        let body = Body::Payload { follows: false, complete: true, next, payload };
        let frame = Frame::new(stream_id, body);
        self.check_room(&frame)?;
        self.streams.remove(&stream_id);
        self.outbound.push_stream(frame);
        Ok(())
    }

    fn send_request(&mut self, body: Body) -> Result<StreamId, RequestError> {
        self.check_may_request()?;
        if self.open_by(Stream::Requested) >= self.config.max_open_streams {
            return Err(RequestError::TooManyStreams { limit: self.config.max_open_streams });
        }
        let mut frame = Frame::on_connection(body);
        self.check_room(&frame)?;
        let stream_id = self.ids.take(|id| self.streams.contains_key(&id));
        frame.stream_id = stream_id;
        self.outbound.push_stream(frame);
        Ok(stream_id)
    }

    fn check_may_request(&self) -> Result<(), RequestError> {
        match &self.phase {
            Phase::Open if self.draining.is_none() => Ok(()),
            Phase::AwaitingSetup { .. } => Err(RequestError::NotSetUp),
            Phase::Closed | Phase::Closing { .. } | Phase::Open => Err(RequestError::Closed),
        }
    }

    fn check_answerable(&self, stream_id: StreamId) -> Result<(), StreamError> {
        match self.streams.get(&stream_id) {
            Some(Stream::Received) => Ok(()),
            Some(Stream::Requested) | None => Err(StreamError::NotOpen(stream_id)),
        }
    }

    /// Whether a frame may be queued: of legal length, and within what may wait.
    fn check_room(&self, frame: &Frame) -> Result<(), RequestError> {
        self.check_frame(frame)?;
        let (queued, limit) = (self.outbound.bytes(), self.config.max_queued_output);
        let over = queued + frame.encoded_len() > limit && !self.outbound.is_empty();
        if over || self.outbound.frames() >= self.config.max_queued_frames {
            return Err(RequestError::Saturated { queued, limit });
        }
        Ok(())
    }

    fn check_frame(&self, frame: &Frame) -> Result<(), RequestError> {
        frame.check(self.config.max_sent_frame())?;
        Ok(())
    }

    fn open_by(&self, who: Stream) -> usize {
        self.streams.values().filter(|stream| **stream == who).count()
    }

    fn push_event(&mut self, event: Event) {
        self.event_bytes += event.payload_len();
        self.events.push_back(event);
    }

    fn push_stream_error(&mut self, stream_id: StreamId, code: ErrorCode, message: &str) {
        self.outbound.push_stream(Frame::error(stream_id, code, cut(message).to_owned()));
    }

    /// Whether the peer's frames still count.
    fn is_receiving(&self) -> bool {
        matches!(self.phase, Phase::AwaitingSetup { .. } | Phase::Open)
    }

    /// The one place where streams end with their connection.
    fn end_streams(&mut self) {
        for (stream_id, stream) in std::mem::take(&mut self.streams) {
            self.push_event(match stream {
                Stream::Requested => {
                    Event::RequestFailed { stream_id, error: StreamFailure::Closed }
                }
                Stream::Received => Event::Canceled { stream_id },
            });
        }
    }

    fn begin_close(&mut self, now: Instant, reason: CloseReason, code: ErrorCode, message: &str) {
        self.end_streams();
        let last = Frame::error(StreamId::CONNECTION, code, cut(message).to_owned());
        let ending = Box::new(Ending { reason, last });
        self.phase = Phase::Closing { deadline: now + self.config.close_timeout, ending };
    }

    fn finish(&mut self, reason: CloseReason) {
        self.end_streams();
        self.outbound.clear();
        self.phase = Phase::Closed;
        self.push_event(Event::Closed { reason });
    }

    /// Ends a connection that the peer is closing, once nothing is left to wait for.
    fn settle(&mut self) {
        let is_idle = self.streams.is_empty() && self.outbound.is_empty();
        if is_idle
            && matches!(self.phase, Phase::Open)
            && let Some(reason) = self.draining.take()
        {
            self.finish(reason);
        }
    }

    fn next_frame(&mut self) -> Option<Frame> {
        if let Some(frame) = self.outbound.pop() {
            return Some(frame);
        }
        match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Closing { ending, .. } => {
                self.finish(ending.reason);
                Some(ending.last)
            }
            phase @ (Phase::AwaitingSetup { .. } | Phase::Closed | Phase::Open) => {
                self.phase = phase;
                None
            }
        }
    }

    fn max_received(&self) -> usize {
        match self.phase {
            Phase::AwaitingSetup { .. } => self.config.max_setup_len.min(self.config.max_frame_len),
            Phase::Closed | Phase::Closing { .. } | Phase::Open => self.config.max_frame_len,
        }
    }

    /// Whether what waits for the owner is below its bounds.
    fn owner_has_room(&self) -> bool {
        self.events.len() < self.config.max_events && self.event_bytes < self.config.max_event_bytes
    }

    /// Whether what waits for the transport is below its bounds.
    fn output_has_room(&self) -> bool {
        self.outbound.bytes() < self.config.max_queued_output
            && self.outbound.frames() < self.config.max_queued_frames
    }
}

impl Machine for Connection {
    fn handle_input(&mut self, now: Instant, input: &mut BytesMut) {
        while self.wants_input() {
            match split_frame(input, self.max_received()) {
                Ok(Some(frame)) => self.on_frame_bytes(now, frame),
                Ok(None) => break,
                Err(error) => self.on_too_long(now, error),
            }
        }
        self.unfinished = input.len();
        self.settle();
    }

    fn handle_eof(&mut self, _now: Instant) {
        match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Closed => {}
            Phase::Closing { ending, .. } => self.finish(ending.reason),
            Phase::AwaitingSetup { .. } | Phase::Open => {
                let eof = CloseReason::Eof { unfinished: self.unfinished };
                let reason = self.draining.take().unwrap_or(eof);
                self.finish(reason);
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match &self.phase {
            Phase::Closed => {}
            Phase::AwaitingSetup { deadline } if *deadline <= now => {
                let reason = CloseReason::SetupTimeout { after: self.config.setup_timeout };
                let message = reason.to_string();
                self.begin_close(now, reason, ErrorCode::INVALID_SETUP, &message);
            }
            Phase::Closing { deadline, ending } if *deadline <= now => {
                let reason = ending.reason.clone();
                self.finish(reason);
            }
            Phase::AwaitingSetup { .. } | Phase::Closing { .. } => {}
            Phase::Open => self.on_keepalive_timer(now),
        }
    }

    fn poll_transmit(&mut self, _now: Instant, output: &mut BytesMut) -> bool {
        while let Some(frame) = self.next_frame() {
            if let (Body::KeepAlive { respond: true, .. }, Some(keepalive)) =
                (&frame.body, &mut self.keepalive)
            {
                keepalive.on_tick_sent();
            }
            let encoded = match self.config.framing {
                Framing::LengthPrefixed => framing::encode_prefixed(&frame, output).is_ok(),
                Framing::Messages => frame.encode(output).is_ok(),
            };
            debug_assert!(encoded, "frames are checked before they are queued");
            self.settle();
            if encoded {
                return true;
            }
        }
        false
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next_timer().map(|(deadline, _)| deadline)
    }

    fn wants_input(&self) -> bool {
        self.is_receiving() && self.owner_has_room() && self.output_has_room()
    }

    fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }
}

/// The first 64 KiB of a text, cut between characters.
fn cut(message: &str) -> &str {
    message.get(..message.floor_char_boundary(64 * 1024)).unwrap_or(message)
}
