//! One connection, its owner and its driver.

use super::ops::Ask;
use crate::model::{Model, Refusal, Signal};
use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::rsocket::connection::{
    CloseReason, Config, Credit, Event, Framing, RequestError, StreamError, TimerReason,
};
use prometheus_rsocket_protocol::rsocket::frame::{Body, ErrorCode, Frame, StreamId};
use prometheus_rsocket_protocol::rsocket::framing::{MAX_RECEIVED_FRAME, split_frame};
use prometheus_rsocket_protocol::{Connection, Machine, Payload};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub(super) struct Side {
    pub(super) connection: Connection,
    /// What the connection should do, if it is followed step by step.
    pub(super) model: Option<Model>,
    /// Bytes on the way to this side, always with prefixes.
    pub(super) incoming: BytesMut,
    /// Bytes that have arrived, and are not consumed by the connection yet.
    pub(super) buffer: BytesMut,
    /// Streams whose end the owner has not seen, and what was requested.
    pub(super) known: BTreeMap<StreamId, Known>,
    pub(super) is_over: bool,
    config: Config,
}

/// What an owner knows of a stream.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) is_mine: bool,
    kind: Ask,
    asked: Payload,
    /// Whether the owner may send on it.
    sends: bool,
    /// Whether the peer may send on it.
    receives: bool,
}

impl Side {
    pub(super) fn new(connection: Connection, config: &Config, model: Option<Model>) -> Self {
        Self {
            connection,
            model,
            incoming: BytesMut::new(),
            buffer: BytesMut::new(),
            known: BTreeMap::new(),
            is_over: false,
            config: config.clone(),
        }
    }

    /// Checks rules 5, in part, and 8, and what the model demands.
    pub(super) fn check(&mut self, now: Instant) {
        let connection = &self.connection;
        assert!(connection.open_streams() <= 2 * self.config.max_open_streams);
        let timer = connection.next_timer();
        assert_eq!(connection.poll_timeout(), timer.map(|(at, _)| at));
        if connection.is_closed() {
            assert!(!connection.wants_input() && timer.is_none());
            assert_eq!(connection.open_streams(), 0);
        }
        let Some(model) = &mut self.model else { return };
        let is_over = connection.is_closed() || matches!(timer, Some((_, TimerReason::Close)));
        if is_over {
            model.on_end();
        }
        if connection.is_suspended() {
            model.on_suspended();
        }
        assert_eq!(connection.open_streams(), model.open_streams(), "open streams");
        for (id, credit) in model.credits() {
            assert_eq!(connection.credit(id), credit, "credit of stream {id}");
        }
        if !is_over && let Some(left) = connection.lease() {
            assert_eq!(left, model.lease_left(now), "what is left of the lease");
        }
    }

    /// Checks rule 6, and that a driver that follows it neither loops nor waits forever. Returns the frames that were consumed.
    pub(super) fn read(&mut self, now: Instant) -> Vec<Bytes> {
        let (was_wanted, mut before) = (self.connection.wants_input(), self.buffer.clone());
        match self.config.framing {
            Framing::LengthPrefixed => self.connection.handle_input(now, &mut self.buffer),
            Framing::Messages => {
                while self.connection.wants_input()
                    && let Ok(Some(message)) = split_frame(&mut self.buffer, MAX_RECEIVED_FRAME)
                {
                    self.connection.handle_frame(now, message);
                }
            }
        }
        if !was_wanted {
            assert_eq!(self.buffer, before, "input was taken that was not wanted");
        }
        if self.connection.wants_input() {
            let next = split_frame(&mut self.buffer.clone(), MAX_RECEIVED_FRAME);
            assert_eq!(next, Ok(None), "a frame was wanted and not taken");
        }
        before.truncate(before.len() - self.buffer.len());
        std::iter::from_fn(|| split_frame(&mut before, MAX_RECEIVED_FRAME).unwrap()).collect()
    }

    pub(super) fn ask(
        &mut self,
        now: Instant,
        kind: Ask,
        n: u32,
        asked: Payload,
    ) -> Option<StreamId> {
        let (connection, credit) = (&mut self.connection, Credit::new(n).unwrap());
        let (body, result) = match kind {
            Ask::Response => (
                Body::RequestResponse { follows: false, payload: asked.clone() },
                connection.request_response(asked.clone()),
            ),
            Ask::Stream => (
                Body::RequestStream { follows: false, initial_n: n, payload: asked.clone() },
                connection.request_stream(asked.clone(), credit),
            ),
            Ask::Channel { complete } => (
                Body::RequestChannel {
                    follows: false,
                    complete,
                    initial_n: n,
                    payload: asked.clone(),
                },
                connection.request_channel(asked.clone(), credit, complete),
            ),
        };
        let id = self.requested(now, body, result)?;
        let sends = kind == Ask::Channel { complete: false };
        let known = Known { is_mine: true, kind, asked, sends, receives: true };
        assert!(self.known.insert(id, known).is_none(), "an id was given out while in use");
        Some(id)
    }

    pub(super) fn tell(&mut self, now: Instant, payload: Payload) {
        let body = Body::RequestFnf { follows: false, payload: payload.clone() };
        let result = self.connection.fire_and_forget(payload);
        self.requested(now, body, result);
    }

    pub(super) fn grant(&mut self, now: Instant, ttl: Duration, requests: u32) {
        let result = self.connection.grant_lease(now, ttl, requests, None);
        if let (Ok(()), Some(model)) = (result, &mut self.model) {
            model.on_granted(now, ttl, requests);
        }
    }

    fn requested(
        &mut self,
        now: Instant,
        body: Body,
        result: Result<StreamId, RequestError>,
    ) -> Option<StreamId> {
        if let Some(model) = &mut self.model {
            model.on_requested(now, body, &result);
        }
        result.ok()
    }

    /// Sends a payload, the last one or not. An answer repeats the payload of its request.
    pub(super) fn say(&mut self, nth: usize, payload: Payload, is_last: bool) {
        let Some((id, known)) = self.nth(nth) else { return };
        let is_answer = known.kind == Ask::Response;
        let payload = if is_answer { known.asked.clone() } else { payload };
        // A peer may have cancelled it and requested something else under the same id, which the owner does not know yet.
        let is_answer = match &self.model {
            Some(model) => model.is_answer(id).unwrap_or(is_answer),
            None => is_answer,
        };
        let complete = is_last || is_answer;
        let signal = if complete { Signal::NextComplete } else { Signal::Next };
        let (complete, next) = (is_last, true);
        let body = Body::Payload { follows: false, complete, next, payload: payload.clone() };
        let result = match is_last {
            true => self.connection.respond(id, payload),
            false => self.connection.send(id, payload),
        };
        self.commanded(id, signal, body, result);
    }

    pub(super) fn complete(&mut self, nth: usize) {
        let Some((id, _)) = self.nth(nth) else { return };
        let payload = Payload::default();
        let body = Body::Payload { follows: false, complete: true, next: false, payload };
        let result = self.connection.complete(id);
        self.commanded(id, Signal::Complete, body, result);
    }

    pub(super) fn reject(&mut self, nth: usize) {
        let Some((id, _)) = self.nth(nth) else { return };
        let body = Body::Error { code: ErrorCode::REJECTED, data: "no".into() };
        let result = self.connection.reject(id, ErrorCode::REJECTED, "no");
        self.commanded(id, Signal::Error, body, result);
    }

    pub(super) fn cancel(&mut self, nth: usize) {
        let Some((id, _)) = self.nth(nth) else { return };
        let result = self.connection.cancel(id);
        self.commanded(id, Signal::Cancel, Body::Cancel, result);
    }

    pub(super) fn more(&mut self, nth: usize, n: u32) {
        let Some((id, _)) = self.nth(nth) else { return };
        let result = self.connection.request_n(id, Credit::new(n).unwrap());
        self.commanded(id, Signal::RequestN, Body::RequestN { n }, result);
    }

    fn nth(&self, nth: usize) -> Option<(StreamId, &Known)> {
        self.known.iter().nth(nth).map(|(id, known)| (*id, known))
    }

    /// The owner issued a command on a stream that it knows.
    fn commanded(
        &mut self,
        id: StreamId,
        signal: Signal,
        body: Body,
        result: Result<(), StreamError>,
    ) {
        if let Some(model) = &mut self.model {
            let refused = match result {
                Ok(()) => None,
                Err(StreamError::NotOpen(_)) => Some(Refusal::NotOpen),
                Err(StreamError::NoCredit(_)) => Some(Refusal::NoCredit),
                Err(StreamError::Unsendable(_)) => Some(Refusal::NoRoom),
                Err(error) => panic!("{error}"),
            };
            model.on_command(Frame::new(id, body), signal, refused);
        }
        let (Ok(()), Some(known)) = (result, self.known.get_mut(&id)) else { return };
        match signal {
            Signal::Next | Signal::RequestN => {}
            Signal::NextComplete | Signal::Complete => known.sends = false,
            Signal::Cancel if !known.is_mine => known.receives = false,
            Signal::Cancel | Signal::Error => (known.sends, known.receives) = (false, false),
        }
        self.tidy(id);
    }

    fn tidy(&mut self, id: StreamId) {
        if self.known.get(&id).is_some_and(|known| !known.sends && !known.receives) {
            self.known.remove(&id);
        }
    }

    /// The owner takes an event. Some may be late, as they were queued when the owner gave the stream up.
    pub(super) fn on_event(&mut self, event: &Event, is_honest: bool) {
        assert!(!self.is_over, "{event:?} after Closed");
        if let Some(model) = &mut self.model {
            model.on_event(event);
        }
        match event {
            Event::RequestResponse { stream_id, payload } => {
                self.on_asked(*stream_id, Ask::Response, payload, is_honest);
            }
            Event::RequestStream { stream_id, payload, .. } => {
                self.on_asked(*stream_id, Ask::Stream, payload, is_honest);
            }
            Event::RequestChannel { stream_id, payload, complete, .. } => {
                let kind = Ask::Channel { complete: *complete };
                self.on_asked(*stream_id, kind, payload, is_honest);
            }
            Event::Response { stream_id, payload } => {
                let known = self.known.remove(stream_id);
                let known = known.expect("an answer to a request that is not over");
                if let (true, Some(payload)) = (is_honest, payload) {
                    assert_eq!(payload.metadata, known.asked.metadata, "another's answer");
                }
            }
            Event::RequestFailed { stream_id, .. } => {
                let known = self.known.remove(stream_id);
                assert!(known.is_some_and(|known| known.is_mine), "{stream_id} ended twice");
            }
            Event::Canceled { stream_id } | Event::PeerFailed { stream_id, .. } => {
                let known = self.known.remove(stream_id);
                assert!(known.is_some() || !is_honest, "what was over was canceled");
            }
            Event::Completed { stream_id } => {
                if let Some(known) = self.known.get_mut(stream_id) {
                    assert!(known.receives || !is_honest, "{stream_id} completed twice");
                    known.receives = false;
                }
                self.tidy(*stream_id);
            }
            Event::SendingCanceled { stream_id } => {
                if let Some(known) = self.known.get_mut(stream_id) {
                    known.sends = false;
                }
                self.tidy(*stream_id);
            }
            Event::Closed { reason } => {
                self.is_over = true;
                let is_violation = matches!(reason, CloseReason::Violation(_));
                assert!(!is_honest || !is_violation, "found fault with itself: {reason}");
            }
            // A request may be refused, since a lease that is taken back, or a channel's end that is queued behind its payloads, may be overtaken.
            Event::StreamViolation { violation, .. } if is_honest => {
                panic!("found fault with itself: {violation}");
            }
            _ => {}
        }
    }

    fn on_asked(&mut self, id: StreamId, kind: Ask, asked: &Payload, is_honest: bool) {
        let receives = kind == Ask::Channel { complete: false };
        let asked = asked.clone();
        let known = Known { is_mine: false, kind, asked, sends: true, receives };
        let previous = self.known.insert(id, known);
        assert!(previous.is_none() || !is_honest, "two requests at once");
    }
}
