//! The methods that a driver uses.

use super::config::Framing;
use super::event::{CloseReason, Violation};
use super::resume::has_position;
use super::{Connection, Phase};
use crate::rsocket::Machine;
use crate::rsocket::frame::{Body, ErrorCode, Frame};
use crate::rsocket::framing;
use bytes::{BufMut, BytesMut};
use std::time::Instant;

impl Machine for Connection {
    fn handle_input(&mut self, now: Instant, input: &mut BytesMut) {
        if !self.has_heard && self.is_receiving() {
            self.foreign = framing::looks_like(input);
        }
        while self.wants_input() {
            match framing::whole(input, self.max_received()) {
                Ok(Some(len)) => {
                    let frame = Frame::take(input, framing::PREFIX_LEN, len);
                    self.on_decoded(now, frame, len);
                    // A short frame behind a long one would keep the memory of both. No more is copied than was taken.
                    if len >= LONG_FRAME && input.len() <= len {
                        *input = BytesMut::from(&input[..]);
                    }
                }
                Ok(None) => break,
                // The protocol is identified within a few more bytes. So the result is the same however the input was cut.
                Err(_) if !self.has_heard && framing::is_undecided(input) => break,
                Err(error) => self.on_too_long(now, error),
            }
        }
        self.unfinished = input.len();
        self.settle();
    }

    fn handle_eof(&mut self, now: Instant) {
        self.on_transport_gone(now, None);
    }

    fn handle_transport_failed(&mut self, now: Instant, error: &str) {
        self.on_transport_gone(now, Some(error));
    }

    fn handle_timeout(&mut self, now: Instant) {
        match &self.phase {
            Phase::Closed => {}
            Phase::AwaitingSetup { deadline } if is_due(*deadline, now) => {
                if let Some(foreign) = self.foreign {
                    self.on_violation(now, Violation::NotRsocket(foreign));
                    return;
                }
                let reason = CloseReason::SetupTimeout { after: self.config.setup_timeout };
                let message = reason.to_string();
                self.begin_close(now, reason, ErrorCode::INVALID_SETUP, &message);
            }
            Phase::Closing { deadline, ending } if is_due(*deadline, now) => {
                let reason = ending.reason.clone();
                self.finish(reason);
            }
            Phase::ResumeOffered { deadline } if is_due(*deadline, now) => {
                self.reject_resume(now, "nobody answers for the connection to resume");
            }
            Phase::Resuming { deadline } | Phase::Suspended { deadline }
                if is_due(*deadline, now) =>
            {
                self.on_suspended_too_long();
            }
            Phase::AwaitingSetup { .. }
            | Phase::Closing { .. }
            | Phase::ResumeOffered { .. }
            | Phase::Resuming { .. }
            | Phase::Suspended { .. } => {}
            Phase::Open => {
                if let Some(leases) = &mut self.leases {
                    leases.received.expire(now);
                }
                self.on_keepalive_timer(now);
            }
        }
    }

    fn poll_transmit(&mut self, _now: Instant, output: &mut BytesMut) -> bool {
        if !self.outbound.has_control()
            && let Some(frame) = self.next_again()
        {
            self.put_frame(&frame, output);
            self.settle();
            return true;
        }
        while let Some(mut frame) = self.next_frame() {
            if let Body::KeepAlive { respond, position, .. } = &mut frame.body {
                *position = self.position();
                if let Some(keepalive) = self.keepalive.as_mut().filter(|_| *respond) {
                    keepalive.on_tick_sent();
                }
            }
            let encoded = self.encode(&frame, output);
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
        // While the connection is being resumed, queued output can only go out after the answer has arrived.
        let has_room = matches!(self.phase, Phase::Resuming { .. }) || self.output_has_room();
        self.is_receiving() && self.owner_has_room() && has_room && !self.is_paused()
    }

    fn is_pipelined(&self) -> bool {
        self.streams.len() > 1
    }

    fn held_bytes(&self) -> usize {
        self.event_bytes + self.outbound.bytes() + self.streams.unfinished()
    }

    fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    fn wants_transport(&self) -> bool {
        !self.is_closed() && !self.is_suspended()
    }
}

impl Connection {
    fn encode(&mut self, frame: &Frame, output: &mut BytesMut) -> bool {
        let start = output.len();
        let (encoded, prefix_len) = match self.config.framing {
            Framing::LengthPrefixed => {
                (framing::encode_prefixed(frame, output).is_ok(), framing::PREFIX_LEN)
            }
            Framing::Messages => (frame.encode(output).is_ok(), 0),
        };
        if let Some(resumption) = &mut self.resumption
            && has_position(frame.stream_id, frame.body.frame_type())
            && let Some(bytes) = output.get(start + prefix_len..)
        {
            resumption.store(bytes);
        }
        encoded
    }

    /// Appends a frame that is already encoded.
    fn put_frame(&self, frame: &[u8], output: &mut BytesMut) {
        if self.config.framing == Framing::LengthPrefixed {
            output.put_uint(frame.len() as u64, framing::PREFIX_LEN);
        }
        output.extend_from_slice(frame);
    }

    fn next_frame(&mut self) -> Option<Frame> {
        let frame = match self.phase {
            Phase::Suspended { .. } => return None,
            // RESUME, and no other frame until the server has agreed.
            Phase::Resuming { .. } => return self.outbound.pop_control(),
            _ => self.outbound.pop(),
        };
        if frame.is_some() {
            return frame;
        }
        match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Closing { ending, .. } => {
                self.finish(ending.reason);
                Some(ending.last)
            }
            phase => {
                self.phase = phase;
                None
            }
        }
    }

    /// The peer closed the transport, or it failed with this error.
    fn on_transport_gone(&mut self, now: Instant, error: Option<&str>) {
        if self.suspend(now) {
            return;
        }
        match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Closed => {}
            Phase::Closing { ending, .. } => self.finish(ending.reason),
            _ => {
                let unfinished = self.unfinished;
                let eof = match (self.foreign, error) {
                    (Some(foreign), _) => CloseReason::NotRsocket(foreign),
                    (None, None) => CloseReason::Eof { unfinished },
                    (None, Some(error)) => {
                        CloseReason::Transport { error: error.to_owned(), unfinished }
                    }
                };
                let reason = self.draining.take().unwrap_or(eof);
                self.finish(reason);
            }
        }
    }
}

/// What follows a frame of this length or more is moved out of its buffer.
const LONG_FRAME: usize = 1024;

fn is_due(deadline: Option<Instant>, now: Instant) -> bool {
    deadline.is_some_and(|deadline| deadline <= now)
}
