use super::{ConnectionId, RequestId};
use crate::envelope::v2::{Binding, KeyId, Offer};
use crate::hello::{Hello, HelloError};
use crate::report::Report;
use crate::rsocket::connection::{
    CloseReason, Config, Connection, Event, RequestError, StreamError, StreamFailure, Violation,
};
use crate::rsocket::frame::{ErrorCode, StreamId};
use crate::token::{Token, TokenError};
use crate::{Machine, Payload};
use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Instant;

/// One application's connection on the proxy's side: sends the proxy's public key once the application is admitted, requests
/// metrics, takes pushes.
///
/// Owns the [`Connection`] and is driven like one. The embedder carries [`SessionEvent`]s to the
/// [`Collector`](super::Collector) and [`SessionCommand`]s back; the two need not be on the same thread.
#[derive(Debug)]
pub struct Session {
    connection_id: ConnectionId,
    /// The proxy's public key; empty until it is sent.
    key: Bytes,
    /// Whether the application is offered version 2 of the envelope.
    offers_v2: bool,
    bindings: Bindings,
    connection: Connection,
    /// Requests under way by stream, and what their answers are bound to.
    requests: BTreeMap<StreamId, (RequestId, Option<Binding>)>,
    events: VecDeque<SessionEvent>,
    /// Streams whose pushes are stored but not acknowledged yet, because the peer does not read. Each is open, so there are at
    /// most [`Config::max_open_streams`].
    unsaid: VecDeque<StreamId>,
}

/// A command of the collector for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionCommand {
    /// Acknowledge a push: it is stored.
    AcknowledgePush {
        /// The application's stream.
        stream_id: StreamId,
    },
    /// Send the proxy's public key: the application is admitted, or the key has changed.
    Key {
        /// The key as SPKI DER, or `plaintext` (see [`envelope`](crate::envelope)).
        key: Bytes,
        /// Whether to offer version 2 of the envelope. Once it was offered, this connection accepts no other.
        offers_v2: bool,
    },
    /// Cancel a request: no scrape waits for the answer any more.
    Cancel {
        /// The request.
        request: RequestId,
    },
    /// Close the connection.
    Close {
        /// The code of the final ERROR frame.
        code: ErrorCode,
        /// Its text.
        message: String,
    },
    /// Reject a push: it is not stored.
    RejectPush {
        /// The application's stream.
        stream_id: StreamId,
        /// The reason, for people.
        message: String,
    },
    /// Send the application a report on its metrics.
    Report(Report),
    /// Request the application's metrics.
    Scrape {
        /// The request's id.
        request: RequestId,
        /// The connection's latest content key that the proxy knows.
        known: Option<KeyId>,
    },
}

/// An event of a session for the collector.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEvent {
    /// The application answered a scrape. The payload has not been examined.
    Answered {
        /// The request.
        request: RequestId,
        /// The sealed metrics; `None` if the answer completed without a payload.
        payload: Option<Payload>,
        /// What they are bound to, if version 2 of the envelope was offered.
        binding: Option<Binding>,
    },
    /// The connection has ended. This is the last event.
    Closed {
        /// The reason.
        reason: CloseReason,
    },
    /// SETUP has arrived. The application waits for [`SessionCommand::Key`].
    Connected {
        /// What it declared.
        hello: Result<Hello, HelloError>,
        /// The token that it presented, if any.
        token: Result<Option<Token>, TokenError>,
    },
    /// A scrape failed.
    Failed {
        /// The request.
        request: RequestId,
        /// The error.
        error: StreamFailure,
    },
    /// A request could not be sent.
    NotAsked {
        /// The request.
        request: RequestId,
        /// The reason, for people.
        error: String,
    },
    /// The application pushed its last metrics.
    Pushed {
        /// The stream that waits for the acknowledgement; `None` for fire-and-forget.
        stream_id: Option<StreamId>,
        /// The sealed metrics.
        payload: Payload,
        /// What they are bound to, if version 2 of the envelope was offered.
        binding: Option<Binding>,
    },
    /// The application violated the protocol on one stream and got an ERROR; its connection goes on.
    StreamViolation {
        /// The violation.
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
    /// A session for a transport that was just accepted. `seed` must be secret and fresh: the bindings of answers and pushes
    /// are derived from it. Streams, leases and resumption are switched off in `config`.
    pub fn new(
        connection_id: ConnectionId,
        mut config: Config,
        seed: [u8; 32],
        now: Instant,
    ) -> Self {
        config.serve_streams = false;
        config.resume = None;
        config.serve_leases = false;
        Self {
            connection_id,
            key: Bytes::new(),
            offers_v2: false,
            bindings: Bindings { seed, scrapes: 0 },
            connection: Connection::server(config, now),
            requests: BTreeMap::new(),
            events: VecDeque::new(),
            unsaid: VecDeque::new(),
        }
    }

    /// Returns the connection's id in the collector.
    pub fn id(&self) -> ConnectionId {
        self.connection_id
    }

    /// Executes a command. Does nothing if the stream or connection is over.
    pub fn handle_command(&mut self, now: Instant, command: SessionCommand) {
        match command {
            // The stream may have been cancelled meanwhile, so these results are ignored.
            SessionCommand::AcknowledgePush { stream_id } => {
                self.unsaid.push_back(stream_id);
                self.acknowledge();
            }
            SessionCommand::RejectPush { stream_id, message } => {
                let _ = self.connection.reject(stream_id, ErrorCode::APPLICATION_ERROR, &message);
            }
            SessionCommand::Key { key, offers_v2 } => self.send_key(key, offers_v2),
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
            SessionCommand::Scrape { request, known } => self.ask(request, known),
        }
        self.translate();
    }

    /// Sends the key, and the offer of version 2 if there is one.
    fn send_key(&mut self, key: Bytes, offers_v2: bool) {
        self.key = key;
        self.offers_v2 |= offers_v2;
        let offer = self.pushes_binding().map(|binding| Offer { binding, known: None }.encode());
        // Sent first on a connection, or after a long while: a connection that takes nothing more needs no key.
        let payload = Payload { metadata: offer, data: self.key.clone() };
        let _ = self.connection.fire_and_forget(payload);
    }

    fn ask(&mut self, request: RequestId, known: Option<KeyId>) {
        let binding = self.offers_v2.then(|| self.bindings.of_next_scrape());
        let metadata = binding.map(|binding| Offer { binding, known }.encode());
        let payload = Payload { metadata, data: self.key.clone() };
        match self.connection.request_response(payload) {
            Ok(stream_id) => {
                self.requests.insert(stream_id, (request, binding));
            }
            Err(error) => {
                let error = error.to_string();
                self.events.push_back(SessionEvent::NotAsked { request, error });
            }
        }
    }

    /// What pushes are bound to; `None` unless version 2 was offered.
    fn pushes_binding(&self) -> Option<Binding> {
        self.offers_v2.then(|| self.bindings.of_pushes())
    }

    /// Takes one message from a transport that preserves messages ([`Connection::handle_frame`]).
    pub fn handle_frame(&mut self, now: Instant, frame: Bytes) {
        self.connection.handle_frame(now, frame);
        self.translate();
    }

    /// Returns the next event for the collector.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    /// Acknowledges stored pushes as far as there is room for output.
    fn acknowledge(&mut self) {
        while let Some(stream_id) = self.unsaid.pop_front() {
            let said = self.connection.respond(stream_id, Payload::default());
            if let Err(StreamError::Unsendable(RequestError::Saturated { .. })) = said {
                self.unsaid.push_front(stream_id);
                return;
            }
        }
    }

    /// Whether [`poll_event`](Self::poll_event) has an event.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Whether the next event is an answer to a scrape.
    pub fn next_is_answer(&self) -> bool {
        matches!(self.events.front(), Some(SessionEvent::Answered { .. }))
    }

    fn stream_of(&self, request: RequestId) -> Option<StreamId> {
        let mut requests = self.requests.iter();
        requests.find(|(_, (asked, _))| *asked == request).map(|(stream_id, _)| *stream_id)
    }

    /// Translates the connection's events into the session's.
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
                let hello = Hello::of_setup(&setup);
                let token = Token::of_setup(&setup);
                SessionEvent::Connected { hello, token }
            }
            Event::Response { stream_id, payload } => {
                let (request, binding) = self.requests.remove(&stream_id)?;
                SessionEvent::Answered { request, payload, binding }
            }
            Event::RequestFailed { stream_id, error } => {
                let (request, _) = self.requests.remove(&stream_id)?;
                SessionEvent::Failed { request, error }
            }
            Event::FireAndForget { payload, .. } => {
                let binding = self.pushes_binding();
                SessionEvent::Pushed { stream_id: None, payload, binding }
            }
            Event::RequestResponse { stream_id, payload } => {
                let binding = self.pushes_binding();
                SessionEvent::Pushed { stream_id: Some(stream_id), payload, binding }
            }
            Event::StreamViolation { violation, .. } => SessionEvent::StreamViolation { violation },
            Event::Closed { reason } => SessionEvent::Closed { reason },
            Event::Canceled { .. } | Event::MetadataPush { .. } => return None,
            // Events of features that a session does not use.
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

/// Derives bindings from a secret seed by hashing, so that none can be predicted and none repeats.
struct Bindings {
    seed: [u8; 32],
    scrapes: u64,
}

impl Bindings {
    fn of_pushes(&self) -> Binding {
        self.derive(b"pushes", 0)
    }

    fn of_next_scrape(&mut self) -> Binding {
        self.scrapes += 1;
        self.derive(b"scrape", self.scrapes)
    }

    fn derive(&self, purpose: &[u8; 6], number: u64) -> Binding {
        let hash = Sha256::new().chain_update(self.seed).chain_update(purpose);
        let hash: [u8; 32] = hash.chain_update(number.to_be_bytes()).finalize().into();
        let mut binding = [0; 16];
        binding.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Binding::new(binding)
    }
}

impl fmt::Debug for Bindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bindings").field("scrapes", &self.scrapes).finish_non_exhaustive()
    }
}

/// Events that may wait before the session wants no more input; they hold payloads.
const MAX_EVENTS: usize = 16;

impl Machine for Session {
    fn handle_input(&mut self, now: Instant, input: &mut BytesMut) {
        // The connection bounds its events within one call; those translated from it are bounded here.
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
