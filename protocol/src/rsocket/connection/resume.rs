//! Resumption: a connection survives the loss of its transport (Protocol.md, "Resuming Operation").

use super::event::{CloseReason, Event, Violation};
use super::{Config, Connection, Phase, Role};
use crate::rsocket::frame::{Body, ErrorCode, Frame, FrameType, StreamId, Version};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Limits of resumption.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ResumeConfig {
    /// How many bytes of sent frames are kept for retransmission until the peer has received them; 1 MiB by default. Each frame
    /// counts as at least 64 bytes. Beyond the limit the oldest frames are dropped, and the connection cannot be resumed from a
    /// position before them. A single frame may exceed the limit. These bytes are not part of
    /// [`held_bytes`](crate::rsocket::Machine::held_bytes).
    pub max_stored: usize,
    /// How long the connection waits until it is resumed over a new transport; 2 minutes by default.
    pub timeout: Duration,
}

impl Default for ResumeConfig {
    fn default() -> Self {
        Self { max_stored: 1024 * 1024, timeout: Duration::from_secs(120) }
    }
}

/// The content of a client's RESUME frame, from [`Event::ResumeReceived`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumeRequest {
    pub(super) token: Bytes,
    pub(super) last_received_server_position: u64,
    pub(super) first_available_client_position: u64,
}

impl ResumeRequest {
    /// The token of the connection to resume, which its SETUP had.
    pub fn token(&self) -> &Bytes {
        &self.token
    }
}

/// Why a connection cannot be resumed as requested. The connection stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// The connection has another token, is over or not set up, is a client's, or did not agree on resumption.
    #[error("no such connection can be resumed")]
    NotResumable,
    /// The peer asks for retransmission from a position that is not stored any more, is not between two frames, or was never
    /// sent.
    #[error("position {position} of ours is not available: {first} to {last} are")]
    OurPosition {
        /// The position up to which the peer has received.
        position: u64,
        /// The first position that is stored.
        first: u64,
        /// The end of the sent frames.
        last: u64,
    },
    /// The client no longer stores everything that we have not received.
    #[error("the client has from position {first} on, and {received} was received")]
    PeerPosition {
        /// The first position that the client stores.
        first: u64,
        /// The position up to which we have received.
        received: u64,
    },
}

/// What each side of a connection keeps for resumption. Positions count the bytes of frames on streams, without length prefix,
/// as they are sent: in fragments.
#[derive(Debug)]
pub(super) struct Resumption {
    token: Bytes,
    config: ResumeConfig,
    /// Sent frames that may have to be sent again.
    stored: VecDeque<Bytes>,
    stored_len: usize,
    /// The bytes that they count as towards the limit.
    stored_cost: usize,
    /// The position of the start of `stored`.
    first: u64,
    /// How many frames of `stored` need not be sent again. The others go out before any new frame.
    sent: usize,
    /// The position up to which we have received.
    received: u64,
}

impl Resumption {
    /// The token is copied, since a slice would keep alive the buffer in which it arrived.
    pub(super) fn new(token: &[u8], config: &Config) -> Self {
        let token = Bytes::copy_from_slice(token);
        let config = config.resume.clone().unwrap_or_default();
        let stored = VecDeque::new();
        let (stored_len, stored_cost) = (0, 0);
        Self { token, config, stored, stored_len, stored_cost, first: 0, sent: 0, received: 0 }
    }

    /// The position of the end of the sent frames.
    fn last(&self) -> u64 {
        self.first + self.stored_len as u64
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Counts a frame of the peer's, of `len` bytes.
    pub(super) fn on_received(&mut self, stream_id: StreamId, frame_type: FrameType, len: usize) {
        if has_position(stream_id, frame_type) {
            self.received += len as u64;
        }
    }

    /// Stores a frame that is sent for the first time.
    pub(super) fn store(&mut self, frame: &[u8]) {
        self.stored.push_back(Bytes::copy_from_slice(frame));
        self.stored_len += frame.len();
        self.stored_cost += cost(frame);
        self.sent += 1;
        while self.stored_cost > self.config.max_stored && self.stored.len() > 1 {
            self.forget_first();
        }
    }

    /// Takes the next frame that has to be sent again.
    pub(super) fn next_again(&mut self) -> Option<Bytes> {
        let frame = self.stored.get(self.sent).cloned()?;
        self.sent += 1;
        Some(frame)
    }

    fn has_caught_up(&self) -> bool {
        self.sent == self.stored.len()
    }

    /// Drops the frames before `position`, which the peer has received.
    pub(super) fn on_position(&mut self, position: u64) {
        while self.stored.front().is_some_and(|frame| self.first + frame.len() as u64 <= position) {
            self.forget_first();
        }
    }

    /// Whether everything from `position` on is stored.
    fn is_available(&self, position: u64) -> bool {
        let mut at = self.first;
        let mut ends = self.stored.iter().map(|frame| {
            at += frame.len() as u64;
            at
        });
        position == self.first || ends.any(|end| end == position)
    }

    /// Marks all stored frames as to be sent again.
    fn rewind(&mut self) {
        self.sent = 0;
    }

    fn forget_first(&mut self) {
        if let Some(frame) = self.stored.pop_front() {
            self.stored_len -= frame.len();
            self.stored_cost -= cost(&frame);
            self.first += frame.len() as u64;
            self.sent = self.sent.saturating_sub(1);
        }
    }
}

/// The cost of storing a frame: its length, or more if it is short.
fn cost(frame: &[u8]) -> usize {
    frame.len().max(64)
}

/// Whether frames of a type count towards the position (Protocol.md, "Implied Position"). An ERROR on stream 0 does not, since
/// it ends the connection.
pub(super) fn has_position(stream_id: StreamId, frame_type: FrameType) -> bool {
    !stream_id.is_connection()
        && matches!(
            frame_type,
            FrameType::Cancel
                | FrameType::Error
                | FrameType::Payload
                | FrameType::RequestChannel
                | FrameType::RequestFnf
                | FrameType::RequestN
                | FrameType::RequestResponse
                | FrameType::RequestStream
        )
}

impl Connection {
    /// Begins to resume a suspended client's connection over a new transport. RESUME is sent first. When the server has agreed,
    /// [`Event::Resumed`] follows, and frames that were lost are sent again. Does nothing on a server's connection, or if the
    /// connection is not suspended.
    ///
    /// If the new transport fails too, the connection is suspended again without another [`Event::Suspended`], and its
    /// [`timeout`](ResumeConfig::timeout) continues to run.
    pub fn resume(&mut self, now: Instant) {
        let (Phase::Suspended { deadline }, Role::Client) = (&self.phase, self.role) else {
            return;
        };
        let Some(resumption) = &self.resumption else { return };
        let body = Body::Resume {
            version: Version::V1_0,
            token: resumption.token.clone(),
            last_received_server_position: resumption.received,
            first_available_client_position: resumption.first,
        };
        self.phase = Phase::Resuming { deadline: *deadline };
        self.outbound.push_control(Frame::on_connection(body));
        self.restart(now);
    }

    /// Resumes a server's connection as the client asks, over the transport that `request` arrived on: pass everything that
    /// arrives on it to this connection from now on. Drop the connection's former transport if it is not known to be gone.
    ///
    /// RESUME_OK is sent first, then the frames that were lost. [`Event::Resumed`] follows.
    ///
    /// # Errors
    ///
    /// The connection is not one to resume, or a position is not available; see [`ResumeError`]. Nothing has changed then. Tell
    /// the client by [`reject_resume`](Self::reject_resume) on its new connection.
    pub fn accept_resume(
        &mut self,
        now: Instant,
        request: &ResumeRequest,
    ) -> Result<(), ResumeError> {
        let is_alive = matches!(self.phase, Phase::Open | Phase::Suspended { .. });
        let resumption = match &mut self.resumption {
            Some(resumption)
                if is_alive && self.role == Role::Server && resumption.token == request.token =>
            {
                resumption
            }
            Some(_) | None => return Err(ResumeError::NotResumable),
        };
        let position = request.last_received_server_position;
        if !resumption.is_available(position) {
            let (first, last) = (resumption.first, resumption.last());
            return Err(ResumeError::OurPosition { position, first, last });
        }
        let (first, received) = (request.first_available_client_position, resumption.received);
        if first > received {
            return Err(ResumeError::PeerPosition { first, received });
        }
        resumption.on_position(position);
        resumption.rewind();
        self.outbound.clear_control();
        let body = Body::ResumeOk { last_received_client_position: received };
        self.outbound.push_control(Frame::on_connection(body));
        self.on_resumed(now);
        Ok(())
    }

    /// Rejects a client that asks to resume: sends ERROR REJECTED_RESUME, after which the client does not try again. Does
    /// nothing if no decision about RESUME is pending.
    pub fn reject_resume(&mut self, now: Instant, message: &str) {
        if matches!(self.phase, Phase::ResumeOffered { .. }) {
            let code = ErrorCode::REJECTED_RESUME;
            let reason = CloseReason::Local { code, message: message.to_owned() };
            self.begin_close(now, reason, code, message);
        }
    }

    /// Whether the connection waits for a new transport. Its former one is gone or must be dropped.
    pub fn is_suspended(&self) -> bool {
        matches!(self.phase, Phase::Suspended { .. })
    }

    /// Suspends the connection because its transport is gone. Returns false if the connection cannot outlive it.
    pub(super) fn suspend(&mut self, now: Instant) -> bool {
        let Some(resumption) = self.resumption.as_mut().filter(|_| self.draining.is_none()) else {
            return false;
        };
        let deadline = match self.phase {
            Phase::Open => now.checked_add(resumption.config.timeout),
            Phase::Resuming { deadline } => deadline,
            Phase::Suspended { .. } => return true,
            Phase::AwaitingSetup { .. }
            | Phase::Closed
            | Phase::Closing { .. }
            | Phase::ResumeOffered { .. } => return false,
        };
        let is_new = matches!(self.phase, Phase::Open);
        self.phase = Phase::Suspended { deadline };
        self.outbound.clear_control();
        self.unfinished = 0;
        if let Some(leases) = &mut self.leases {
            leases.suspend();
        }
        if is_new {
            self.tell(Event::Suspended);
        }
        true
    }

    pub(super) fn on_suspended_too_long(&mut self) {
        let timeout = self.resumption.as_ref().map(|resumption| resumption.config.timeout);
        let after = timeout.unwrap_or_default();
        self.finish(CloseReason::ResumeTimeout { after });
    }

    /// Handles RESUME as the first frame that a server receives.
    pub(super) fn on_resume(&mut self, now: Instant, request: ResumeRequest) {
        let Phase::AwaitingSetup { deadline } = self.phase else { return };
        if self.config.resume.is_none() {
            self.on_violation(now, Violation::ResumeUnsupported);
            return;
        }
        self.phase = Phase::ResumeOffered { deadline };
        self.push_event(Event::ResumeReceived { request });
    }

    /// Handles a frame, other than ERROR on stream 0, in answer to a client's RESUME.
    pub(super) fn on_frame_while_resuming(&mut self, now: Instant, frame: &Frame) {
        let Body::ResumeOk { last_received_client_position: position } = frame.body else {
            self.on_violation(now, Violation::NotResumed(frame.body.frame_type()));
            return;
        };
        let Some(resumption) = &mut self.resumption else { return };
        if !resumption.is_available(position) {
            let (first, last) = (resumption.first, resumption.last());
            let error = ResumeError::OurPosition { position, first, last };
            self.on_violation(now, Violation::ResumePosition(error));
            return;
        }
        resumption.on_position(position);
        resumption.rewind();
        self.on_resumed(now);
    }

    /// Takes the next frame that has to be sent again, without prefix.
    pub(super) fn next_again(&mut self) -> Option<BytesMut> {
        match self.phase {
            Phase::Closing { .. } | Phase::Open => {
                self.resumption.as_mut()?.next_again().map(BytesMut::from)
            }
            Phase::AwaitingSetup { .. }
            | Phase::Closed
            | Phase::ResumeOffered { .. }
            | Phase::Resuming { .. }
            | Phase::Suspended { .. } => None,
        }
    }

    /// Whether no frame has to be sent again.
    pub(super) fn has_caught_up(&self) -> bool {
        self.resumption.as_ref().is_none_or(|resumption| resumption.has_caught_up())
    }

    fn on_resumed(&mut self, now: Instant) {
        self.phase = Phase::Open;
        if let Some(leases) = &mut self.leases {
            leases.resume();
        }
        self.restart(now);
        self.tell(Event::Resumed);
    }

    /// Reports the state of the transport to the owner. Unread suspend/resume pairs are collapsed, so the queue stays bounded.
    fn tell(&mut self, event: Event) {
        let mut latest = self.events.iter().rev();
        match (latest.next(), latest.next()) {
            (Some(last), _) if *last == event => {}
            (Some(Event::Resumed | Event::Suspended), Some(before)) if *before == event => {
                self.events.pop_back();
            }
            _ => self.push_event(event),
        }
    }

    fn restart(&mut self, now: Instant) {
        self.unfinished = 0;
        if let Some(keepalive) = &mut self.keepalive {
            keepalive.restart(now);
        }
    }
}
