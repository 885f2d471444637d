//! One RSocket connection, client or server, as a sans-IO state machine.

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

/// One RSocket 1.0 connection, client or server, without IO, clock, or randomness of its own.
///
/// # Methods
/// | kind | methods |
/// |---|---|
/// | in | [`handle_input`](crate::rsocket::Machine::handle_input) (byte streams) or [`handle_frame`](Self::handle_frame) (message transports), [`handle_eof`](crate::rsocket::Machine::handle_eof), [`handle_transport_failed`](crate::rsocket::Machine::handle_transport_failed), [`handle_timeout`](crate::rsocket::Machine::handle_timeout) |
/// | commands | [`request_response`](Self::request_response), [`request_stream`](Self::request_stream), [`request_channel`](Self::request_channel), [`fire_and_forget`](Self::fire_and_forget), [`metadata_push`](Self::metadata_push); on a stream [`send`](Self::send), [`respond`](Self::respond), [`complete`](Self::complete), [`reject`](Self::reject), [`request_n`](Self::request_n), [`cancel`](Self::cancel); [`grant_lease`](Self::grant_lease), [`extension`](Self::extension), [`resume`](Self::resume), [`accept_resume`](Self::accept_resume), [`reject_resume`](Self::reject_resume), [`close`](Self::close) |
/// | out | [`poll_transmit`](crate::rsocket::Machine::poll_transmit), [`poll_timeout`](crate::rsocket::Machine::poll_timeout), [`poll_event`](Self::poll_event) |
/// | getters | [`wants_input`](crate::rsocket::Machine::wants_input), [`wants_transport`](crate::rsocket::Machine::wants_transport), [`is_closed`](crate::rsocket::Machine::is_closed), [`is_suspended`](Self::is_suspended), [`held_bytes`](crate::rsocket::Machine::held_bytes), [`open_streams`](Self::open_streams), [`credit`](Self::credit), [`lease`](Self::lease), [`has_output`](Self::has_output), [`next_timer`](Self::next_timer), [`role`](Self::role) |
///
/// # Contract
/// 1. Methods may be called in any order; nothing needs to be drained first.
/// 2. No `handle_*` method fails or panics, whatever the peer sends. A violation is answered by an ERROR frame, or by CANCEL if
///    it concerns a request of ours, and ends its stream or the connection.
/// 3. After `handle_timeout(now)` the next timeout is later than `now`, or there is none.
/// 4. The result does not depend on how the input was cut into pieces.
/// 5. [`Config`] bounds everything that the connection holds.
/// 6. While a bound is reached, `wants_input` is false, and frames stay in the caller's buffer.
/// 7. Frames are encoded when they are polled: first the frames that concern the connection, then those of the streams in turn,
///    one frame or fragment of each stream at a time.
/// 8. After [`Event::Closed`] there is no timeout and no output, and no method has any effect.
/// 9. The same calls produce the same bytes and events.
///
/// # Optional parts
/// Leases, resumption and extensions are served if [`Config`] says so. Otherwise a peer that asks for one is answered by the
/// ERROR that the specification names; see [`Config`] for EXT frames, some of which are ignored.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    config: Config,
    phase: Phase,
    keepalive: Option<KeepAlive>,
    /// `Some` if SETUP had flag L.
    leases: Option<Leases>,
    /// `Some` if SETUP had flag R.
    resumption: Option<Box<Resumption>>,
    ids: StreamIds,
    streams: Streams,
    outbound: Outbound,
    events: VecDeque<Event>,
    event_bytes: usize,
    /// Bytes of the unfinished frame at the end of the last input.
    unfinished: usize,
    /// Whether a whole frame has arrived.
    has_heard: bool,
    /// The protocol that the peer's first bytes look like, until a whole frame has arrived.
    foreign: Option<Foreign>,
    /// Set when the peer has sent CONNECTION_CLOSE: the connection ends with its last stream.
    draining: Option<CloseReason>,
}

/// The side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The side that opened the transport and sends SETUP.
    Client,
    /// The side that accepted it.
    Server,
}

/// The purpose of a timeout: what is the case when it expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimerReason {
    /// Queued frames and the final ERROR were not taken within [`Config::close_timeout`].
    Close,
    /// The peer has been silent for its max lifetime.
    KeepAliveExpiry,
    /// The pause in reading from a peer that sends KEEPALIVEs too often ends.
    KeepAlivePause,
    /// The next KEEPALIVE is due.
    KeepAliveTick,
    /// The lease that the peer granted expires.
    LeaseExpiry,
    /// The connection was not resumed within [`ResumeConfig::timeout`].
    Resume,
    /// No whole SETUP has arrived within [`Config::setup_timeout`], or the owner has not decided about RESUME by then.
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
    /// A server has received RESUME, and its owner has to decide about it.
    ResumeOffered {
        deadline: Option<Instant>,
    },
    /// A client has sent RESUME.
    Resuming {
        deadline: Option<Instant>,
    },
    /// There is no transport.
    Suspended {
        deadline: Option<Instant>,
    },
}

/// What a closing connection still needs: the reason, and the frame that reports it.
#[derive(Debug)]
struct Ending {
    reason: CloseReason,
    last: Frame,
}

impl Connection {
    /// Creates a client's connection. Its first frame is `setup`, which also determines how often KEEPALIVE is sent (0: never)
    /// and how long the server may be silent (0: the upper bound in [`Config::max_lifetime`]).
    ///
    /// # Errors
    ///
    /// [`RequestError::TooLong`] if SETUP cannot be encoded (a MIME type longer than 255 bytes, a token longer than 65,535) or
    /// is longer than a frame may be.
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

    /// Creates a server's connection, which waits for SETUP.
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

    /// Takes one frame, without prefix, from a transport that delivers messages. Unlike
    /// [`handle_input`](crate::rsocket::Machine::handle_input), this method takes the frame even if limits are reached; check
    /// [`wants_input`](crate::rsocket::Machine::wants_input) first.
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

    /// Ends the connection. All streams end now. Frames that are queued are still sent, then an ERROR frame on stream 0 with
    /// `code` and `message`, which is cut after 64 KiB; then [`Event::Closed`] follows. It follows without them after
    /// [`Config::close_timeout`], and at once if the connection is suspended or RESUME has not been decided on. Close the
    /// transport afterwards, since the peer may not do so (rsocket-java does not).
    pub fn close(&mut self, now: Instant, code: ErrorCode, message: &str) {
        let reason = CloseReason::Local { code, message: message.to_owned() };
        match self.phase {
            Phase::AwaitingSetup { .. } | Phase::Open => {
                self.begin_close(now, reason, code, message);
            }
            // No session is open on the transport, if there is one, so no ERROR is sent.
            Phase::ResumeOffered { .. } | Phase::Resuming { .. } | Phase::Suspended { .. } => {
                self.finish(reason);
            }
            Phase::Closed | Phase::Closing { .. } => {}
        }
    }

    /// Takes the next event; `None` if there is none.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.event_bytes -= event.payload_len();
        Some(event)
    }

    /// How many streams of both sides are open.
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// The side of this connection.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The next timeout and its purpose; `None` if there is no timeout.
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

    /// Whether a request may be made. Requests are also queued while there is no transport, as far as there is room.
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

    /// Whether a frame may be queued within the limits on output.
    fn check_room(&self, frame: &Frame) -> Result<(), RequestError> {
        let (bytes, frames) = (self.outbound.bytes(), self.outbound.frames());
        let is_over = bytes + frame.encoded_len() > self.config.max_queued_output && frames > 0;
        if is_over || frames >= self.config.max_queued_frames {
            return Err(RequestError::Saturated { bytes, frames });
        }
        Ok(())
    }

    /// Whether a frame that cannot be fragmented has a legal length.
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

    /// Whether frames of the peer are still processed.
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

    /// Whether the peer is closing and no open stream is left.
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

    /// Ends a connection that the peer is closing, once no stream and no output is left.
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

    /// Whether the queued events are below their limits.
    fn owner_has_room(&self) -> bool {
        self.events.len() < self.config.max_events && self.event_bytes < self.config.max_event_bytes
    }

    /// Whether the queued output is below its limits.
    fn output_has_room(&self) -> bool {
        let echoes = self.outbound.echo_bytes();
        self.outbound.bytes() < self.config.max_queued_output
            && self.outbound.frames() < self.config.max_queued_frames
            && (echoes == 0 || echoes < self.config.max_keepalive_data)
    }

    /// Whether reading pauses because the peer sends KEEPALIVEs too often.
    fn is_paused(&self) -> bool {
        matches!(self.phase, Phase::Open)
            && self.keepalive.as_ref().is_some_and(KeepAlive::is_paused)
    }
}

/// The first 64 KiB of a text, cut at a character boundary.
fn cut(message: &str) -> &str {
    message.get(..message.floor_char_boundary(64 * 1024)).unwrap_or(message)
}
