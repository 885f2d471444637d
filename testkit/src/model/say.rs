//! What an owner commands, and what is sent.

use super::life::{Life, Refusal, joined};
use super::table::Interaction;
use super::{Lease, Model, Signal};
use crate::world::Who;
use bytes::Bytes;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::RequestError;
use prometheus_rsocket_protocol::rsocket::frame::{Body, Frame, StreamId};
use std::time::Instant;

impl Model {
    /// The owner made a request, with this result.
    pub(crate) fn on_requested(
        &mut self,
        now: Instant,
        request: Body,
        result: &Result<StreamId, RequestError>,
    ) {
        let id = match result {
            Ok(id) => *id,
            Err(error) => return self.assert_refused(now, &request, error),
        };
        assert_eq!(id, self.next_id());
        assert!(self.lease_left(now) > 0 && !self.is_over && self.is_set_up);
        self.opened += 1;
        if let Some(leases) = &mut self.leases {
            leases.received.left -= 1;
        }
        if let Some(life) = Life::new(&request, true) {
            self.streams.insert(id, life);
            assert!(self.count(true) <= self.config.max_open_streams);
        }
        self.owe(id, request);
    }

    fn assert_refused(&self, now: Instant, request: &Body, error: &RequestError) {
        let is_right = match error {
            RequestError::Closed => self.is_over,
            RequestError::NoLease => self.lease_left(now) == 0,
            RequestError::NotSetUp => !self.is_set_up,
            RequestError::TooManyStreams { .. } => {
                let is_stream = Life::new(request, true).is_some();
                is_stream && self.count(true) >= self.config.max_open_streams
            }
            RequestError::Saturated { .. } => self.may_be_full(),
            _ => false,
        };
        assert!(is_right, "{error}");
    }

    /// The owner issued a command on a stream, with this result.
    pub(crate) fn on_command(
        &mut self,
        mut frame: Frame,
        signal: Signal,
        refused: Option<Refusal>,
    ) {
        let id = frame.stream_id;
        let life = self.streams.get_mut(&id);
        let permits = |life: &&mut Life| life.permits(life.me(), signal);
        let permitted = life.as_ref().map_or(Err(Refusal::NotOpen), permits);
        let (Some(life), Ok(ends), None) = (life, permitted, refused) else {
            match refused {
                Some(Refusal::NoRoom) => assert!(permitted.is_ok() && self.may_be_full()),
                refused => assert_eq!(permitted.err(), refused, "{signal:?} on {id}"),
            }
            return;
        };
        let me = life.me();
        match &mut frame.body {
            Body::Payload { complete, next: true, .. } => {
                life.spend(me);
                // An answer is always the last.
                *complete |= life.interaction == Some(Interaction::Response);
            }
            Body::RequestN { n } => life.grant(me.other(), *n),
            Body::Cancel => life.assembly = None,
            _ => {}
        }
        life.end(me, ends);
        let is_abandoned = signal == Signal::Cancel && life.is_mine;
        if life.is_over() {
            self.streams.remove(&id);
        }
        match is_abandoned {
            true => self.abandon(id),
            false => self.owe(id, frame.body),
        }
    }

    /// A frame was sent.
    pub(crate) fn on_sent(&mut self, bytes: &Bytes) {
        let frame = Frame::decode(bytes.clone()).unwrap();
        if frame.stream_id.is_connection() {
            self.on_sent_about_connection(&frame);
            return;
        }
        if let Some(again) = self.sent.get(self.at) {
            assert_eq!(bytes, again, "not what was lost");
            self.at += 1;
            return;
        }
        self.sent.push(bytes.clone());
        self.at += 1;
        let is_error = matches!(frame.body, Body::Error { .. });
        let limit = if is_error { usize::MAX } else { self.longest_frame() };
        assert!(bytes.len() <= limit, "a fragment of {} bytes", bytes.len());
        let id = frame.stream_id;
        let (whole, follows) = match self.begun.remove(&id) {
            None => first_fragment(frame),
            Some(begun) => next_fragment(begun, frame),
        };
        if follows {
            self.begun.insert(id, whole);
            return;
        }
        let owed = self.owed.get_mut(&id).expect("nothing is owed on this stream");
        assert_eq!(owed.pop_front(), Some(whole));
        if owed.is_empty() {
            self.owed.remove(&id);
        }
    }

    /// Positions have to be those of the received frames.
    fn on_sent_about_connection(&self, frame: &Frame) {
        let received = if self.config.resume.is_some() { self.position() } else { 0 };
        match &frame.body {
            Body::KeepAlive { position, .. }
            | Body::Resume { last_received_server_position: position, .. } => {
                assert_eq!(*position, received);
            }
            // By the time it is sent, more may have arrived from a client that does not wait for it.
            Body::ResumeOk { last_received_client_position: position } => {
                assert_eq!(*position, self.resumed_at);
            }
            _ => {}
        }
    }

    /// Whether limits are so low that frames may find no room.
    fn may_be_full(&self) -> bool {
        self.config.max_queued_output < 1_000
    }

    pub(super) fn on_lease(&mut self, ttl_until: Instant, requests: u32) {
        if let Some(leases) = &mut self.leases {
            leases.received = Lease { left: requests, until: Some(ttl_until) };
        }
    }

    pub(super) fn set_up(&mut self) {
        assert_eq!(self.who, Who::Server);
        self.is_set_up = true;
    }
}

/// Returns the whole frame that a first fragment belongs to, as far as it goes, and whether more follows.
fn first_fragment(mut frame: Frame) -> (Frame, bool) {
    let follows = match &mut frame.body {
        Body::RequestResponse { follows, .. }
        | Body::RequestFnf { follows, .. }
        | Body::RequestStream { follows, .. }
        | Body::RequestChannel { follows, .. }
        | Body::Payload { follows, .. } => std::mem::take(follows),
        _ => false,
    };
    (frame, follows)
}

/// As rsocket-java demands: all fragments except the first are PAYLOAD with flag N, and none has flag C.
fn next_fragment(mut begun: Frame, next: Frame) -> (Frame, bool) {
    let Body::Payload { follows, complete: false, next: true, payload: part } = next.body else {
        panic!("no fragment: {next:?}");
    };
    let payload: &mut Payload = match &mut begun.body {
        Body::RequestChannel { complete, payload, .. }
        | Body::Payload { complete, payload, .. } => {
            assert!(!*complete, "flag C on a fragment");
            payload
        }
        Body::RequestResponse { payload, .. }
        | Body::RequestFnf { payload, .. }
        | Body::RequestStream { payload, .. } => payload,
        body => panic!("{body:?} in fragments"),
    };
    let is_in_order = part.metadata.is_none() || payload.data.is_empty();
    assert!(is_in_order, "metadata after data");
    *payload = joined(payload, &part);
    (begun, follows)
}
