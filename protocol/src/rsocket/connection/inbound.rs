//! Handling of the peer's frames. Those on streams are handled in `interaction`.

use super::assembly::Head;
use super::error::Refusal;
use super::event::{CloseReason, Event, Violation};
use super::interaction::PayloadFlags;
use super::keepalive::KeepAlive;
use super::lease::Leases;
use super::resume::{ResumeRequest, Resumption};
use super::streams::Side;
use super::{Config, Connection, Phase, Role};
use crate::rsocket::frame::{
    Body, DecodeError, DecodeErrorKind, ErrorCode, Frame, FrameType, Setup, StreamId, Version,
};
use crate::rsocket::framing::FrameTooLong;
use bytes::Bytes;
use std::time::Instant;

impl Connection {
    /// Handles a frame of `len` bytes.
    pub(super) fn on_decoded(
        &mut self,
        now: Instant,
        decoded: Result<Frame, DecodeError>,
        len: usize,
    ) {
        self.on_heard(now);
        (self.has_heard, self.foreign) = (true, None);
        let counted = match &decoded {
            Ok(frame) => Some((frame.stream_id, frame.body.frame_type())),
            Err(error) => error.stream_id.zip(error.frame_type),
        };
        if let (Some(resumption), Some((stream_id, frame_type))) = (&mut self.resumption, counted) {
            resumption.on_received(stream_id, frame_type, len);
        }
        match (decoded, &self.phase) {
            (Ok(frame), Phase::AwaitingSetup { .. }) => self.on_first_frame(now, frame),
            (Err(error), Phase::AwaitingSetup { .. }) => {
                self.on_violation(now, Violation::NotSetup(error.to_string()));
            }
            (Ok(frame), _) => self.on_frame(now, frame),
            (Err(error), _) => self.on_undecodable(now, error),
        }
    }

    /// Notes a sign of life of the peer.
    pub(super) fn on_heard(&mut self, now: Instant) {
        if let Some(keepalive) = &mut self.keepalive {
            keepalive.on_heard(now);
        }
    }

    pub(super) fn on_too_long(&mut self, now: Instant, error: FrameTooLong) {
        let violation = match (self.foreign, &self.phase) {
            (Some(foreign), _) => Violation::NotRsocket(foreign),
            (None, Phase::AwaitingSetup { .. }) => Violation::NotSetup(error.to_string()),
            (None, _) => error.into(),
        };
        self.on_violation(now, violation);
    }

    pub(super) fn on_keepalive_timer(&mut self, now: Instant) {
        let owner_has_room = self.owner_has_room();
        let Some(keepalive) = &mut self.keepalive else { return };
        keepalive.end_pause(now);
        if keepalive.is_expired(now) {
            if owner_has_room && !keepalive.is_stalled() && !keepalive.is_paused() {
                if self.suspend(now) {
                    return;
                }
                let Some(keepalive) = &self.keepalive else { return };
                let reason = CloseReason::KeepAliveTimeout { after: keepalive.lifetime() };
                let message = reason.to_string();
                self.begin_close(now, reason, ErrorCode::CONNECTION_ERROR, &message);
                return;
            }
            // Nothing was read because events wait for our owner, or did until now, or because reading paused. The silence is
            // not the peer's.
            keepalive.on_heard(now);
            if !owner_has_room {
                keepalive.on_stall();
            }
        }
        if keepalive.tick(now) {
            let body = Body::KeepAlive { respond: true, position: 0, data: Bytes::new() };
            self.outbound.push_control(Frame::on_connection(body));
        }
    }

    /// The position up to which we have received; 0 without resumption.
    pub(super) fn position(&self) -> u64 {
        self.resumption.as_ref().map_or(0, |resumption| resumption.received())
    }

    fn on_first_frame(&mut self, now: Instant, frame: Frame) {
        match frame.body {
            Body::Setup(setup) => match check_setup(frame.stream_id, &setup, &self.config) {
                Ok(()) => self.on_setup(now, setup),
                Err(violation) => self.on_violation(now, violation),
            },
            Body::Resume { version, .. } if ![Version::V1_0, SWAPPED].contains(&version) => {
                self.on_violation(now, Violation::UnsupportedVersion(version));
            }
            Body::Resume {
                token,
                last_received_server_position,
                first_available_client_position,
                ..
            } => {
                let request = ResumeRequest {
                    token,
                    last_received_server_position,
                    first_available_client_position,
                };
                self.on_resume(now, request);
            }
            _ => self.on_violation(now, Violation::FirstFrame),
        }
    }

    fn on_setup(&mut self, now: Instant, setup: Box<Setup>) {
        self.keepalive = Some(KeepAlive::server(now, &setup, &self.config));
        self.leases = setup.lease.then(Leases::default);
        let resumption = |token: &Bytes| Resumption::new(token, &self.config);
        self.resumption = setup.resume_token.as_ref().map(resumption).map(Box::new);
        self.phase = Phase::Open;
        self.push_event(Event::SetupReceived { setup });
    }

    fn on_frame(&mut self, now: Instant, frame: Frame) {
        let stream_id = frame.stream_id;
        let frame_type = frame.body.frame_type();
        let is_error = frame_type == FrameType::Error && stream_id.is_connection();
        if matches!(self.phase, Phase::Resuming { .. }) && !is_error {
            self.on_frame_while_resuming(now, &frame);
            return;
        }
        match frame.body {
            Body::KeepAlive { respond, position, data } => {
                if let Some(resumption) = &mut self.resumption {
                    resumption.on_position(position);
                }
                self.on_keepalive(now, stream_id, respond, &data);
            }
            Body::RequestResponse { follows, payload } | Body::RequestFnf { follows, payload } => {
                let head = Head { frame_type, initial_n: 0, complete: false };
                self.on_request(now, stream_id, head, follows, payload);
            }
            Body::RequestStream { follows, initial_n, payload } => {
                let head = Head { frame_type, initial_n, complete: false };
                self.on_request(now, stream_id, head, follows, payload);
            }
            Body::RequestChannel { follows, complete, initial_n, payload } => {
                let head = Head { frame_type, initial_n, complete };
                self.on_request(now, stream_id, head, follows, payload);
            }
            Body::RequestN { n } => self.on_request_n(stream_id, n),
            Body::Cancel => self.on_cancel(stream_id),
            Body::Payload { follows, complete, next, payload } => {
                // Flag F is ignored beside flag C (Protocol.md, "Handling the Unexpected").
                let flags = PayloadFlags { follows: follows && !complete, complete, next };
                self.on_payload(now, stream_id, flags, payload);
            }
            Body::Error { code, data } if stream_id.is_connection() => {
                self.on_connection_error(code, &data);
            }
            Body::Error { code, data } => self.on_stream_error(now, stream_id, code, data),
            Body::MetadataPush { metadata } => {
                if stream_id.is_connection() {
                    self.push_event(Event::MetadataPush { metadata });
                }
            }
            Body::Ext { extended_type, payload } if self.config.serve_extensions => {
                let can_ignore = frame.can_ignore;
                let event = Event::Extension { stream_id, can_ignore, extended_type, payload };
                self.push_event(event);
            }
            Body::Ext { .. } => self.on_extension(stream_id, frame.can_ignore),
            Body::Lease { ttl_ms, requests, metadata } if stream_id.is_connection() => {
                self.on_lease(now, ttl_ms, requests, metadata);
            }
            // LEASE on another stream, late RESUME and RESUME_OK, and a second SETUP are ignored (Protocol.md, "Handling the
            // Unexpected").
            Body::Lease { .. } | Body::Resume { .. } | Body::ResumeOk { .. } | Body::Setup(_) => {}
        }
    }

    fn on_keepalive(&mut self, now: Instant, stream_id: StreamId, respond: bool, data: &[u8]) {
        if !respond || !stream_id.is_connection() {
            return;
        }
        let limit = self.config.max_keepalive_data;
        if data.len() > limit {
            self.on_violation(now, Violation::KeepAliveTooLong { len: data.len(), limit });
            return;
        }
        // The position is filled in when the frame is sent. The data is copied: it may wait for long, and a slice would keep
        // alive everything that was read with it.
        let data = Bytes::copy_from_slice(data);
        let echo = Body::KeepAlive { respond: false, position: 0, data };
        self.outbound.push_control(Frame::on_connection(echo));
        if let Some(keepalive) = &mut self.keepalive {
            keepalive.on_echo(now);
        }
    }

    fn on_connection_error(&mut self, code: ErrorCode, data: &[u8]) {
        let is_about_setup =
            (ErrorCode::INVALID_SETUP..=ErrorCode::REJECTED_RESUME).contains(&code);
        if is_about_setup && self.role == Role::Server {
            return;
        }
        let message = String::from_utf8_lossy(data.get(..1024).unwrap_or(data)).into_owned();
        let reason = CloseReason::PeerError { code, message };
        if code == ErrorCode::CONNECTION_CLOSE {
            self.draining = Some(reason);
        } else {
            self.finish(reason);
        }
    }

    fn on_extension(&mut self, stream_id: StreamId, can_ignore: bool) {
        if can_ignore {
            return;
        }
        if self.streams.get(stream_id).is_some_and(|stream| stream.side == Side::Requested) {
            self.on_stream_violation(stream_id, Violation::Unsupported(FrameType::Ext));
        } else {
            self.refuse(stream_id, Refusal::NotServed(FrameType::Ext));
        }
    }

    /// Handles a frame that cannot be decoded. A frame of an unknown type is ignored if it has flag I, and otherwise ends the
    /// connection. Any other frame ends its stream if that is open, and is answered by an ERROR if it was to open one. It ends
    /// the connection on stream 0, on a stream of ours that was never opened, or if its header is incomplete. Elsewhere it is
    /// ignored.
    fn on_undecodable(&mut self, now: Instant, error: DecodeError) {
        if let DecodeErrorKind::UnknownType { can_ignore: true, .. } = error.kind {
            return;
        }
        let violation = Violation::Decode(error.clone());
        let Some(stream_id) = error.stream_id.filter(|stream_id| !stream_id.is_connection()) else {
            self.on_violation(now, violation);
            return;
        };
        let is_past = self.ids.is_ours(stream_id) && self.ids.was_taken(stream_id);
        let is_open = self.streams.get(stream_id).is_some();
        match error.kind {
            DecodeErrorKind::UnknownType { .. } => self.on_violation(now, violation),
            _ if is_open => self.on_stream_violation(stream_id, violation),
            _ if is_past => {}
            _ if self.ids.is_ours(stream_id) => self.on_violation(now, violation),
            _ if error.frame_type.is_some_and(opens_stream) => {
                self.on_bad_request(stream_id, violation);
            }
            _ => {}
        }
    }

    /// Ends the connection because of a violation. Frames that are queued are not sent any more.
    pub(super) fn on_violation(&mut self, now: Instant, violation: Violation) {
        self.outbound.clear();
        self.resumption = None;
        // A code for streams cannot be sent on stream 0.
        let code = match violation.code() {
            code if code.0 >= ErrorCode::APPLICATION_ERROR.0 => ErrorCode::CONNECTION_ERROR,
            code => code,
        };
        let message = violation.to_string();
        self.begin_close(now, CloseReason::Violation(violation), code, &message);
    }
}

fn check_setup(stream_id: StreamId, setup: &Setup, config: &Config) -> Result<(), Violation> {
    if setup.version != Version::V1_0 {
        Err(Violation::UnsupportedVersion(setup.version))
    } else if !stream_id.is_connection() {
        Err(Violation::SetupOnStream(stream_id))
    } else if setup.resume_token.is_some() && config.resume.is_none() {
        Err(Violation::ResumeInSetup)
    } else if setup.lease && !config.serve_leases {
        Err(Violation::LeaseUnsupported)
    } else {
        Ok(())
    }
}

/// Whether frames of this type begin an exchange, so that an invalid one must be answered.
fn opens_stream(frame_type: FrameType) -> bool {
    match frame_type {
        FrameType::Ext
        | FrameType::RequestChannel
        | FrameType::RequestFnf
        | FrameType::RequestResponse
        | FrameType::RequestStream => true,
        FrameType::Cancel
        | FrameType::Error
        | FrameType::KeepAlive
        | FrameType::Lease
        | FrameType::MetadataPush
        | FrameType::Payload
        | FrameType::RequestN
        | FrameType::Resume
        | FrameType::ResumeOk
        | FrameType::Setup => false,
    }
}

/// The version in RESUME of rsocket-js 1.0, whose connector swaps the two numbers. Its SETUP has them right.
const SWAPPED: Version = Version { major: 0, minor: 1 };
