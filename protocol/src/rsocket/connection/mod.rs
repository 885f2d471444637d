//! One RSocket connection of either role, as a machine without IO.

mod assembly;
mod commands;
mod config;
mod credit;
mod error;
mod event;
mod inbound;
mod interaction;
mod keepalive;
mod lease;
mod machine;
mod outbound;
mod resume;
mod stream_ids;
mod streams;

#[cfg(test)]
mod tests;

pub use config::{Config, Framing};
pub use credit::Credit;
pub use error::{Refusal, RequestError, StreamError, StreamFailure};
pub use event::{CloseReason, Event, Violation};
pub use resume::{ResumeConfig, ResumeError, ResumeRequest};

use crate::rsocket::frame::{Body, ErrorCode, Frame, Setup, StreamId};
use crate::rsocket::framing::{self, Foreign};
use bytes::Bytes;
use keepalive::KeepAlive;
use lease::Leases;
use outbound::Outbound;
use resume::Resumption;
use std::collections::VecDeque;
use std::time::Instant;
use stream_ids::StreamIds;
use streams::{Side, Streams};

/// One RSocket 1.0 connection, client or server, without IO, clock, or randomness.
///
/// # Methods
/// | kind | methods |
/// |---|---|
/// | in | [`handle_input`](crate::rsocket::Machine::handle_input) (byte streams) or [`handle_frame`](Self::handle_frame) (message transports), [`handle_eof`](crate::rsocket::Machine::handle_eof), [`handle_timeout`](crate::rsocket::Machine::handle_timeout) |
/// | commands | [`request_response`](Self::request_response), [`request_stream`](Self::request_stream), [`request_channel`](Self::request_channel), [`fire_and_forget`](Self::fire_and_forget), [`metadata_push`](Self::metadata_push); on a stream [`send`](Self::send), [`respond`](Self::respond), [`complete`](Self::complete), [`reject`](Self::reject), [`request_n`](Self::request_n), [`cancel`](Self::cancel); [`grant_lease`](Self::grant_lease), [`extension`](Self::extension), [`resume`](Self::resume), [`accept_resume`](Self::accept_resume), [`reject_resume`](Self::reject_resume), [`close`](Self::close) |
/// | out | [`poll_transmit`](crate::rsocket::Machine::poll_transmit), [`poll_timeout`](crate::rsocket::Machine::poll_timeout), [`poll_event`](Self::poll_event) |
/// | getters | [`wants_input`](crate::rsocket::Machine::wants_input), [`is_closed`](crate::rsocket::Machine::is_closed), [`open_streams`](Self::open_streams), [`next_timer`](Self::next_timer) |
///
/// # Contract
/// 1. Methods may be called in any order; nothing needs to be drained first.
/// 2. No `handle_*` fails or panics, whatever the peer sends: a violation becomes an ERROR frame, and ends the stream or
///    the connection that it belongs to.
/// 3. After `handle_timeout(now)` the next timeout is later than `now`, or none.
/// 4. How the input was cut into pieces changes nothing.
/// 5. All that is held is bounded by [`Config`].
/// 6. While a bound is reached, `wants_input` is false and frames stay in the caller's buffer.
/// 7. Frames are encoded when polled: those about the connection first, then the streams' in turn, one frame or fragment each.
/// 8. After [`Event::Closed`] there is no timeout and no output, and every method does nothing.
/// 9. The same calls give the same bytes and events.
///
/// # Optional parts
/// Leases, resumption and extensions are served if [`Config`] says so. Otherwise a peer's request for one is answered by the
/// ERROR that the specification names.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    config: Config,
    phase: Phase,
    keepalive: Option<KeepAlive>,
    /// Where SETUP had flag L.
    leases: Option<Leases>,
    /// Where SETUP had flag R.
    resumption: Option<Box<Resumption>>,
    ids: StreamIds,
    streams: Streams,
    outbound: Outbound,
    events: VecDeque<Event>,
    event_bytes: usize,
    /// Bytes of an unfinished frame that the last input ended with.
    unfinished: usize,
    /// A whole frame has come.
    has_heard: bool,
    /// What the peer's first bytes look like, until then.
    foreign: Option<Foreign>,
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
    /// The pause of a peer that sends KEEPALIVEs too often is over.
    KeepAlivePause,
    /// A KEEPALIVE is to be sent.
    KeepAliveTick,
    /// The peer's lease is over.
    LeaseExpiry,
    /// No transport has come to resume over.
    Resume,
    /// SETUP is late.
    Setup,
}

#[derive(Debug)]
enum Phase {
    AwaitingSetup {
        deadline: Option<Instant>,
    },
    Open,
    Closing {
        deadline: Option<Instant>,
        ending: Box<Ending>,
    },
    Closed,
    /// A server's owner decides about RESUME.
    ResumeOffered {
        deadline: Option<Instant>,
    },
    /// A client has sent RESUME.
    Resuming {
        deadline: Option<Instant>,
    },
    /// Without a transport.
    Suspended {
        deadline: Option<Instant>,
    },
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
        connection.leases = setup.lease.then(Leases::default);
        let resumption = |token: &Bytes| Resumption::new(token, &connection.config);
        connection.resumption = setup.resume_token.as_ref().map(resumption).map(Box::new);
        let frame = Frame::on_connection(Body::Setup(Box::new(setup)));
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
        let config = config.workable();
        let outbound = Outbound::new(config.fragment_len());
        Self {
            role,
            config,
            phase,
            keepalive: None,
            leases: None,
            resumption: None,
            ids: StreamIds::new(role),
            streams: Streams::default(),
            outbound,
            events: VecDeque::new(),
            event_bytes: 0,
            unfinished: 0,
            has_heard: false,
            foreign: None,
            draining: None,
        }
    }

    /// Takes one frame of a transport that keeps messages apart, without prefix. Unlike
    /// [`handle_input`](crate::rsocket::Machine::handle_input) it takes the frame in any case; ask [`wants_input`](crate::rsocket::Machine::wants_input) first.
    pub fn handle_frame(&mut self, now: Instant, frame: Bytes) {
        if !self.is_receiving() {
            return;
        }
        let limit = self.max_received();
        let len = frame.len();
        if len > limit {
            self.on_too_long(now, framing::FrameTooLong { announced: len, limit });
            return;
        }
        self.on_decoded(now, Frame::decode(frame), len);
        self.settle();
    }

    /// Ends the connection: all streams end now, frames that wait are still sent, then an ERROR frame on stream 0 says why,
    /// then [`Event::Closed`]. The transport is to be closed afterwards, as the peer may not do so (rsocket-java does not).
    pub fn close(&mut self, now: Instant, code: ErrorCode, message: &str) {
        let reason = CloseReason::Local { code, message: message.to_owned() };
        match self.phase {
            Phase::AwaitingSetup { .. } | Phase::Open => {
                self.begin_close(now, reason, code, message);
            }
            // There is nobody to tell.
            Phase::ResumeOffered { .. } | Phase::Resuming { .. } | Phase::Suspended { .. } => {
                self.finish(reason);
            }
            Phase::Closed | Phase::Closing { .. } => {}
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
            Phase::AwaitingSetup { deadline } | Phase::ResumeOffered { deadline } => {
                Some(((*deadline)?, TimerReason::Setup))
            }
            Phase::Resuming { deadline } | Phase::Suspended { deadline } => {
                Some(((*deadline)?, TimerReason::Resume))
            }
            Phase::Closing { deadline, .. } => Some(((*deadline)?, TimerReason::Close)),
            Phase::Closed => None,
            Phase::Open => {
                let keepalive = self.keepalive.as_ref();
                let tick = keepalive.and_then(KeepAlive::next_tick);
                let expiry = keepalive.and_then(KeepAlive::expiry);
                let pause = keepalive.and_then(KeepAlive::paused_until);
                let lease = self.leases.as_ref().and_then(|leases| leases.received.expiry());
                let timers = [
                    (tick, TimerReason::KeepAliveTick),
                    (expiry, TimerReason::KeepAliveExpiry),
                    (pause, TimerReason::KeepAlivePause),
                    (lease, TimerReason::LeaseExpiry),
                ];
                let armed = timers.into_iter().filter_map(|(at, reason)| Some((at?, reason)));
                armed.min_by_key(|(deadline, _)| *deadline)
            }
        }
    }

    /// Whether a request may be made. Also without a transport, as far as there is room for it to wait.
    fn check_may_request(&self) -> Result<(), RequestError> {
        match self.check_open() {
            Ok(()) | Err(RequestError::Suspended) => self.check_lease(),
            Err(error) => Err(error),
        }
    }

    fn check_open(&self) -> Result<(), RequestError> {
        match &self.phase {
            Phase::Open if self.draining.is_none() => Ok(()),
            Phase::AwaitingSetup { .. } | Phase::ResumeOffered { .. } => {
                Err(RequestError::NotSetUp)
            }
            Phase::Resuming { .. } | Phase::Suspended { .. } => Err(RequestError::Suspended),
            Phase::Closed | Phase::Closing { .. } | Phase::Open => Err(RequestError::Closed),
        }
    }

    /// Whether a frame may be queued: within what may wait.
    fn check_room(&self, frame: &Frame) -> Result<(), RequestError> {
        let (bytes, frames) = (self.outbound.bytes(), self.outbound.frames());
        let is_over = bytes + frame.encoded_len() > self.config.max_queued_output && frames > 0;
        if is_over || frames >= self.config.max_queued_frames {
            return Err(RequestError::Saturated { bytes, frames });
        }
        Ok(())
    }

    /// Whether a frame that cannot go in fragments is of legal length.
    fn check_frame(&self, frame: &Frame) -> Result<(), RequestError> {
        frame.check(self.config.max_sent_frame())?;
        Ok(())
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

    /// Whether the peer's frames still count.
    fn is_receiving(&self) -> bool {
        match self.phase {
            Phase::AwaitingSetup { .. } | Phase::Resuming { .. } => true,
            Phase::Open => !self.is_drained(),
            Phase::Closed
            | Phase::Closing { .. }
            | Phase::ResumeOffered { .. }
            | Phase::Suspended { .. } => false,
        }
    }

    /// Whether the peer is closing and no stream is left to wait for.
    fn is_drained(&self) -> bool {
        self.draining.is_some() && self.streams.is_empty()
    }

    /// The one place where streams end with their connection.
    fn end_streams(&mut self) {
        for (stream_id, stream) in std::mem::take(&mut self.streams) {
            match stream.side {
                Side::Requested => {
                    let error = StreamFailure::Closed;
                    self.push_event(Event::RequestFailed { stream_id, error });
                }
                Side::Received if stream.is_known() => {
                    self.push_event(Event::Canceled { stream_id });
                }
                Side::Received => {}
            }
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
            && self.has_caught_up()
            && matches!(self.phase, Phase::Open)
            && let Some(reason) = self.draining.take()
        {
            self.finish(reason);
        }
    }

    fn max_received(&self) -> usize {
        match self.phase {
            Phase::AwaitingSetup { .. } => self.config.max_setup_len.min(self.config.max_frame_len),
            _ => self.config.max_frame_len,
        }
    }

    /// Whether what waits for the owner is below its bounds.
    fn owner_has_room(&self) -> bool {
        self.events.len() < self.config.max_events && self.event_bytes < self.config.max_event_bytes
    }

    /// Whether what waits for the transport is below its bounds.
    fn output_has_room(&self) -> bool {
        let echoes = self.outbound.echo_bytes();
        self.outbound.bytes() < self.config.max_queued_output
            && self.outbound.frames() < self.config.max_queued_frames
            && (echoes == 0 || echoes < self.config.max_keepalive_data)
    }

    /// Whether no more is read for now, as the peer sends KEEPALIVEs too often.
    fn is_paused(&self) -> bool {
        matches!(self.phase, Phase::Open)
            && self.keepalive.as_ref().is_some_and(KeepAlive::is_paused)
    }
}

/// The first 64 KiB of a text, cut between characters.
fn cut(message: &str) -> &str {
    message.get(..message.floor_char_boundary(64 * 1024)).unwrap_or(message)
}
