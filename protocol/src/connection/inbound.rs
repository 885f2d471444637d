//! What a peer's frames do to a connection.

use super::event::{CloseReason, Event, StreamFailure, Violation};
use super::keepalive::KeepAlive;
use super::{Connection, Phase, Role, Stream};
use crate::Payload;
use crate::frame::{
    Body, DecodeError, DecodeErrorKind, ErrorCode, Frame, FrameType, Setup, StreamId, Version,
};
use crate::framing::FrameTooLong;
use bytes::Bytes;
use std::time::Instant;

impl Connection {
    pub(super) fn on_frame_bytes(&mut self, now: Instant, bytes: Bytes) {
        self.on_heard(now);
        match (Frame::decode(bytes), &self.phase) {
            (Ok(frame), Phase::AwaitingSetup { .. }) => self.on_first_frame(now, frame),
            (Err(error), Phase::AwaitingSetup { .. }) => {
                self.on_violation(now, Violation::NotSetup(error.to_string()));
            }
            (Ok(frame), _) => self.on_frame(now, frame),
            (Err(error), _) => self.on_undecodable(now, error),
        }
    }

    /// The peer gave a sign of life.
    pub(super) fn on_heard(&mut self, now: Instant) {
        if let Some(keepalive) = &mut self.keepalive {
            keepalive.on_heard(now);
        }
    }

    pub(super) fn on_too_long(&mut self, now: Instant, error: FrameTooLong) {
        self.on_violation(
            now,
            match self.phase {
                Phase::AwaitingSetup { .. } => Violation::NotSetup(error.to_string()),
                Phase::Closed | Phase::Closing { .. } | Phase::Open => error.into(),
            },
        );
    }

    pub(super) fn on_keepalive_timer(&mut self, now: Instant) {
        let owner_has_room = self.owner_has_room();
        let Some(keepalive) = &mut self.keepalive else { return };
        if keepalive.is_expired(now) {
            if owner_has_room && !keepalive.is_stalled() {
                let reason = CloseReason::KeepAliveTimeout { after: keepalive.lifetime() };
                let message = reason.to_string();
                self.begin_close(now, reason, ErrorCode::CONNECTION_ERROR, &message);
                return;
            }
            // Nothing was read because events wait for our owner, or did until now: that silence is not the peer's.
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

    fn on_first_frame(&mut self, now: Instant, frame: Frame) {
        match frame.body {
            Body::Setup(setup) => match check_setup(frame.stream_id, &setup) {
                Ok(()) => self.on_setup(now, setup),
                Err(violation) => self.on_violation(now, violation),
            },
            Body::Resume { version, .. } if version != Version::V1_0 => {
                self.on_violation(now, Violation::UnsupportedVersion(version));
            }
            Body::Resume { .. } => self.on_violation(now, Violation::ResumeUnsupported),
            _ => self.on_violation(now, Violation::FirstFrame),
        }
    }

    fn on_setup(&mut self, now: Instant, setup: Setup) {
        self.keepalive = Some(KeepAlive::server(now, &setup, &self.config));
        self.phase = Phase::Open;
        self.push_event(Event::SetupReceived { setup });
    }

    fn on_frame(&mut self, now: Instant, frame: Frame) {
        let stream_id = frame.stream_id;
        let frame_type = frame.body.frame_type();
        match frame.body {
            Body::KeepAlive { respond, data, .. } => self.on_keepalive(stream_id, respond, data),
            Body::RequestResponse { follows, payload } => {
                self.on_request(stream_id, frame_type, follows, payload);
            }
            Body::RequestFnf { follows, payload } => {
                self.on_request(stream_id, frame_type, follows, payload);
            }
            Body::RequestStream { .. } | Body::RequestChannel { .. } => {
                self.on_unserved(stream_id, Violation::Unsupported(frame_type));
            }
            Body::Cancel => self.on_cancel(stream_id),
            Body::Payload { follows, complete, next, payload } => {
                let is_last = complete || !follows;
                self.on_payload(now, stream_id, is_last, next.then_some(payload));
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
            Body::Ext { .. } => self.on_extension(stream_id, frame.can_ignore),
            // Nothing of ours runs on credit or lease, nor can it resume, and a second SETUP is to be ignored (Protocol.md,
            // "Handling the Unexpected").
            Body::Lease { .. }
            | Body::RequestN { .. }
            | Body::Resume { .. }
            | Body::ResumeOk { .. }
            | Body::Setup(_) => {}
        }
    }

    fn on_keepalive(&mut self, stream_id: StreamId, respond: bool, data: Bytes) {
        if respond && stream_id.is_connection() {
            let answer = |data| {
                let body = Body::KeepAlive { respond: false, position: 0, data };
                Frame::on_connection(body)
            };
            // A frame may be received that is longer than any to be sent. Its echo is cut: a sign of life all the same.
            let longest = self.config.max_sent_frame() - answer(Bytes::new()).encoded_len();
            self.outbound.push_control(answer(data.slice(..data.len().min(longest))));
        }
    }

    fn on_request(
        &mut self,
        stream_id: StreamId,
        frame_type: FrameType,
        follows: bool,
        payload: Payload,
    ) {
        if !self.may_open(stream_id) {
            return;
        }
        if follows {
            self.on_unserved(stream_id, Violation::Fragmented(frame_type));
        } else if frame_type == FrameType::RequestFnf {
            self.push_event(Event::FireAndForget { stream_id, payload });
        } else if self.streams.count(Stream::Received) >= self.config.max_open_streams {
            let limit = self.config.max_open_streams;
            self.on_unserved(stream_id, Violation::TooManyStreams { limit });
        } else {
            self.streams.insert(stream_id, Stream::Received);
            self.push_event(Event::RequestResponse { stream_id, payload });
        }
    }

    /// Whether a request of the peer's may open this stream. Others are ignored (Protocol.md, "Handling the Unexpected").
    fn may_open(&self, stream_id: StreamId) -> bool {
        !stream_id.is_connection()
            && !self.ids.is_ours(stream_id)
            && self.streams.get(stream_id).is_none()
    }

    /// Turns a request of the peer's away by an ERROR on its stream.
    fn on_unserved(&mut self, stream_id: StreamId, violation: Violation) {
        if self.may_open(stream_id) {
            self.push_stream_error(stream_id, violation.code(), &violation.to_string());
            self.push_event(Event::StreamViolation { stream_id, violation });
        }
    }

    fn on_cancel(&mut self, stream_id: StreamId) {
        if self.streams.get(stream_id) == Some(Stream::Received) {
            self.streams.remove(stream_id);
            self.push_event(Event::Canceled { stream_id });
        } else if !self.ids.is_ours(stream_id) {
            // Answered, but the answer waits still: nobody wants it any more.
            self.outbound.drop_stream(stream_id);
        }
    }

    fn on_payload(
        &mut self,
        now: Instant,
        stream_id: StreamId,
        is_last: bool,
        payload: Option<Payload>,
    ) {
        if self.streams.get(stream_id) != Some(Stream::Requested) {
            self.on_stray(now, stream_id, FrameType::Payload);
        } else if is_last {
            // A PAYLOAD in answer to REQUEST_RESPONSE is its last, whatever its C flag says.
            self.streams.remove(stream_id);
            self.push_event(Event::Response { stream_id, payload });
        } else {
            self.fail_request(stream_id, Violation::Fragmented(FrameType::Payload));
        }
    }

    fn on_stream_error(&mut self, now: Instant, stream_id: StreamId, code: ErrorCode, data: Bytes) {
        match self.streams.get(stream_id) {
            Some(Stream::Requested) => {
                self.streams.remove(stream_id);
                let error = StreamFailure::Error { code, data };
                self.push_event(Event::RequestFailed { stream_id, error });
            }
            Some(Stream::Received) => {}
            None => self.on_stray(now, stream_id, FrameType::Error),
        }
    }

    /// A frame for a stream that is not open: late, or for one that never was. No state is kept for either.
    fn on_stray(&mut self, now: Instant, stream_id: StreamId, frame_type: FrameType) {
        if self.ids.is_ours(stream_id) && !self.ids.was_taken(stream_id) {
            self.on_violation(now, Violation::NeverOpened { frame_type, stream_id });
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
        let violation = Violation::Unsupported(FrameType::Ext);
        if self.streams.get(stream_id) == Some(Stream::Requested) {
            self.fail_request(stream_id, violation);
        } else {
            self.on_unserved(stream_id, violation);
        }
    }

    /// Bytes that are no frame. They end the stream that they belong to, if it is open or was to be opened by them, and are
    /// ignored where it is over; else they end the connection.
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
        match (self.streams.get(stream_id), error.kind) {
            (_, DecodeErrorKind::UnknownType { .. }) => self.on_violation(now, violation),
            (Some(Stream::Requested), _) => self.fail_request(stream_id, violation),
            (Some(Stream::Received), _) => {
                self.streams.remove(stream_id);
                self.push_event(Event::Canceled { stream_id });
                self.on_unserved(stream_id, violation);
            }
            (None, _) if is_past => {}
            (None, _) if self.ids.is_ours(stream_id) => self.on_violation(now, violation),
            (None, _) if error.frame_type.is_some_and(opens_stream) => {
                self.on_unserved(stream_id, violation);
            }
            (None, _) => {}
        }
    }

    /// Ends a request of ours whose answer broke the rules.
    fn fail_request(&mut self, stream_id: StreamId, violation: Violation) {
        self.abandon(stream_id);
        let error = StreamFailure::Violation(violation);
        self.push_event(Event::RequestFailed { stream_id, error });
    }

    /// Ends the connection, as the peer broke its rules. What waits for it is not sent any more.
    fn on_violation(&mut self, now: Instant, violation: Violation) {
        self.outbound.clear();
        // An error of a stream's scope that ends the connection is reported under a code of that scope.
        let code = match violation.code() {
            code if code.0 >= ErrorCode::APPLICATION_ERROR.0 => ErrorCode::CONNECTION_ERROR,
            code => code,
        };
        let message = violation.to_string();
        self.begin_close(now, CloseReason::Violation(violation), code, &message);
    }
}

fn check_setup(stream_id: StreamId, setup: &Setup) -> Result<(), Violation> {
    if setup.version != Version::V1_0 {
        Err(Violation::UnsupportedVersion(setup.version))
    } else if !stream_id.is_connection() {
        Err(Violation::SetupOnStream(stream_id))
    } else if setup.resume_token.is_some() {
        Err(Violation::ResumeInSetup)
    } else if setup.lease {
        Err(Violation::LeaseUnsupported)
    } else {
        Ok(())
    }
}

/// Whether frames of this type begin an exchange, so that a bad one is owed an answer.
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
