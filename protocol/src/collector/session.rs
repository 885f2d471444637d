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

/// One application's connection as the proxy sees it: sends the proxy's public key once the application is admitted,
/// asks for metrics, takes pushes.
///
/// Owns the [`Connection`] and is driven like one. Between it and the [`Collector`](super::Collector), the embedder carries
/// [`SessionEvent`]s one way and [`SessionCommand`]s the other; they need not be on the same thread.
#[derive(Debug)]
pub struct Session {
    connection_id: ConnectionId,
    /// The proxy's public key, once it was sent.
    key: Bytes,
    /// Whether the application is offered version 2 of the envelope.
    offers_v2: bool,
    bindings: Bindings,
    connection: Connection,
    /// Requests under way, by stream, and what their answers are bound to.
    requests: BTreeMap<StreamId, (RequestId, Option<Binding>)>,
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
    /// Send the proxy's public key: the application is admitted, or the key is another one now.
    Key {
        /// The key as SPKI DER, or `plaintext` (see [`envelope`](crate::envelope)).
        key: Bytes,
        /// Whether to offer version 2 of the envelope. Once it was offered, nothing else is opened on this connection.
        offers_v2: bool,
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
        /// The content key of the connection that is known.
        known: Option<KeyId>,
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
        /// What they are bound to, where version 2 of the envelope was offered.
        binding: Option<Binding>,
    },
    /// The connection is over. The last event.
    Closed {
        /// Why.
        reason: CloseReason,
    },
    /// The application is set up, and waits for [`SessionCommand::Key`].
    Connected {
        /// What it said of itself.
        hello: Result<Hello, HelloError>,
        /// The token that it showed.
        token: Result<Option<Token>, TokenError>,
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
        /// What they are bound to, where version 2 of the envelope was offered.
        binding: Option<Binding>,
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
    /// A session for an application whose transport was just accepted. `seed` must be secret and fresh: what answers and pushes are bound
    /// to comes from it.
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

    /// Tells the application the key, and whether it may seal in version 2.
    fn send_key(&mut self, key: Bytes, offers_v2: bool) {
        self.key = key;
        self.offers_v2 |= offers_v2;
        let offer = self.pushes_binding().map(|binding| Offer { binding, known: None }.encode());
        // The first request of a fresh connection, or one in a long while: a connection that takes nothing more needs no key.
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

    /// What pushes are bound to.
    fn pushes_binding(&self) -> Option<Binding> {
        self.offers_v2.then(|| self.bindings.of_pushes())
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

    /// Whether what [`poll_event`](Self::poll_event) has next is an answer to a scrape.
    pub fn next_is_answer(&self) -> bool {
        matches!(self.events.front(), Some(SessionEvent::Answered { .. }))
    }

    fn stream_of(&self, request: RequestId) -> Option<StreamId> {
        let mut requests = self.requests.iter();
        requests.find(|(_, (asked, _))| *asked == request).map(|(stream_id, _)| *stream_id)
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

/// Where bindings come from: hashes over a secret seed, so that none can be foreseen and none comes twice.
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
