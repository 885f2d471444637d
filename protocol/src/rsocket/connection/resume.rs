//! Resumption: a connection that outlives its transport (Protocol.md, "Resuming Operation").

use super::event::{CloseReason, Event, Violation};
use super::{Config, Connection, Phase, Role};
use crate::rsocket::frame::{Body, ErrorCode, Frame, FrameType, StreamId, Version};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far a connection goes to be resumed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ResumeConfig {
    /// Bytes of sent frames that are kept until the peer has them; 1 MiB by default. Each frame counts for 64 at least. Of more, the
    /// oldest are forgotten, and the connection cannot be resumed from before them. The last frame alone may exceed it.
    pub max_stored: usize,
    /// How long the connection waits for a new transport; 2 minutes by default.
    pub timeout: Duration,
}

impl Default for ResumeConfig {
    fn default() -> Self {
        Self { max_stored: 1024 * 1024, timeout: Duration::from_secs(120) }
    }
}

/// What a client's RESUME frame says; [`Event::ResumeReceived`] brings it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumeRequest {
    pub(super) token: Bytes,
    pub(super) last_received_server_position: u64,
    pub(super) first_available_client_position: u64,
}

impl ResumeRequest {
    /// Which connection: the token that its SETUP had.
    pub fn token(&self) -> &Bytes {
        &self.token
    }
}

/// Why a connection cannot be resumed as asked. It stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// It is another's, it is over, or resumption was not agreed on.
    #[error("no such connection can be resumed")]
    NotResumable,
    /// What the client has not received is not stored any more, or was never sent.
    #[error("position {position} of ours is not available: {first} to {last} are")]
    OurPosition {
        /// Up to where the client has received.
        position: u64,
        /// The first that is stored.
        first: u64,
        /// The end of what was sent.
        last: u64,
    },
    /// The client has forgotten what we have not received.
    #[error("the client has from position {first} on, and {received} was received")]
    PeerPosition {
        /// The first that the client stores.
        first: u64,
        /// Up to where we have received.
        received: u64,
    },
}

/// What both sides of a connection keep so that it can be resumed. Positions count bytes of frames of streams, without
/// length prefix, as they are sent: in fragments.
#[derive(Debug)]
pub(super) struct Resumption {
    token: Bytes,
    config: ResumeConfig,
    /// Frames that were sent and may have to be sent again.
    stored: VecDeque<Bytes>,
    stored_len: usize,
    /// What they count as against the limit.
    stored_cost: usize,
    /// Where `stored` begins.
    first: u64,
    /// How many of `stored` are not to be sent again; the rest goes out before anything new.
    sent: usize,
    /// Up to where we have received.
    received: u64,
}

impl Resumption {
    /// The token is copied: a slice would keep the buffer alive that it came in.
    pub(super) fn new(token: &[u8], config: &Config) -> Self {
        let token = Bytes::copy_from_slice(token);
        let config = config.resume.clone().unwrap_or_default();
        let stored = VecDeque::new();
        let (stored_len, stored_cost) = (0, 0);
        Self { token, config, stored, stored_len, stored_cost, first: 0, sent: 0, received: 0 }
    }

    /// Where what was sent ends.
    fn last(&self) -> u64 {
        self.first + self.stored_len as u64
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// A frame of the peer's has come, of `len` bytes.
    pub(super) fn on_received(&mut self, stream_id: StreamId, frame_type: FrameType, len: usize) {
        if has_position(stream_id, frame_type) {
            self.received += len as u64;
        }
    }

    /// A frame goes out for the first time.
    pub(super) fn store(&mut self, frame: &[u8]) {
        self.stored.push_back(Bytes::copy_from_slice(frame));
        self.stored_len += frame.len();
        self.stored_cost += cost(frame);
        self.sent += 1;
        while self.stored_cost > self.config.max_stored && self.stored.len() > 1 {
            self.forget_first();
        }
    }

    /// The next frame that has to be sent again.
    pub(super) fn next_again(&mut self) -> Option<Bytes> {
        let frame = self.stored.get(self.sent).cloned()?;
        self.sent += 1;
        Some(frame)
    }

    fn has_caught_up(&self) -> bool {
        self.sent == self.stored.len()
    }

    /// The peer has everything before `position`.
    pub(super) fn on_position(&mut self, position: u64) {
        while self.stored.front().is_some_and(|frame| self.first + frame.len() as u64 <= position) {
            self.forget_first();
        }
    }

    /// Whether what the peer has not received is there.
    fn is_available(&self, position: u64) -> bool {
        let mut at = self.first;
        let mut ends = self.stored.iter().map(|frame| {
            at += frame.len() as u64;
            at
        });
        position == self.first || ends.any(|end| end == position)
    }

    /// What was sent may be lost.
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

/// What it takes to store a frame: as much as its bytes, or, of a short one, more than they.
fn cost(frame: &[u8]) -> usize {
    frame.len().max(64)
}

/// Whether frames of a type count (Protocol.md, "Implied Position"). An ERROR on stream 0 ends the connection.
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
    /// Begins to resume a suspended client's connection over a new transport: RESUME is sent first, and when the server has
    /// agreed, [`Event::Resumed`] follows and what was lost is sent again. Elsewhere it does nothing.
    ///
    /// If the new transport fails as well, the connection is suspended again, and its time goes on.
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

    /// Resumes a server's connection as the client asks, over the transport that `request` came by: whatever comes on it
    /// belongs to this connection from now on. The connection's former transport, if it is not known to be gone, is to be dropped.
    ///
    /// RESUME_OK goes out first, then what was lost; [`Event::Resumed`] follows.
    ///
    /// # Errors
    ///
    /// Then nothing has changed; the client is to be told by [`reject_resume`](Self::reject_resume) on its new connection.
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

    /// Turns a client away that wants to resume: ERROR REJECTED_RESUME, after which it does not try again.
    pub fn reject_resume(&mut self, now: Instant, message: &str) {
        if matches!(self.phase, Phase::ResumeOffered { .. }) {
            let code = ErrorCode::REJECTED_RESUME;
            let reason = CloseReason::Local { code, message: message.to_owned() };
            self.begin_close(now, reason, code, message);
        }
    }

    /// Whether the connection waits for a new transport; its former one is gone or to be dropped.
    pub fn is_suspended(&self) -> bool {
        matches!(self.phase, Phase::Suspended { .. })
    }

    /// The transport is gone. Says whether the connection outlives it.
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

    /// A server's first frame is RESUME.
    pub(super) fn on_resume(&mut self, now: Instant, request: ResumeRequest) {
        let Phase::AwaitingSetup { deadline } = self.phase else { return };
        if self.config.resume.is_none() {
            self.on_violation(now, Violation::ResumeUnsupported);
            return;
        }
        self.phase = Phase::ResumeOffered { deadline };
        self.push_event(Event::ResumeReceived { request });
    }

    /// What a client hears that has asked to resume, but for ERROR.
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

    /// The next frame that is to be sent again, without prefix.
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

    /// Whether nothing has to be sent again.
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

    /// Tells the owner what has become of the transport. Of those that came and went before it has heard of the last one it is not
    /// told, or there would be no bound on what waits.
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
