//! One RSocket connection of either role, as a machine without IO.

mod config;
mod event;
mod inbound;
mod keepalive;
mod machine;
mod outbound;
mod stream_ids;
mod streams;

#[cfg(test)]
mod tests;

pub use config::{Config, Framing};
pub use event::{CloseReason, Event, RequestError, StreamError, StreamFailure, Violation};

use crate::Payload;
use crate::frame::{Body, ErrorCode, Frame, Setup, StreamId};
use crate::framing;
use bytes::Bytes;
use keepalive::KeepAlive;
use outbound::Outbound;
use std::collections::VecDeque;
use std::time::Instant;
use stream_ids::StreamIds;
use streams::{Stream, Streams};

/// One RSocket 1.0 connection, client or server, without IO, clock, or randomness.
///
/// # Methods
/// | kind | methods |
/// |---|---|
/// | in | [`handle_input`](crate::Machine::handle_input) (byte streams) or [`handle_frame`](Self::handle_frame) (message transports), [`handle_eof`](crate::Machine::handle_eof), [`handle_timeout`](crate::Machine::handle_timeout) |
/// | commands | [`request_response`](Self::request_response), [`fire_and_forget`](Self::fire_and_forget), [`metadata_push`](Self::metadata_push); on a stream [`respond`](Self::respond), [`complete`](Self::complete), [`reject`](Self::reject), [`cancel`](Self::cancel); [`close`](Self::close) |
/// | out | [`poll_transmit`](crate::Machine::poll_transmit), [`poll_timeout`](crate::Machine::poll_timeout), [`poll_event`](Self::poll_event) |
/// | getters | [`wants_input`](crate::Machine::wants_input), [`is_closed`](crate::Machine::is_closed), [`open_streams`](Self::open_streams), [`next_timer`](Self::next_timer) |
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
    streams: Streams,
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
    AwaitingSetup { deadline: Option<Instant> },
    Open,
    Closing { deadline: Option<Instant>, ending: Box<Ending> },
    Closed,
}

/// What is left of a connection that is closing: why, and the frame that says so.
#[derive(Debug)]
struct Ending {
    reason: CloseReason,
    last: Frame,
}

impl Connection {
    /// A client's connection; its first frame is `setup`, which also says how often KEEPALIVE is sent (0 for never) and how
    /// long the server may be silent (0 for the upper bound in [`Config::max_lifetime`]).
    ///
    /// Fails if SETUP cannot be encoded (a MIME type above 255 bytes, a token above 65,535) or is longer than a frame may be.
    pub fn client(config: Config, setup: Setup, now: Instant) -> Result<Self, RequestError> {
        let mut connection = Self::new(Role::Client, config, Phase::Open);
        connection.keepalive = Some(KeepAlive::client(now, &setup, &connection.config));
        let frame = Frame::on_connection(Body::Setup(setup));
        connection.check_frame(&frame)?;
        connection.outbound.push_control(frame);
        Ok(connection)
    }

    /// A server's connection, which waits for SETUP.
    pub fn server(config: Config, now: Instant) -> Self {
        let mut connection = Self::new(Role::Server, config, Phase::Closed);
        let deadline = now.checked_add(connection.config.setup_timeout);
        connection.phase = Phase::AwaitingSetup { deadline };
        connection
    }

    fn new(role: Role, config: Config, phase: Phase) -> Self {
        Self {
            role,
            config: config.workable(),
            phase,
            keepalive: None,
            ids: StreamIds::new(role),
            streams: Streams::default(),
            outbound: Outbound::default(),
            events: VecDeque::new(),
            event_bytes: 0,
            unfinished: 0,
            draining: None,
        }
    }

    /// Takes one frame of a transport that keeps messages apart, without prefix. Unlike
    /// [`handle_input`](crate::Machine::handle_input) it takes the frame in any case; ask [`wants_input`](crate::Machine::wants_input) first.
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
        self.check_may_request()?;
        let limit = self.config.max_open_streams;
        if self.streams.count(Stream::Requested) >= limit {
            return Err(RequestError::TooManyStreams { limit });
        }
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
        self.streams.remove(stream_id);
        self.push_stream_error(stream_id, code, message);
        self.settle();
        Ok(())
    }

    /// Gives up a request of ours: sends CANCEL, or nothing where the request had not been sent yet. No event follows.
    pub fn cancel(&mut self, stream_id: StreamId) -> Result<(), StreamError> {
        if self.streams.get(stream_id) != Some(Stream::Requested) {
            return Err(StreamError::NotOpen(stream_id));
        }
        self.abandon(stream_id);
        self.settle();
        Ok(())
    }

    /// Ends the connection: all streams end now, frames that wait are still sent, then an ERROR frame on stream 0 says why,
    /// then [`Event::Closed`]. The transport is to be closed afterwards, as the peer may not do so (rsocket-java does not).
    pub fn close(&mut self, now: Instant, code: ErrorCode, message: &str) {
        if matches!(self.phase, Phase::AwaitingSetup { .. } | Phase::Open) {
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
            Phase::AwaitingSetup { deadline } => Some(((*deadline)?, TimerReason::Setup)),
            Phase::Closing { deadline, .. } => Some(((*deadline)?, TimerReason::Close)),
            Phase::Closed => None,
            Phase::Open => {
                let keepalive = self.keepalive.as_ref()?;
                let tick = keepalive.next_tick().map(|tick| (tick, TimerReason::KeepAliveTick));
                let expiry =
                    keepalive.expiry().map(|expiry| (expiry, TimerReason::KeepAliveExpiry));
                tick.into_iter().chain(expiry).min_by_key(|(deadline, _)| *deadline)
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
        self.streams.remove(stream_id);
        self.outbound.push_stream(frame);
        Ok(())
    }

    fn send_request(&mut self, body: Body) -> Result<StreamId, RequestError> {
        self.check_may_request()?;
        let mut frame = Frame::on_connection(body);
        self.check_room(&frame)?;
        let stream_id = self.ids.take(|id| self.streams.get(id).is_some());
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
        match self.streams.get(stream_id) {
            Some(Stream::Received) => Ok(()),
            Some(Stream::Requested) | None => Err(StreamError::NotOpen(stream_id)),
        }
    }

    /// Whether a frame may be queued: of legal length, and within what may wait.
    fn check_room(&self, frame: &Frame) -> Result<(), RequestError> {
        self.check_frame(frame)?;
        let (bytes, frames) = (self.outbound.bytes(), self.outbound.frames());
        let is_over = bytes + frame.encoded_len() > self.config.max_queued_output && frames > 0;
        if is_over || frames >= self.config.max_queued_frames {
            return Err(RequestError::Saturated { bytes, frames });
        }
        Ok(())
    }

    fn check_frame(&self, frame: &Frame) -> Result<(), RequestError> {
        frame.check(self.config.max_sent_frame())?;
        Ok(())
    }

    /// Ends a request of ours towards the peer, who need not know of one that was not sent yet.
    fn abandon(&mut self, stream_id: StreamId) {
        self.streams.remove(stream_id);
        if !self.outbound.drop_stream(stream_id) {
            self.outbound.push_stream(Frame::new(stream_id, Body::Cancel));
        }
    }

    fn push_event(&mut self, event: Event) {
        self.event_bytes += event.payload_len();
        self.events.push_back(event);
        if !self.owner_has_room()
            && let Some(keepalive) = &mut self.keepalive
        {
            keepalive.on_stall();
        }
    }

    fn push_stream_error(&mut self, stream_id: StreamId, code: ErrorCode, message: &str) {
        self.outbound.push_stream(Frame::error(stream_id, code, cut(message).to_owned()));
    }

    /// Whether the peer's frames still count.
    fn is_receiving(&self) -> bool {
        match self.phase {
            Phase::AwaitingSetup { .. } => true,
            Phase::Open => !self.is_drained(),
            Phase::Closed | Phase::Closing { .. } => false,
        }
    }

    /// Whether the peer is closing and no stream is left to wait for.
    fn is_drained(&self) -> bool {
        self.draining.is_some() && self.streams.is_empty()
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
        self.phase =
            Phase::Closing { deadline: now.checked_add(self.config.close_timeout), ending };
    }

    fn finish(&mut self, reason: CloseReason) {
        self.end_streams();
        self.outbound.clear();
        self.phase = Phase::Closed;
        self.push_event(Event::Closed { reason });
    }

    /// Ends a connection that the peer is closing, once nothing is left to wait for.
    fn settle(&mut self) {
        if self.is_drained()
            && self.outbound.is_empty()
            && matches!(self.phase, Phase::Open)
            && let Some(reason) = self.draining.take()
        {
            self.finish(reason);
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

/// The first 64 KiB of a text, cut between characters.
fn cut(message: &str) -> &str {
    message.get(..message.floor_char_boundary(64 * 1024)).unwrap_or(message)
}
