//! Two connections joined in memory, with their owners and drivers. All of them do what a list of operations says.

mod ops;
mod side;

pub use ops::{Ask, Op, Who};

use crate::model::Model;
use bytes::{BufMut, Bytes, BytesMut};
use prometheus_rsocket_protocol::rsocket::connection::{
    Config, Event, Framing, ResumeConfig, TimerReason,
};
use prometheus_rsocket_protocol::rsocket::frame::{ErrorCode, Setup, StreamId};
use prometheus_rsocket_protocol::rsocket::framing::{
    MAX_RECEIVED_FRAME, encode_prefixed, split_frame,
};
use prometheus_rsocket_protocol::{Connection, Machine, Payload};
use side::Side;
use std::time::{Duration, Instant};

/// The output of a side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// One frame, as it was polled.
    Sent(Who, Bytes),
    /// An event for its owner.
    Took(Who, Event),
}

/// Two connections, and everything around them.
pub struct World {
    /// The time.
    pub now: Instant,
    /// All output.
    pub log: Vec<Output>,
    config: Config,
    client: Side,
    server: Side,
    /// Whether the transport exists. A side that has not noticed its end sends into the void.
    is_linked: bool,
    /// What the client's new transport leads to until the server's connection is resumed.
    lobby: Option<Connection>,
    /// Whether each side received only what the other one sent.
    is_honest: bool,
    /// Numbers payloads, so that no two are the same.
    payloads: u64,
}

/// Returns limits that are reached soon, and short times.
pub fn tight() -> Config {
    let mut config = Config::default();
    config.max_open_streams = 3;
    config.max_queued_output = 100;
    config.max_queued_frames = 5;
    config.max_events = 4;
    config.max_event_bytes = 100;
    config.setup_timeout = Duration::from_secs(1);
    config.keepalive_burst = 3;
    config.max_keepalive_data = 40;
    config
}

/// Enables everything that can be enabled, including fragments.
pub fn everything(mut config: Config) -> Config {
    config.mtu = Some(64);
    config.serve_leases = true;
    config.serve_extensions = true;
    config.resume = Some(ResumeConfig::default());
    config
}

/// Returns any instant: only durations are added to it.
#[expect(clippy::disallowed_methods, reason = "there is no other way to make an Instant")]
pub fn epoch() -> Instant {
    Instant::now()
}

/// Lets the time pass for which a connection does not read because its peer has sent KEEPALIVEs too often. Returns the time after it.
pub fn end_pause(connection: &mut Connection, now: Instant) -> Instant {
    let mut after = now;
    while let Some((at, TimerReason::KeepAlivePause)) = connection.next_timer() {
        after = after.max(at);
        connection.handle_timeout(after);
    }
    after
}

/// Returns the SETUP of a client with this configuration.
pub fn setup(config: &Config) -> Setup {
    let resume_token = config.resume.is_some().then(|| "token".into());
    Setup { lease: config.serve_leases, resume_token, ..Setup::default() }
}

impl World {
    /// Returns a client and a server, both with this configuration.
    pub fn new(config: &Config, now: Instant) -> Self {
        Self::with(config, now, |_| None)
    }

    /// Does the same, and compares each side with a model of it.
    pub fn with_models(config: &Config, now: Instant) -> Self {
        Self::with(config, now, |who| Some(Model::new(who, config)))
    }

    fn with(config: &Config, now: Instant, model: impl Fn(Who) -> Option<Model>) -> Self {
        let client = Connection::client(config.clone(), setup(config), now).unwrap();
        let server = Connection::server(config.clone(), now);
        Self {
            now,
            log: Vec::new(),
            config: config.clone(),
            client: Side::new(client, config, model(Who::Client)),
            server: Side::new(server, config, model(Who::Server)),
            is_linked: true,
            lobby: None,
            is_honest: true,
            payloads: 0,
        }
    }

    /// From now on, either side may find violations of the other.
    pub fn distrust(&mut self) {
        self.is_honest = false;
    }

    /// Carries out all of these operations.
    pub fn run(&mut self, ops: &[Op]) {
        for op in ops {
            self.step(op);
        }
    }

    /// Returns one of the two connections.
    pub fn connection(&mut self, who: Who) -> &mut Connection {
        &mut self.side(who).connection
    }

    /// Delivers everything, over a new transport if necessary.
    pub fn settle(&mut self) {
        let mut idle = 0;
        for _ in 0..1_000 {
            let before = self.log.len();
            self.mend();
            for who in [Who::Client, Who::Server] {
                let now = self.now;
                self.now = end_pause(self.connection(who), now);
                self.step(&Op::Send(who, usize::MAX));
                self.step(&Op::Deliver(who.other(), usize::MAX));
                self.step(&Op::Take(who.other(), usize::MAX));
            }
            // What arrives last may be answered in the next round.
            idle = if self.log.len() == before { idle + 1 } else { 0 };
            if idle == 2 {
                return;
            }
        }
        panic!("they go on for ever");
    }

    /// Delivers everything, then ends both transports. Then nothing may be open any more, and nobody may wait for anything.
    pub fn end(&mut self) {
        self.settle();
        if self.is_honest {
            self.check_agreement();
        }
        self.lobby = None;
        for who in [Who::Client, Who::Server] {
            let connection = self.connection(who);
            let is_free = connection.wants_input() || connection.is_closed();
            let is_free = is_free || connection.is_suspended();
            assert!(is_free, "nothing waits, and yet a bound is reached");
        }
        for who in [Who::Client, Who::Server] {
            self.step(&Op::Eof(who, 0));
            while self.connection(who).is_suspended() {
                self.step(&Op::Alarm(who));
            }
            self.step(&Op::Take(who, usize::MAX));
            let is_honest = self.is_honest;
            let side = self.side(who);
            assert!(side.is_over && side.connection.is_closed());
            let is_waiting = side.known.values().any(|known| known.is_mine || is_honest);
            assert!(!is_waiting, "streams without an end: {:?}", side.known);
        }
    }

    /// When everything is delivered, both sides have the same streams open, and nothing is queued on either.
    fn check_agreement(&self) {
        let (client, server) = (&self.client, &self.server);
        let is_over =
            !self.is_linked || client.connection.is_closed() || server.connection.is_closed();
        if let (false, Some(ours), Some(theirs)) = (is_over, &client.model, &server.model) {
            assert_eq!(ours.streams(), theirs.streams());
            ours.assert_quiet();
            theirs.assert_quiet();
            assert_eq!((ours.sent(), ours.heard()), (theirs.heard(), theirs.sent()));
        }
    }

    fn step(&mut self, op: &Op) {
        let now = self.now;
        match *op {
            Op::Advance(power) => {
                self.now = now.checked_add(Duration::from_millis(1 << power)).unwrap_or(now);
                self.time_out(Who::Client);
                self.time_out(Who::Server);
            }
            Op::Alarm(who) => {
                self.now = self.side(who).connection.poll_timeout().unwrap_or(now).max(now);
                self.time_out(who);
                self.time_out(who.other());
            }
            Op::Deliver(who, len) => self.deliver(who, len),
            Op::Eof(who, len) => self.cut(who, len),
            Op::Forge(..) if !self.is_linked => {}
            Op::Forge(who, ref frame) => {
                self.is_honest = false;
                encode_prefixed(frame, &mut self.side(who).incoming).unwrap();
            }
            Op::Garble(..) if !self.is_linked => {}
            Op::Garble(who, ref bytes) => {
                self.is_honest = false;
                self.side(who).incoming.extend_from_slice(bytes);
            }
            Op::Resume => self.resume(),
            Op::Send(who, frames) => self.send(who, frames),
            Op::Take(who, events) => self.take(who, events),
            ref op => self.command(op),
        }
        for who in [Who::Client, Who::Server] {
            let now = self.now;
            let is_old = who == Who::Server && self.lobby.is_some();
            if self.side(who).connection.is_suspended() && self.is_linked && !is_old {
                self.unlink(who, usize::MAX);
            }
            self.side(who).check(now);
        }
    }

    /// Carries out an owner's operation.
    fn command(&mut self, op: &Op) {
        let now = self.now;
        match *op {
            Op::Answer(who, nth) => {
                let payload = self.payload(8);
                self.side(who).say(nth, payload, true);
            }
            Op::Ask(who, kind, len, n) => {
                let payload = self.payload(len);
                if let Some(id) = self.side(who).ask(now, kind, n, payload) {
                    assert_eq!(id.get() % 2, u32::from(who == Who::Client));
                }
            }
            Op::Cancel(who, nth) => self.side(who).cancel(nth),
            Op::Close(who) => {
                let code = ErrorCode::CONNECTION_ERROR;
                self.side(who).connection.close(now, code, "enough");
            }
            Op::Complete(who, nth) => self.side(who).complete(nth),
            Op::Extend(who, len) => {
                let payload = self.payload(len);
                let id = StreamId::CONNECTION;
                _ = self.side(who).connection.extension(id, true, 7, payload);
            }
            Op::Lease(who, secs, requests) => {
                self.side(who).grant(now, Duration::from_secs(secs), requests);
            }
            Op::More(who, nth, n) => self.side(who).more(nth, n),
            Op::Push(who, len) => {
                _ = self.side(who).connection.metadata_push(vec![b'm'; len].into());
            }
            Op::Reject(who, nth) => self.side(who).reject(nth),
            Op::Say(who, nth, len) => {
                let payload = self.payload(len);
                self.side(who).say(nth, payload, false);
            }
            Op::Tell(who, len) => {
                let payload = self.payload(len);
                self.side(who).tell(now, payload);
            }
            ref op => unreachable!("no command: {op:?}"),
        }
    }

    /// Returns a payload that differs from all others. Its metadata alone distinguishes it, and some have no data.
    fn payload(&mut self, len: usize) -> Payload {
        self.payloads += 1;
        let metadata = format!("{}{}", self.payloads, "m".repeat(len / 3));
        Payload::new(metadata, vec![b'd'; len - len / 3])
    }

    /// Rule 3.
    fn time_out(&mut self, who: Who) {
        let now = self.now;
        if let Some(lobby) = self.lobby.as_mut().filter(|_| who == Who::Server) {
            lobby.handle_timeout(now);
        }
        let connection = self.connection(who);
        connection.handle_timeout(now);
        let next = connection.poll_timeout();
        assert!(next.is_none_or(|next| next > now), "the next timeout is not later");
    }

    fn send(&mut self, who: Who, frames: usize) {
        for _ in 0..frames {
            let now = self.now;
            // A server that does not know of the client's new transport writes to the old one.
            let is_lost = !self.is_linked || who == Who::Server && self.lobby.is_some();
            let side = self.side(who);
            let was_closed = side.connection.is_closed();
            let mut output = BytesMut::new();
            if !side.connection.poll_transmit(now, &mut output) {
                assert!(output.is_empty());
                break;
            }
            assert!(!was_closed, "output of a closed connection");
            self.log.push(Output::Sent(who, output.clone().freeze()));
            let frame = self.unframe(output);
            if let Some(model) = &mut self.side(who).model {
                model.on_sent(&frame);
            }
            if !is_lost {
                put(&mut self.side(who.other()).incoming, &frame);
            }
        }
        if who == Who::Server {
            let mut output = BytesMut::new();
            while self.lobby.as_mut().is_some_and(|it| it.poll_transmit(self.now, &mut output)) {
                self.log.push(Output::Sent(who, output.clone().freeze()));
                let frame = self.unframe(output.split());
                put(&mut self.client.incoming, &frame);
            }
        }
    }

    /// Checks that what was polled is one frame, and returns it.
    fn unframe(&self, mut output: BytesMut) -> Bytes {
        match self.config.framing {
            Framing::LengthPrefixed => {
                let frame = split_frame(&mut output, MAX_RECEIVED_FRAME).unwrap().unwrap();
                assert!(output.is_empty(), "more than one frame at once");
                frame
            }
            Framing::Messages => output.freeze(),
        }
    }

    fn take(&mut self, who: Who, events: usize) {
        let (now, is_honest) = (self.now, self.is_honest);
        for _ in 0..events {
            let side = self.side(who);
            let Some(event) = side.connection.poll_event() else { return };
            if matches!(event, Event::ResumeReceived { .. }) {
                side.connection.reject_resume(now, "there is nothing to resume");
            }
            side.on_event(&event, is_honest);
            self.log.push(Output::Took(who, event));
        }
    }

    fn deliver(&mut self, who: Who, len: usize) {
        let side = self.side(who);
        let arrived = side.incoming.split_to(len.min(side.incoming.len()));
        side.buffer.extend_from_slice(&arrived);
        if who == Who::Server && self.lobby.is_some() {
            self.greet();
        }
        if who == Who::Client || self.lobby.is_none() {
            self.read(who);
        }
    }

    fn read(&mut self, who: Who) {
        let (now, is_honest) = (self.now, self.is_honest);
        let (side, other) = match who {
            Who::Client => (&mut self.client, &self.server),
            Who::Server => (&mut self.server, &self.client),
        };
        for frame in side.read(now) {
            let Some(model) = &mut side.model else { continue };
            model.on_heard(now, &frame);
            if let (true, Some(last), Some(other)) = (is_honest, model.heard().last(), &other.model)
            {
                // Each frame that counts is received once, in order.
                let sent = other.sent().get(model.heard().len() - 1);
                assert_eq!(Some(last), sent, "lost, or heard twice");
            }
        }
    }

    /// The server's program finds out whose new transport it is.
    fn greet(&mut self) {
        let now = self.now;
        let Some(lobby) = &mut self.lobby else { return };
        match self.config.framing {
            Framing::LengthPrefixed => lobby.handle_input(now, &mut self.server.buffer),
            Framing::Messages => {
                if let Ok(Some(frame)) = split_frame(&mut self.server.buffer, MAX_RECEIVED_FRAME) {
                    lobby.handle_frame(now, frame);
                }
            }
        }
        while let Some(event) = lobby.poll_event() {
            let Event::ResumeReceived { request } = event else { continue };
            match self.server.connection.accept_resume(now, &request) {
                Ok(()) => {
                    if let (Some(model), Some(client)) =
                        (&mut self.server.model, &self.client.model)
                    {
                        model.on_resumed(client.position());
                    }
                    self.lobby = None;
                    return;
                }
                Err(error) => lobby.reject_resume(now, &error.to_string()),
            }
        }
    }

    /// The transport ends, and one side notices.
    fn cut(&mut self, who: Who, len: usize) {
        // The server's old transport may end after the client has a new one.
        if who == Who::Client || self.lobby.is_none() {
            self.deliver(who, len);
            if self.is_linked {
                self.unlink(who, len);
            }
        }
        let now = self.now;
        self.side(who).connection.handle_eof(now);
        if who == Who::Client || self.lobby.is_none() {
            self.side(who).buffer.clear();
        }
    }

    /// Up to `len` bytes still reach the side that has not noticed.
    fn unlink(&mut self, who: Who, len: usize) {
        self.is_linked = false;
        if self.lobby.take().is_some() {
            self.server.incoming.clear();
            self.server.buffer.clear();
        }
        let side = self.side(who);
        side.incoming.clear();
        side.buffer.clear();
        self.side(who.other()).incoming.truncate(len);
    }

    fn resume(&mut self) {
        if self.is_linked || !self.client.connection.is_suspended() {
            return;
        }
        self.is_linked = true;
        // Nobody reads from the server's old transport any more.
        for who in [Who::Client, Who::Server] {
            let side = self.side(who);
            side.incoming.clear();
            side.buffer.clear();
        }
        self.lobby = Some(Connection::server(self.config.clone(), self.now));
        let now = self.now;
        self.client.connection.resume(now);
        if let Some(model) = &mut self.client.model {
            model.on_resuming();
        }
    }

    fn mend(&mut self) {
        if self.lobby.as_ref().is_some_and(Machine::is_closed) {
            self.step(&Op::Eof(Who::Client, usize::MAX));
        }
        if self.is_linked || self.config.resume.is_none() {
            return;
        }
        for who in [Who::Client, Who::Server] {
            if !self.connection(who).is_suspended() {
                self.step(&Op::Eof(who, 0));
            }
        }
        self.step(&Op::Resume);
    }

    fn side(&mut self, who: Who) -> &mut Side {
        match who {
            Who::Client => &mut self.client,
            Who::Server => &mut self.server,
        }
    }
}

/// Appends a frame with its prefix.
fn put(incoming: &mut BytesMut, frame: &[u8]) {
    incoming.put_uint(frame.len() as u64, 3);
    incoming.extend_from_slice(frame);
}
