//! The answers of the echo servers, without any IO. A request is answered with its payload, a stream with its payload ten times, and a channel with
//! each payload as it arrives. A payload whose data is `reject` is answered by APPLICATION_ERROR.

use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::{Connection, Credit, Event, StreamError};
use prometheus_rsocket_protocol::rsocket::frame::{ErrorCode, StreamId};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// The streams of one connection that are not answered completely.
#[derive(Default)]
pub struct Echo {
    answers: BTreeMap<StreamId, Answer>,
}

/// What is still to be sent on a stream.
#[derive(Default)]
struct Answer {
    payloads: VecDeque<Payload>,
    /// The peer sends no more, so the stream ends after these payloads.
    is_last: bool,
    is_channel: bool,
}

impl Echo {
    /// Handles an event, and sends what can be sent.
    pub fn handle(&mut self, connection: &mut Connection, event: Event, now: Instant) {
        match event {
            // If leases are used, there is always one.
            Event::SetupReceived { setup } if setup.lease => {
                let _ = connection.grant_lease(now, Duration::from_secs(3600), 1_000_000, None);
            }
            Event::RequestResponse { stream_id, payload } => {
                self.begin(connection, stream_id, payload, 1, true, false);
            }
            Event::RequestStream { stream_id, payload, .. } => {
                self.begin(connection, stream_id, payload, STREAM_LEN, true, false);
            }
            Event::RequestChannel { stream_id, payload, complete, .. } => {
                self.begin(connection, stream_id, payload, 1, complete, true);
                if let Some(window) = Credit::new(WINDOW).filter(|_| !complete) {
                    let _ = connection.request_n(stream_id, window);
                }
            }
            Event::Payload { stream_id, payload } if is_reject(&payload) => {
                self.answers.remove(&stream_id);
                let _ = connection.reject(stream_id, ErrorCode::APPLICATION_ERROR, "rejected");
            }
            Event::Payload { stream_id, payload } => {
                self.answers.entry(stream_id).or_default().payloads.push_back(payload);
            }
            Event::Completed { stream_id } => {
                self.answers.entry(stream_id).or_default().is_last = true;
            }
            Event::Canceled { stream_id } | Event::PeerFailed { stream_id, .. } => {
                self.answers.remove(&stream_id);
            }
            _ => {}
        }
        self.send(connection);
    }

    /// Sends as much as the peer's credit and the connection's queue allow. Call it after frames were sent, too.
    pub fn send(&mut self, connection: &mut Connection) {
        self.answers.retain(|stream_id, answer| answer.send(connection, *stream_id));
    }

    fn begin(
        &mut self,
        connection: &mut Connection,
        stream_id: StreamId,
        payload: Payload,
        times: usize,
        is_last: bool,
        is_channel: bool,
    ) {
        if is_reject(&payload) {
            let _ = connection.reject(stream_id, ErrorCode::APPLICATION_ERROR, "rejected");
            return;
        }
        let payloads = std::iter::repeat_n(payload, times).collect();
        self.answers.insert(stream_id, Answer { payloads, is_last, is_channel });
    }
}

impl Answer {
    /// Sends what it can. Returns whether more remains.
    fn send(&mut self, connection: &mut Connection, stream_id: StreamId) -> bool {
        while let Some(payload) = self.payloads.front().cloned() {
            let sent = if self.is_last && self.payloads.len() == 1 {
                connection.respond(stream_id, payload)
            } else {
                connection.send(stream_id, payload)
            };
            match sent {
                Ok(()) => {}
                Err(StreamError::NoCredit(_) | StreamError::Unsendable(_)) => return true,
                Err(_) => return false,
            }
            self.payloads.pop_front();
            if self.is_last && self.payloads.is_empty() {
                return false;
            }
            if let Some(one) = Credit::new(1).filter(|_| self.is_channel && !self.is_last) {
                let _ = connection.request_n(stream_id, one);
            }
        }
        // The peer has completed its channel, and nothing is left to echo.
        !(self.is_last && connection.complete(stream_id).is_ok())
    }
}

fn is_reject(payload: &Payload) -> bool {
    &payload.data[..] == b"reject"
}

/// How often a stream repeats the payload of its request.
const STREAM_LEN: usize = 10;
/// Payloads of a channel that may wait to be sent back.
const WINDOW: u32 = 16;
