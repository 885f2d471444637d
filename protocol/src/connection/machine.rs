//! The verbs that a driver uses.

use super::config::Framing;
use super::event::CloseReason;
use super::{Connection, Phase};
use crate::Machine;
use crate::frame::{Body, ErrorCode, Frame};
use crate::framing::{self, split_frame};
use bytes::BytesMut;
use std::time::Instant;

impl Machine for Connection {
    fn handle_input(&mut self, now: Instant, input: &mut BytesMut) {
        if self.wants_input() && input.len() > self.unfinished {
            // A part of a long frame is a sign of life, too: no KEEPALIVE can come until it is through.
            self.on_heard(now);
        }
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
            Phase::AwaitingSetup { deadline } if is_due(*deadline, now) => {
                let reason = CloseReason::SetupTimeout { after: self.config.setup_timeout };
                let message = reason.to_string();
                self.begin_close(now, reason, ErrorCode::INVALID_SETUP, &message);
            }
            Phase::Closing { deadline, ending } if is_due(*deadline, now) => {
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

impl Connection {
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
}

fn is_due(deadline: Option<Instant>, now: Instant) -> bool {
    deadline.is_some_and(|deadline| deadline <= now)
}
