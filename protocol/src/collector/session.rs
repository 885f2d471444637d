use super::{ConnectionId, RequestId};
use crate::report::Report;
use crate::rsocket::connection::{
    CloseReason, Config, Connection, Event, RequestError, StreamError, StreamFailure, Violation,
};
use crate::rsocket::frame::{ErrorCode, Setup, StreamId};
use crate::{Machine, Payload};
use bytes::{Bytes, BytesMut};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// One application's connection as the proxy sees it: pushes the proxy's public key as soon as the application is set up,
/// asks for metrics, takes pushes.
///
/// Owns the [`Connection`] and is driven like one. Between it and the [`Collector`](super::Collector), the embedder carries
/// [`SessionEvent`]s one way and [`SessionCommand`]s the other; they need not be on the same thread.
#[derive(Debug)]
pub struct Session {
    connection_id: ConnectionId,
    key: Bytes,
    connection: Connection,
    /// Requests under way, by stream.
    requests: BTreeMap<StreamId, RequestId>,
    events: VecDeque<SessionEvent>,
    /// Streams whose pushes are stored and that have not heard so, because the peer does not read. Each is open, so there are no
    /// more than [`Config::max_open_streams`].
    unsaid: VecDeque<StreamId>,
}

/// What the collector tells a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionCommand {
    /// A push that was asked about is stored: say so.
    AcknowledgePush {
        /// The application's stream.
        stream_id: StreamId,
    },
    /// Nobody waits for the answer to a request any more.
    Cancel {
        /// The request.
        request: RequestId,
    },
    /// End the connection.
    Close {
        /// The code of the final ERROR.
        code: ErrorCode,
        /// Its text.
        message: String,
    },
    /// A push that was asked about is not stored: say why.
    RejectPush {
        /// The application's stream.
        stream_id: StreamId,
        /// Why, for people.
        message: String,
    },
    /// Tell the application what became of its metrics.
    Report(Report),
    /// Ask the application for its metrics.
    Scrape {
        /// The request's id.
        request: RequestId,
    },
}

/// What a session tells the collector.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEvent {
    /// The application answered a scrape. Nothing of the payload was looked at yet.
    Answered {
        /// The request.
        request: RequestId,
        /// The sealed metrics, or nothing.
        payload: Option<Payload>,
    },
    /// The connection is over. The last event.
    Closed {
        /// Why.
        reason: CloseReason,
    },
    /// The application is set up, and its key is on the way.
    Connected {
        /// What it said of itself.
        setup: Setup,
    },
    /// A scrape failed.
    Failed {
        /// The request.
        request: RequestId,
        /// Why.
        error: StreamFailure,
    },
    /// A scrape could not even be sent.
    NotAsked {
        /// The request.
        request: RequestId,
        /// Why, for people.
        error: String,
    },
    /// The application pushed its last metrics.
    Pushed {
        /// Where it waits to hear that they are stored; `None` for fire and forget.
        stream_id: Option<StreamId>,
        /// The sealed metrics.
        payload: Payload,
    },
    /// The application broke a rule on one stream, and heard so; its connection goes on.
    StreamViolation {
        /// Which rule.
        violation: Violation,
    },
}

impl SessionEvent {
    /// Bytes of the payload that it holds.
    fn payload_len(&self) -> usize {
        match self {
            Self::Answered { payload, .. } => payload.as_ref().map_or(0, Payload::encoded_len),
            Self::Pushed { payload, .. } => payload.encoded_len(),
            _ => 0,
        }
    }
}

impl Session {
    /// A session for an application whose transport was just accepted. `key` is the proxy's public key as SPKI DER,
    /// or `plaintext` (see [`envelope`](crate::envelope)).
    pub fn new(connection_id: ConnectionId, mut config: Config, key: Bytes, now: Instant) -> Self {
        config.serve_streams = false;
        config.resume = None;
        config.serve_leases = false;
        Self {
            connection_id,
            key,
            connection: Connection::server(config, now),
            requests: BTreeMap::new(),
            events: VecDeque::new(),
            unsaid: VecDeque::new(),
        }
    }

    /// Returns the id that the collector gave its connection.
    pub fn id(&self) -> ConnectionId {
        self.connection_id
    }

    /// Carries a command out. One for something that is over does nothing.
    pub fn handle_command(&mut self, now: Instant, command: SessionCommand) {
        match command {
            // The stream may have been cancelled meanwhile, which is why these results are of no interest.
            SessionCommand::AcknowledgePush { stream_id } => {
                self.unsaid.push_back(stream_id);
                self.acknowledge();
            }
            SessionCommand::RejectPush { stream_id, message } => {
                let _ = self.connection.reject(stream_id, ErrorCode::APPLICATION_ERROR, &message);
            }
            SessionCommand::Cancel { request } => {
                if let Some(stream_id) = self.stream_of(request) {
                    self.requests.remove(&stream_id);
                    let _ = self.connection.cancel(stream_id);
                }
            }
            SessionCommand::Close { code, message } => self.connection.close(now, code, &message),
            // A connection that takes nothing more, or is over, needs no report.
            SessionCommand::Report(report) => {
                let _ = self.connection.metadata_push(report.encode());
            }
            SessionCommand::Scrape { request } => {
                match self.connection.request_response(Payload::from_data(self.key.clone())) {
                    Ok(stream_id) => {
                        self.requests.insert(stream_id, request);
                    }
                    Err(error) => {
                        let error = error.to_string();
                        self.events.push_back(SessionEvent::NotAsked { request, error });
                    }
                }
            }
        }
        self.translate();
    }

    /// Takes one message of a transport that keeps messages apart ([`Connection::handle_frame`]).
    pub fn handle_frame(&mut self, now: Instant, frame: Bytes) {
        self.connection.handle_frame(now, frame);
        self.translate();
    }

    /// The next event for the collector.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    /// Acknowledges what is stored, as far as there is room for it.
    fn acknowledge(&mut self) {
        while let Some(stream_id) = self.unsaid.pop_front() {
            let said = self.connection.respond(stream_id, Payload::default());
            if let Err(StreamError::Unsendable(RequestError::Saturated { .. })) = said {
                self.unsaid.push_front(stream_id);
                return;
            }
        }
    }

    /// Whether [`poll_event`](Self::poll_event) has something.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    fn stream_of(&self, request: RequestId) -> Option<StreamId> {
        self.requests.iter().find(|(_, asked)| **asked == request).map(|(stream_id, _)| *stream_id)
    }

    /// Turns the connection's events into this session's.
    fn translate(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            if let Some(event) = self.on_event(event) {
                self.events.push_back(event);
            }
        }
    }

    fn on_event(&mut self, event: Event) -> Option<SessionEvent> {
        Some(match event {
            Event::SetupReceived { setup } => {
                // The first request of a fresh connection: it is neither closed nor full.
                let _ = self.connection.fire_and_forget(Payload::from_data(self.key.clone()));
                SessionEvent::Connected { setup: *setup }
            }
            Event::Response { stream_id, payload } => {
                let request = self.requests.remove(&stream_id)?;
                SessionEvent::Answered { request, payload }
            }
            Event::RequestFailed { stream_id, error } => {
                let request = self.requests.remove(&stream_id)?;
                SessionEvent::Failed { request, error }
            }
            Event::FireAndForget { payload, .. } => {
                SessionEvent::Pushed { stream_id: None, payload }
            }
            Event::RequestResponse { stream_id, payload } => {
                SessionEvent::Pushed { stream_id: Some(stream_id), payload }
            }
            Event::StreamViolation { violation, .. } => SessionEvent::StreamViolation { violation },
            Event::Closed { reason } => SessionEvent::Closed { reason },
            Event::Canceled { .. } | Event::MetadataPush { .. } => return None,
            // Of what is neither asked for nor served.
            Event::Completed { .. }
            | Event::CreditReceived { .. }
            | Event::Extension { .. }
            | Event::LeaseReceived { .. }
            | Event::Payload { .. }
            | Event::PeerFailed { .. }
            | Event::RequestChannel { .. }
            | Event::RequestRefused { .. }
            | Event::RequestStream { .. }
            | Event::ResumeReceived { .. }
            | Event::Resumed
            | Event::SendingCanceled { .. }
            | Event::Suspended => return None,
        })
    }
}

/// Events that may wait in a session before it wants no more input; they hold payloads.
const MAX_EVENTS: usize = 16;

impl Machine for Session {
    fn handle_input(&mut self, now: Instant, input: &mut BytesMut) {
        // The connection's own bound on events holds within one call; what it then gives out is held here.
        loop {
            let before = input.len();
            self.connection.handle_input(now, input);
            self.translate();
            if input.len() == before || !self.wants_input() {
                return;
            }
        }
    }

    fn handle_eof(&mut self, now: Instant) {
        self.connection.handle_eof(now);
        self.translate();
    }

    fn handle_transport_failed(&mut self, now: Instant, error: &str) {
        self.connection.handle_transport_failed(now, error);
        self.translate();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.connection.handle_timeout(now);
        self.translate();
    }

    fn poll_transmit(&mut self, now: Instant, output: &mut BytesMut) -> bool {
        let sent = self.connection.poll_transmit(now, output);
        self.acknowledge();
        self.translate();
        sent
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.connection.poll_timeout()
    }

    fn wants_input(&self) -> bool {
        self.connection.wants_input() && self.events.len() < MAX_EVENTS
    }

    fn held_bytes(&self) -> usize {
        let waiting = self.events.iter().map(SessionEvent::payload_len).sum::<usize>();
        self.connection.held_bytes() + waiting
    }

    fn is_closed(&self) -> bool {
        self.connection.is_closed()
    }
}
