//! What is received from the peer.

use super::life::{Assembly, Life};
use super::table::{Ends, Interaction, Party};
use super::{Model, Refusal, Signal};
use bytes::Bytes;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::{
    Credit, Event, Refusal as Refused, StreamFailure, Violation,
};
use prometheus_rsocket_protocol::rsocket::frame::{Body, ErrorCode, Frame, StreamId};
use std::time::{Duration, Instant};

impl Model {
    /// The connection accepted a frame.
    pub(crate) fn on_heard(&mut self, now: Instant, bytes: &Bytes) {
        let frame = Frame::decode(bytes.clone()).unwrap();
        let id = frame.stream_id;
        let is_unexpected = match frame.body {
            Body::Setup(_) => false,
            Body::ResumeOk { .. } => !self.is_set_up,
            Body::Error { .. } if id.is_connection() => !self.is_set_up,
            _ => !self.is_set_up || self.is_resuming,
        };
        if is_unexpected {
            self.on_end();
            return;
        }
        if id.is_connection() {
            self.on_heard_about_connection(now, &frame.body);
            return;
        }
        self.heard.push(bytes.clone());
        match frame.body {
            Body::RequestN { n } => self.on_request_n(id, n),
            Body::Cancel => self.on_cancel(id),
            Body::Payload { follows, complete, next, payload } => {
                // "A PAYLOAD with both F and C flags set, implicitly ignores the F flag."
                self.on_payload(id, follows && !complete, complete, next, payload);
            }
            Body::Error { code, data } => self.on_error(id, code, data),
            request => self.on_request(now, id, request),
        }
    }

    fn on_heard_about_connection(&mut self, now: Instant, body: &Body) {
        match body {
            Body::Setup(_) => self.set_up(),
            Body::Lease { ttl_ms, requests, .. } => {
                self.on_lease(now + Duration::from_millis((*ttl_ms).into()), *requests);
            }
            Body::Error { .. } => self.on_end(),
            Body::ResumeOk { last_received_client_position: position } => {
                self.on_resumed(*position);
            }
            _ => {}
        }
    }

    fn on_request(&mut self, now: Instant, id: StreamId, mut request: Body) {
        if self.is_ours(id) || self.streams.contains_key(&id) {
            return;
        }
        let (follows, payload) = take_payload(&mut request);
        let limit = self.config.max_open_streams;
        let stays = follows || !matches!(request, Body::RequestFnf { .. });
        if !self.takes_request(now) {
            self.refuse(id, Refused::NoLease);
        } else if stays && self.count(false) >= limit {
            self.refuse(id, Refused::TooManyStreams { limit });
        } else if follows {
            self.streams.insert(id, Life::opening(request));
            self.on_fragment(id, true, false, &payload);
        } else {
            self.open(id, request, payload);
        }
    }

    fn takes_request(&mut self, now: Instant) -> bool {
        let Some(leases) = &mut self.leases else { return true };
        if leases.granted.take(now) {
            return true;
        }
        let is_late = leases.carried > 0;
        leases.carried = leases.carried.saturating_sub(1);
        is_late
    }

    fn open(&mut self, stream_id: StreamId, request: Body, payload: Payload) {
        if let Some(mut life) = Life::new(&request, false) {
            // As `Config` says: beyond what was granted.
            life.grant(Party::Requester, self.config.channel_tolerance);
            self.streams.insert(stream_id, life);
        }
        self.events.push_back(match request {
            Body::RequestResponse { .. } => Event::RequestResponse { stream_id, payload },
            Body::RequestStream { initial_n, .. } => {
                let initial_n = Credit::new(initial_n);
                Event::RequestStream { stream_id, payload, initial_n }
            }
            Body::RequestChannel { complete, initial_n, .. } => {
                let initial_n = Credit::new(initial_n);
                Event::RequestChannel { stream_id, payload, initial_n, complete }
            }
            _ => Event::FireAndForget { stream_id, payload },
        });
    }

    fn on_payload(
        &mut self,
        id: StreamId,
        follows: bool,
        complete: bool,
        next: bool,
        payload: Payload,
    ) {
        let Some(life) = self.streams.get_mut(&id) else {
            // Not as in the specification, which ignores such a frame: only a confused peer can send it.
            if self.is_ours(id) && id >= self.next_id() {
                self.on_end();
            }
            return;
        };
        if life.assembly.is_some() {
            self.on_fragment(id, follows, complete, &payload);
            return;
        }
        let is_answer = life.interaction == Some(Interaction::Response);
        let signal = match (next || follows, complete) {
            (true, false) => Signal::Next,
            (true, true) => Signal::NextComplete,
            (false, true) => Signal::Complete,
            (false, false) if is_answer => Signal::Complete,
            // "A PAYLOAD MUST NOT have both (C)complete and (N)ext empty".
            (false, false) => match life.half(life.me().other()) {
                Some(_) => return self.violate(id, Violation::EmptyPayload),
                None => return,
            },
        };
        match life.permits(life.me().other(), signal) {
            Err(Refusal::NoCredit) => self.violate(id, Violation::Overrun),
            Err(_) => {}
            Ok(ends) => {
                let payload = (signal != Signal::Complete).then_some(payload);
                if payload.is_some() {
                    life.spend(life.me().other());
                }
                match payload {
                    Some(payload) if follows => {
                        life.assembly = Some(Assembly::new(None));
                        self.on_fragment(id, true, false, &payload);
                    }
                    payload => self.deliver(id, payload, ends, signal),
                }
            }
        }
    }

    fn on_fragment(&mut self, id: StreamId, follows: bool, complete: bool, part: &Payload) {
        let unfinished = self.streams.values().filter_map(|life| life.assembly.as_ref());
        let unfinished: usize = unfinished.map(|assembly| assembly.cost).sum();
        let all = self.config.max_unfinished - unfinished;
        let Some(life) = self.streams.get_mut(&id) else { return };
        let Some(assembly) = &mut life.assembly else { return };
        if let Err(violation) = assembly.add(part, self.config.max_payload_len, all) {
            self.violate(id, violation);
            return;
        }
        if follows {
            return;
        }
        let Some(Assembly { request, payload, .. }) = life.assembly.take() else { return };
        let Some(mut request) = request else {
            let signal = if complete { Signal::NextComplete } else { Signal::Next };
            let is_answer = life.interaction == Some(Interaction::Response);
            let ends = if complete || is_answer { Ends::Own } else { Ends::Neither };
            self.deliver(id, Some(payload), ends, signal);
            return;
        };
        self.streams.remove(&id);
        if let Body::RequestChannel { complete: flag, .. } = &mut request {
            *flag |= complete;
        }
        self.open(id, request, payload);
    }

    fn deliver(
        &mut self,
        stream_id: StreamId,
        payload: Option<Payload>,
        ends: Ends,
        signal: Signal,
    ) {
        let Some(life) = self.streams.get_mut(&stream_id) else { return };
        life.end(life.me().other(), ends);
        let is_answer = life.interaction == Some(Interaction::Response);
        if life.is_over() {
            self.streams.remove(&stream_id);
        }
        if is_answer {
            self.events.push_back(Event::Response { stream_id, payload });
            return;
        }
        if let Some(payload) = payload {
            self.events.push_back(Event::Payload { stream_id, payload });
        }
        if signal != Signal::Next {
            self.events.push_back(Event::Completed { stream_id });
        }
    }

    fn on_request_n(&mut self, stream_id: StreamId, n: u32) {
        let (Some(life), Some(credit)) = (self.streams.get_mut(&stream_id), Credit::new(n)) else {
            return;
        };
        if life.permits(life.me().other(), Signal::RequestN).is_ok() {
            life.grant(life.me(), n);
            self.events.push_back(Event::CreditReceived { stream_id, credit });
        }
    }

    fn on_cancel(&mut self, stream_id: StreamId) {
        let Some(life) = self.streams.get_mut(&stream_id) else {
            // An answer that is queued is no longer wanted.
            if !self.is_ours(stream_id) {
                self.forgive(stream_id);
            }
            return;
        };
        if !life.is_mine {
            let is_known = life.interaction.is_some();
            self.streams.remove(&stream_id);
            self.forgive(stream_id);
            if is_known {
                self.events.push_back(Event::Canceled { stream_id });
            }
        } else if let Ok(ends) = life.permits(Party::Responder, Signal::Cancel) {
            life.end(Party::Responder, ends);
            if life.is_over() {
                self.streams.remove(&stream_id);
            }
            self.forgive_payloads(stream_id);
            self.events.push_back(Event::SendingCanceled { stream_id });
        }
    }

    /// Drops a requester's payloads that are not sent, including the rest of one that is sent in part.
    fn forgive_payloads(&mut self, id: StreamId) {
        let Some(owed) = self.owed.get_mut(&id) else { return };
        if self.begun.remove(&id).is_some() {
            owed.pop_front();
        }
        owed.retain(|frame| !matches!(frame.body, Body::Payload { .. }));
        if owed.is_empty() {
            self.owed.remove(&id);
        }
    }

    /// "Upon receiving an ERROR, the stream is terminated on both Requester and Responder"; only the requester of a channel sends one.
    fn on_error(&mut self, stream_id: StreamId, code: ErrorCode, data: Bytes) {
        let Some(life) = self.streams.get(&stream_id) else {
            if self.is_ours(stream_id) && stream_id >= self.next_id() {
                self.on_end();
            }
            return;
        };
        let event = match (life.is_mine, life.interaction) {
            (true, _) => {
                let error = StreamFailure::Error { code, data };
                Some(Event::RequestFailed { stream_id, error })
            }
            (false, Some(Interaction::Channel)) => {
                Some(Event::PeerFailed { stream_id, code, data })
            }
            (false, None) => None,
            (false, Some(Interaction::Response | Interaction::Stream)) => return,
        };
        self.streams.remove(&stream_id);
        self.forgive(stream_id);
        self.events.extend(event);
    }

    /// The peer broke the rules on an open stream.
    fn violate(&mut self, stream_id: StreamId, violation: Violation) {
        let Some(life) = self.streams.remove(&stream_id) else { return };
        if life.is_mine {
            self.abandon(stream_id);
            let error = StreamFailure::Violation(violation);
            self.events.push_back(Event::RequestFailed { stream_id, error });
            return;
        }
        self.forgive(stream_id);
        if life.interaction.is_some() {
            self.events.push_back(Event::Canceled { stream_id });
        }
        self.rebuke(stream_id, violation);
    }
}

/// Takes the payload of a request. Also returns whether more of it follows.
fn take_payload(request: &mut Body) -> (bool, Payload) {
    match request {
        Body::RequestResponse { follows, payload }
        | Body::RequestFnf { follows, payload }
        | Body::RequestStream { follows, payload, .. }
        | Body::RequestChannel { follows, payload, .. } => {
            (std::mem::take(follows), std::mem::take(payload))
        }
        body => panic!("no request: {body:?}"),
    }
}
