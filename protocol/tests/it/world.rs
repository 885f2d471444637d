//! Two connections joined in memory, their owners and their drivers, all of whom do what a list of operations says.

use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::connection::{CloseReason, Config, Event, StreamError};
use prometheus_rsocket_protocol::frame::{ErrorCode, Frame, Setup, StreamId};
use prometheus_rsocket_protocol::framing::{MAX_RECEIVED_FRAME, encode_prefixed, split_frame};
use prometheus_rsocket_protocol::{Connection, Machine, Payload};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Client,
    Server,
}

/// One thing that an owner, a driver, or the clock does.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// Milliseconds pass, two to this power.
    Advance(u32),
    /// The clock jumps to this side's next timeout.
    Alarm(Who),
    Answer(Who, usize),
    Ask(Who, usize),
    Cancel(Who, usize),
    Close(Who),
    Complete(Who, usize),
    /// Up to so many of the bytes on their way to this side arrive.
    Deliver(Who, usize),
    Eof(Who),
    /// A frame arrives that the other side did not send, after all that it did.
    Forge(Who, Frame),
    Push(Who, usize),
    Reject(Who, usize),
    /// Up to so many frames are sent.
    Send(Who, usize),
    /// Up to so many events are taken.
    Take(Who, usize),
    Tell(Who, usize),
}

/// What came out of a side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Sent(Who, Bytes),
    Took(Who, Event),
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) log: Vec<Output>,
    client: Side,
    server: Side,
    /// Whether neither side was sent anything that the other did not say.
    is_honest: bool,
    asked: u64,
}

struct Side {
    connection: Connection,
    /// On the way to this side.
    incoming: BytesMut,
    /// Arrived, and not taken by the connection yet.
    buffer: BytesMut,
    /// Requests of its owner's without an end, and what they asked.
    asked: BTreeMap<StreamId, Bytes>,
    /// Requests that its owner knows of and has not answered.
    received: BTreeMap<StreamId, Payload>,
    is_over: bool,
    max_open: usize,
}

/// Operations, few of which end everything.
pub(crate) fn ops() -> impl Strategy<Value = Vec<Op>> {
    vec(op(), 0..300)
}

/// The same, beside frames that neither side sent.
pub(crate) fn hostile_ops() -> impl Strategy<Value = Vec<Op>> {
    let forged = (who(), crate::frames::frame()).prop_map(|(who, frame)| Op::Forge(who, frame));
    vec(prop_oneof![5 => op(), 1 => forged], 0..300)
}

/// Limits that are reached soon, and times that are short.
pub(crate) fn tight() -> Config {
    let mut config = Config::default();
    config.max_open_streams = 3;
    config.max_queued_output = 100;
    config.max_queued_frames = 5;
    config.max_events = 4;
    config.max_event_bytes = 100;
    config.setup_timeout = Duration::from_secs(1);
    config
}

/// Any instant: all that counts is what is added to it.
#[expect(clippy::disallowed_methods, reason = "there is no other way to make an Instant")]
pub(crate) fn epoch() -> Instant {
    Instant::now()
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![Just(Who::Client), Just(Who::Server)]
}

fn op() -> impl Strategy<Value = Op> {
    let two = |op: fn(Who, usize) -> Op, numbers: std::ops::Range<usize>| {
        (who(), numbers).prop_map(move |(who, n)| op(who, n))
    };
    prop_oneof![
        18 => (0_u32..14).prop_map(Op::Advance),
        1 => (14_u32..45).prop_map(Op::Advance),
        12 => who().prop_map(Op::Alarm),
        40 => two(Op::Answer, 0..4),
        40 => two(Op::Ask, 0..60),
        24 => two(Op::Cancel, 0..4),
        1 => who().prop_map(Op::Close),
        10 => two(Op::Complete, 0..4),
        80 => two(Op::Deliver, 0..200),
        1 => who().prop_map(Op::Eof),
        8 => two(Op::Push, 0..20),
        10 => two(Op::Reject, 0..4),
        80 => two(Op::Send, 1..6),
        60 => two(Op::Take, 1..6),
        12 => two(Op::Tell, 0..60),
    ]
}

impl World {
    pub(crate) fn new(config: &Config, now: Instant) -> Self {
        let client = Connection::client(config.clone(), Setup::default(), now).unwrap();
        let server = Connection::server(config.clone(), now);
        Self {
            now,
            log: Vec::new(),
            client: Side::new(client, config),
            server: Side::new(server, config),
            is_honest: true,
            asked: 0,
        }
    }

    pub(crate) fn run(&mut self, ops: &[Op]) {
        for op in ops {
            self.step(op);
            self.client.check();
            self.server.check();
        }
    }

    pub(crate) fn connection(&mut self, who: Who) -> &mut Connection {
        &mut self.side(who).connection
    }

    /// Lets everything arrive, then ends both transports; then nothing is open any more, and nobody waits for anything.
    pub(crate) fn end(&mut self) {
        for who in [Who::Client, Who::Server].repeat(100) {
            self.step(&Op::Send(who, usize::MAX));
            self.step(&Op::Deliver(other(who), usize::MAX));
            self.step(&Op::Take(other(who), usize::MAX));
        }
        for who in [Who::Client, Who::Server] {
            let connection = self.connection(who);
            let is_free = connection.wants_input() || connection.is_closed();
            assert!(is_free, "nothing waits, and yet a bound is reached");
            self.step(&Op::Eof(who));
            self.step(&Op::Take(who, usize::MAX));
            let is_honest = self.is_honest;
            let side = self.side(who);
            side.check();
            assert!(side.is_over && side.connection.is_closed());
            assert_eq!(side.connection.open_streams(), 0);
            assert!(side.asked.is_empty(), "requests without an end: {:?}", side.asked);
            if is_honest {
                assert!(side.received.is_empty(), "requests still open: {:?}", side.received);
            }
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
            }
            Op::Ask(who, len) => self.ask(who, len),
            Op::Answer(who, nth) => {
                self.side(who).answer(nth, |it, id, asked| it.respond(id, asked));
            }
            Op::Complete(who, nth) => self.side(who).answer(nth, |it, id, _| it.complete(id)),
            Op::Reject(who, nth) => {
                self.side(who).answer(nth, |it, id, _| it.reject(id, ErrorCode::REJECTED, "no"));
            }
            Op::Cancel(who, nth) => self.side(who).cancel(nth),
            Op::Close(who) => {
                let side = self.side(who);
                side.connection.close(now, ErrorCode::CONNECTION_ERROR, "enough");
            }
            Op::Deliver(who, len) => self.side(who).deliver(now, len),
            Op::Eof(who) => self.side(who).connection.handle_eof(now),
            Op::Forge(who, ref frame) => {
                self.is_honest = false;
                encode_prefixed(frame, &mut self.side(who).incoming).unwrap();
            }
            Op::Push(who, len) => {
                _ = self.side(who).connection.metadata_push(vec![b'm'; len].into());
            }
            Op::Tell(who, len) => {
                let payload = Payload::from_data(vec![b't'; len]);
                _ = self.side(who).connection.fire_and_forget(payload);
            }
            Op::Send(who, frames) => self.send(who, frames),
            Op::Take(who, events) => self.take(who, events),
        }
    }

    /// Rule 3.
    fn time_out(&mut self, who: Who) {
        let now = self.now;
        let connection = self.connection(who);
        connection.handle_timeout(now);
        let next = connection.poll_timeout();
        assert!(next.is_none_or(|next| next > now), "the next timeout is not later");
        assert_eq!(next, connection.next_timer().map(|timer| timer.0));
    }

    fn ask(&mut self, who: Who, len: usize) {
        self.asked += 1;
        // No two ask the same, so that no answer can be taken for another's.
        let mut data = self.asked.to_be_bytes().to_vec();
        data.resize(8 + len, b'a');
        let data = Bytes::from(data);
        let side = self.side(who);
        if let Ok(id) = side.connection.request_response(Payload::new("m", data.clone())) {
            assert_eq!(id.get() % 2, u32::from(who == Who::Client));
            assert_eq!(side.asked.insert(id, data), None, "an id was given out while in use");
        }
    }

    fn send(&mut self, who: Who, frames: usize) {
        for _ in 0..frames {
            let now = self.now;
            let connection = self.connection(who);
            let was_closed = connection.is_closed();
            let mut output = BytesMut::new();
            if !connection.poll_transmit(now, &mut output) {
                assert!(output.is_empty());
                return;
            }
            assert!(!was_closed, "output of a closed connection");
            self.side(other(who)).incoming.extend_from_slice(&output);
            self.log.push(Output::Sent(who, output.clone().freeze()));
            assert!(matches!(split_frame(&mut output, MAX_RECEIVED_FRAME), Ok(Some(_))));
            assert!(output.is_empty(), "more than one frame at once");
        }
    }

    fn take(&mut self, who: Who, events: usize) {
        let is_honest = self.is_honest;
        for _ in 0..events {
            let side = self.side(who);
            let Some(event) = side.connection.poll_event() else { return };
            side.on_event(&event, is_honest);
            self.log.push(Output::Took(who, event));
        }
    }

    fn side(&mut self, who: Who) -> &mut Side {
        match who {
            Who::Client => &mut self.client,
            Who::Server => &mut self.server,
        }
    }
}

impl Side {
    fn new(connection: Connection, config: &Config) -> Self {
        Self {
            connection,
            incoming: BytesMut::new(),
            buffer: BytesMut::new(),
            asked: BTreeMap::new(),
            received: BTreeMap::new(),
            is_over: false,
            max_open: 2 * config.max_open_streams,
        }
    }

    /// Rules 5, in part, and 8.
    fn check(&self) {
        assert!(self.connection.open_streams() <= self.max_open);
        if self.connection.is_closed() {
            assert!(!self.connection.wants_input());
            assert_eq!(self.connection.poll_timeout(), None);
            assert_eq!(self.connection.open_streams(), 0);
        }
    }

    /// Rule 6, and that a driver who goes by it neither loops nor waits for ever.
    fn deliver(&mut self, now: Instant, len: usize) {
        let arrived = self.incoming.split_to(len.min(self.incoming.len()));
        self.buffer.extend_from_slice(&arrived);
        let (was_wanted, before) = (self.connection.wants_input(), self.buffer.clone());
        self.connection.handle_input(now, &mut self.buffer);
        if !was_wanted {
            assert_eq!(self.buffer, before, "input was taken that was not wanted");
        }
        if self.connection.wants_input() {
            let next = split_frame(&mut self.buffer.clone(), MAX_RECEIVED_FRAME);
            assert_eq!(next, Ok(None), "a frame was wanted and not taken");
        }
    }

    fn answer(
        &mut self,
        nth: usize,
        answer: impl FnOnce(&mut Connection, StreamId, Payload) -> Result<(), StreamError>,
    ) {
        let Some((id, asked)) = self.received.iter().nth(nth) else { return };
        let id = *id;
        if answer(&mut self.connection, id, asked.clone()).is_ok() {
            self.received.remove(&id);
        }
    }

    fn cancel(&mut self, nth: usize) {
        let Some(id) = self.asked.keys().nth(nth).copied() else { return };
        // It fails where the end is among the events already.
        if self.connection.cancel(id).is_ok() {
            self.asked.remove(&id);
        }
    }

    fn on_event(&mut self, event: &Event, is_honest: bool) {
        assert!(!self.is_over, "{event:?} after Closed");
        match event {
            Event::RequestResponse { stream_id, payload } => {
                let previous = self.received.insert(*stream_id, payload.clone());
                assert!(previous.is_none() || !is_honest, "two requests at once");
            }
            Event::Canceled { stream_id } => {
                let open = self.received.remove(stream_id);
                assert!(open.is_some() || !is_honest, "what was answered was canceled");
            }
            Event::Response { stream_id, payload } => {
                let asked = self.asked.remove(stream_id);
                assert!(asked.is_some(), "stream {stream_id} ended twice, or was canceled");
                if let (true, Some(payload)) = (is_honest, payload) {
                    assert_eq!(Some(&payload.data), asked.as_ref(), "another's answer");
                }
            }
            Event::RequestFailed { stream_id, .. } => {
                let asked = self.asked.remove(stream_id);
                assert!(asked.is_some(), "stream {stream_id} ended twice, or was canceled");
            }
            Event::Closed { reason } => {
                self.is_over = true;
                let is_violation = matches!(reason, CloseReason::Violation(_));
                assert!(!is_honest || !is_violation, "found fault with itself: {reason}");
            }
            Event::StreamViolation { violation, .. } => {
                assert!(!is_honest, "found fault with itself: {violation}");
            }
            _ => {}
        }
    }
}

fn other(who: Who) -> Who {
    match who {
        Who::Client => Who::Server,
        Who::Server => Who::Client,
    }
}
