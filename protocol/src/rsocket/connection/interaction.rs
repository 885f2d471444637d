//! Handling of the peer's frames on streams.

use super::Connection;
use super::assembly::{Assembly, Head, Limits};
use super::credit::{Balance, Credit};
use super::error::{Refusal, StreamFailure};
use super::event::{Event, Violation};
use super::streams::{Half, Kind, Side, Stream};
use crate::rsocket::Payload;
use crate::rsocket::frame::{ErrorCode, FrameType, StreamId};
use bytes::Bytes;
use std::time::Instant;

/// The flags of a PAYLOAD frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct PayloadFlags {
    pub(super) follows: bool,
    pub(super) complete: bool,
    pub(super) next: bool,
}

impl Connection {
    /// Handles a request of the peer's, whole or its first fragment.
    pub(super) fn on_request(
        &mut self,
        now: Instant,
        stream_id: StreamId,
        head: Head,
        follows: bool,
        payload: Payload,
    ) {
        if !self.may_open(stream_id) {
            return;
        }
        let limit = self.config.max_open_streams;
        let frame_type = head.frame_type;
        let stays = follows || frame_type != FrameType::RequestFnf;
        let is_stream = matches!(frame_type, FrameType::RequestStream | FrameType::RequestChannel);
        if is_stream && !self.config.serve_streams {
            self.refuse(stream_id, Refusal::NotServed(frame_type));
        } else if !self.takes_request(now) {
            self.refuse(stream_id, Refusal::NoLease);
        } else if stays && self.streams.count(Side::Received) >= limit {
            self.refuse(stream_id, Refusal::TooManyStreams { limit });
        } else if follows {
            let opening = Stream::new(Side::Received, Kind::Opening, Half::Closed, Half::Closed);
            self.streams.insert(stream_id, opening);
            self.on_fragment(stream_id, Assembly::new(Some(head)), &payload);
        } else {
            self.open(stream_id, head, payload);
        }
    }

    /// Opens the stream of a whole request of the peer's.
    fn open(&mut self, stream_id: StreamId, head: Head, payload: Payload) {
        let Head { frame_type, initial_n, complete } = head;
        let initial_n = Credit::new(initial_n);
        let sending = |credit| Half::Open(Balance::new(credit));
        let (stream, event) = match frame_type {
            FrameType::RequestFnf => {
                self.push_event(Event::FireAndForget { stream_id, payload });
                return;
            }
            FrameType::RequestStream => (
                Stream::new(Side::Received, Kind::Stream, sending(initial_n), Half::Closed),
                Event::RequestStream { stream_id, payload, initial_n },
            ),
            FrameType::RequestChannel => {
                let tolerated = Credit::new(self.config.channel_tolerance);
                let receiving =
                    if complete { Half::Closed } else { Half::Open(Balance::new(tolerated)) };
                (
                    Stream::new(Side::Received, Kind::Channel, sending(initial_n), receiving),
                    Event::RequestChannel { stream_id, payload, initial_n, complete },
                )
            }
            _ => (
                Stream::new(Side::Received, Kind::Response, sending(Credit::new(1)), Half::Closed),
                Event::RequestResponse { stream_id, payload },
            ),
        };
        self.streams.insert(stream_id, stream);
        self.push_event(event);
    }

    /// Whether a request of the peer's may open this stream. Other requests are ignored (Protocol.md, "Handling the Unexpected").
    fn may_open(&self, stream_id: StreamId) -> bool {
        !stream_id.is_connection()
            && !self.ids.is_ours(stream_id)
            && self.streams.get(stream_id).is_none()
    }

    /// Answers a valid request by an ERROR on its stream.
    pub(super) fn refuse(&mut self, stream_id: StreamId, refusal: Refusal) {
        if self.may_open(stream_id) {
            self.push_stream_error(stream_id, ErrorCode::REJECTED, &refusal.to_string());
            self.push_event(Event::RequestRefused { stream_id, refusal });
        }
    }

    /// Answers a violation on a stream that is not open, or no longer open, by an ERROR on it.
    pub(super) fn on_bad_request(&mut self, stream_id: StreamId, violation: Violation) {
        if self.may_open(stream_id) {
            self.push_stream_error(stream_id, violation.code(), &violation.to_string());
            self.push_event(Event::StreamViolation { stream_id, violation });
        }
    }

    pub(super) fn on_payload(
        &mut self,
        now: Instant,
        stream_id: StreamId,
        flags: PayloadFlags,
        payload: Payload,
    ) {
        let Some(stream) = self.streams.get_mut(stream_id) else {
            self.on_stray(now, stream_id, FrameType::Payload);
            return;
        };
        if let Some(assembly) = stream.assembly.take() {
            self.on_next_fragment(stream_id, *assembly, flags, &payload);
            return;
        }
        let PayloadFlags { follows, complete, next } = flags;
        let has_payload = next || follows;
        let Half::Open(balance) = &mut stream.receiving else { return };
        if !has_payload && !complete && stream.kind != Kind::Response {
            self.on_stream_violation(stream_id, Violation::EmptyPayload);
        } else if has_payload && !balance.take() {
            self.on_stream_violation(stream_id, Violation::Overrun);
        } else if follows {
            self.on_fragment(stream_id, Assembly::new(None), &payload);
        } else {
            self.deliver(stream_id, has_payload.then_some(payload), complete);
        }
    }

    /// Handles a fragment that is not the first of its payload. Its flag N does not matter: rsocket-rust omits it.
    fn on_next_fragment(
        &mut self,
        stream_id: StreamId,
        assembly: Assembly,
        flags: PayloadFlags,
        fragment: &Payload,
    ) {
        self.on_fragment(stream_id, assembly, fragment);
        if flags.follows {
            return;
        }
        let assembly = self.streams.get_mut(stream_id).and_then(|stream| stream.assembly.take());
        let Some(assembly) = assembly else { return };
        self.streams.on_finished(assembly.cost());
        let head = assembly.head;
        let payload = assembly.finish();
        match head {
            Some(head) => {
                self.streams.remove(stream_id);
                let head = Head { complete: head.complete || flags.complete, ..head };
                self.open(stream_id, head, payload);
            }
            None => self.deliver(stream_id, Some(payload), flags.complete),
        }
    }

    /// Adds a fragment to its payload. Ends the stream if a limit is exceeded.
    fn on_fragment(&mut self, stream_id: StreamId, mut assembly: Assembly, fragment: &Payload) {
        let limits = Limits {
            payload: self.config.max_payload_len,
            connection: self.config.max_unfinished.saturating_sub(self.streams.unfinished()),
        };
        let added = assembly.add(fragment, limits);
        if let Some(stream) = self.streams.get_mut(stream_id) {
            stream.assembly = Some(Box::new(assembly));
        }
        match added {
            Ok(cost) => self.streams.on_unfinished(cost),
            Err(violation) => self.on_stream_violation(stream_id, violation),
        }
    }

    /// Passes a payload, the completion of the peer's side, or both to the owner.
    fn deliver(&mut self, stream_id: StreamId, payload: Option<Payload>, complete: bool) {
        let Some(stream) = self.streams.get_mut(stream_id) else { return };
        if stream.kind == Kind::Response {
            // A PAYLOAD in answer to REQUEST_RESPONSE is the last one, with or without flag C.
            self.streams.remove(stream_id);
            self.push_event(Event::Response { stream_id, payload });
            return;
        }
        if complete {
            stream.receiving = Half::Closed;
            self.streams.tidy(stream_id);
        }
        if let Some(payload) = payload {
            self.push_event(Event::Payload { stream_id, payload });
        }
        if complete {
            self.push_event(Event::Completed { stream_id });
        }
    }

    pub(super) fn on_request_n(&mut self, stream_id: StreamId, n: u32) {
        let Some(credit) = Credit::new(n) else { return };
        let stream = self.streams.known(stream_id).filter(|stream| stream.kind != Kind::Response);
        if let Some(Half::Open(balance)) = stream.map(|stream| &mut stream.sending) {
            balance.add(credit);
            self.push_event(Event::CreditReceived { stream_id, credit });
        }
    }

    pub(super) fn on_cancel(&mut self, stream_id: StreamId) {
        match self.streams.get_mut(stream_id) {
            Some(stream) if stream.side == Side::Received => {
                let is_known = stream.is_known();
                self.streams.remove(stream_id);
                self.outbound.drop_stream(stream_id);
                if is_known {
                    self.push_event(Event::Canceled { stream_id });
                }
            }
            // The responder of a channel takes no more payloads. The specification does not mention it, but rsocket-java sends
            // it.
            Some(stream) if stream.sending.is_open() => {
                stream.sending = Half::Closed;
                self.streams.tidy(stream_id);
                self.outbound.drop_payloads(stream_id);
                self.push_event(Event::SendingCanceled { stream_id });
            }
            // The answer is still queued, and no longer wanted.
            None if !self.ids.is_ours(stream_id) => {
                self.outbound.drop_stream(stream_id);
            }
            Some(_) | None => {}
        }
    }

    pub(super) fn on_stream_error(
        &mut self,
        now: Instant,
        stream_id: StreamId,
        code: ErrorCode,
        data: Bytes,
    ) {
        let Some(stream) = self.streams.get(stream_id) else {
            self.on_stray(now, stream_id, FrameType::Error);
            return;
        };
        let event = match (stream.side, stream.kind) {
            (Side::Requested, _) => {
                let error = StreamFailure::Error { code, data };
                Some(Event::RequestFailed { stream_id, error })
            }
            (Side::Received, Kind::Channel) => Some(Event::PeerFailed { stream_id, code, data }),
            (Side::Received, Kind::Opening) => None,
            // A requester may not send ERROR here.
            (Side::Received, Kind::Response | Kind::Stream) => return,
        };
        self.streams.remove(stream_id);
        self.outbound.drop_stream(stream_id);
        if let Some(event) = event {
            self.push_event(event);
        }
    }

    /// Handles a frame for a stream that is not open: a late one, or one of a stream that never was. No state is kept for either.
    fn on_stray(&mut self, now: Instant, stream_id: StreamId, frame_type: FrameType) {
        if self.ids.is_ours(stream_id) && !self.ids.was_taken(stream_id) {
            self.on_violation(now, Violation::NeverOpened { frame_type, stream_id });
        }
    }

    /// Ends an open stream because of a violation.
    pub(super) fn on_stream_violation(&mut self, stream_id: StreamId, violation: Violation) {
        let Some(stream) = self.streams.get(stream_id) else { return };
        if stream.side == Side::Requested {
            self.abandon(stream_id);
            let error = StreamFailure::Violation(violation);
            self.push_event(Event::RequestFailed { stream_id, error });
            return;
        }
        let is_known = stream.is_known();
        self.streams.remove(stream_id);
        self.outbound.drop_stream(stream_id);
        if is_known {
            self.push_event(Event::Canceled { stream_id });
        }
        self.on_bad_request(stream_id, violation);
    }
}
