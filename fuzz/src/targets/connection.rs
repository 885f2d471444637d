//! One connection of either role, whatever its owner, its driver, its peer and the clock do.

mod check;

use crate::input::Input;
use crate::{config, forge};
use bytes::{Bytes, BytesMut};
use check::Check;
use prometheus_rsocket_protocol::rsocket::connection::{
    Config, Credit, Event, Framing, ResumeRequest,
};
use prometheus_rsocket_protocol::rsocket::frame::{Body, ErrorCode, Frame, StreamId};
use prometheus_rsocket_protocol::rsocket::framing::{
    MAX_RECEIVED_FRAME, encode_prefixed, split_frame,
};
use prometheus_rsocket_protocol::{Connection, Machine};
use prometheus_rsocket_testkit::world::{epoch, setup};
use std::time::{Duration, Instant};

/// Any configuration, any bytes, any commands, in any order: the contract holds after each step.
pub fn connection(data: &[u8]) {
    let logs = [(), ()].map(|()| Run::new(&mut Input::new(data)).map(Run::finish));
    assert_eq!(logs[0], logs[1], "rule 9: the same calls gave something else");
}

/// What came out, in its order.
#[derive(Debug, PartialEq)]
enum Output {
    Sent(Bytes),
    Took(Event),
}

struct Run<'a> {
    input: Input<'a>,
    config: Config,
    connection: Connection,
    check: Check,
    now: Instant,
    /// What has arrived and was not taken yet.
    buffer: BytesMut,
    /// Streams that were heard of or asked for, as far as they may still be of interest.
    streams: Vec<StreamId>,
    /// How to resume.
    request: Option<ResumeRequest>,
    log: Vec<Output>,
}

impl<'a> Run<'a> {
    /// `None` for a client whose SETUP cannot be sent.
    fn new(input: &mut Input<'a>) -> Option<Self> {
        let config = config::any(input);
        let now = epoch_of_run();
        let flags = input.byte();
        let connection = match flags & 1 != 0 {
            true if flags & 2 != 0 => {
                let flags = input.peek();
                let setup = forge::setup(input, flags);
                Connection::client(config.clone(), setup, now).ok()?
            }
            true => Connection::client(config.clone(), setup(&config), now).ok()?,
            false => Connection::server(config.clone(), now),
        };
        let mut run = Self {
            input: input.clone(),
            check: Check::new(&config),
            config,
            connection,
            now,
            buffer: BytesMut::new(),
            streams: Vec::new(),
            request: None,
            log: Vec::new(),
        };
        if flags & 5 == 0 {
            let setup = Frame::on_connection(Body::Setup(Box::new(setup(&run.config))));
            run.hear(&setup);
        }
        Some(run)
    }

    fn finish(mut self) -> Vec<Output> {
        for _ in 0..STEPS_MAX {
            if self.input.is_empty() {
                break;
            }
            self.step();
            self.check.after(&self.connection);
        }
        self.drain();
        self.connection.handle_eof(self.now);
        while self.connection.is_suspended() {
            let Some(alarm) = self.connection.poll_timeout() else { return self.log };
            self.time_out(alarm);
        }
        self.drain();
        assert!(self.connection.is_closed(), "the transport's end ends it");
        self.check.after(&self.connection);
        self.log
    }

    fn step(&mut self) {
        match self.input.byte() & 0x1f {
            0..=6 => {
                let frame = forge::frame(&mut self.input);
                self.hear(&frame);
            }
            7 => {
                let frame = forge::frame(&mut self.input);
                let cut = self.input.below(64);
                self.hear_cut(&frame, cut);
            }
            8 => {
                let bytes = self.input.bytes();
                self.buffer.extend_from_slice(bytes);
                self.deliver();
            }
            9 => self.deliver(),
            10 => {
                let after = Duration::from_millis(1 << self.input.below(45));
                let now = self.now.checked_add(after).unwrap_or(self.now);
                self.time_out(now);
            }
            11 | 12 => {
                let alarm = self.connection.poll_timeout().unwrap_or(self.now);
                self.time_out(alarm);
            }
            13 => self.transmit(1 + usize::from(self.input.peek() % 4)),
            14 => self.transmit(usize::MAX),
            15 => self.take(1),
            16 => self.take(usize::MAX),
            17 => {
                self.connection.handle_eof(self.now);
                self.buffer.clear();
            }
            18 => self.resume(),
            19 => {
                let code = ErrorCode(self.input.number());
                self.connection.close(self.now, code, "enough");
            }
            _ => self.command(),
        }
    }

    fn command(&mut self) {
        let kind = self.input.below(14);
        let credit = match self.input.some(5) {
            0 => Credit::UNBOUNDED,
            n => Credit::new(n & 0x7fff_ffff).unwrap_or(Credit::UNBOUNDED),
        };
        let payload = forge::payload(&mut self.input);
        let id = self.stream();
        let connection = &mut self.connection;
        let was_closed = connection.is_closed();
        let requested = match kind {
            0 => Some(connection.request_response(payload.clone())),
            1 => Some(connection.request_stream(payload.clone(), credit)),
            2 => Some(connection.request_channel(payload.clone(), credit, credit.get() == 1)),
            3 => Some(connection.fire_and_forget(payload.clone())),
            _ => None,
        };
        if let Some(result) = requested {
            assert!(!was_closed || result.is_err(), "rule 8");
            self.streams.extend(result);
            return;
        }
        let is_done = match kind {
            4 => connection.metadata_push(payload.data).is_ok(),
            5 => connection.extension(id, credit.get() == 1, credit.get(), payload).is_ok(),
            6 => {
                let ttl = Duration::from_millis(u64::from(credit.get()));
                connection.grant_lease(self.now, ttl, credit.get(), payload.metadata).is_ok()
            }
            7 => connection.send(id, payload).is_ok(),
            8 => connection.respond(id, payload).is_ok(),
            9 => connection.complete(id).is_ok(),
            10 => connection.reject(id, ErrorCode(credit.get()), "no").is_ok(),
            11 => connection.request_n(id, credit).is_ok(),
            12 => connection.cancel(id).is_ok(),
            _ => {
                connection.reject_resume(self.now, "no");
                false
            }
        };
        assert!(!was_closed || !is_done, "rule 8");
    }

    /// A new transport; a server's is first one of a connection of its own, that asks what to do.
    fn resume(&mut self) {
        self.connection.resume(self.now);
        if self.input.flag() {
            let frame = forge::frame(&mut self.input);
            let mut lobby = Connection::server(self.config.clone(), self.now);
            let mut bytes = BytesMut::new();
            frame.encode(&mut bytes).expect("a short frame");
            lobby.handle_frame(self.now, bytes.freeze());
            if let Some(Event::ResumeReceived { request }) = lobby.poll_event() {
                self.request = Some(request);
            }
        }
        if let Some(request) = &self.request
            && self.connection.accept_resume(self.now, request).is_ok()
        {
            self.buffer.clear();
        }
    }

    fn hear(&mut self, frame: &Frame) {
        encode_prefixed(frame, &mut self.buffer).expect("a short frame");
        self.deliver();
    }

    /// A frame that arrives in two parts.
    fn hear_cut(&mut self, frame: &Frame, cut: usize) {
        let mut bytes = BytesMut::new();
        encode_prefixed(frame, &mut bytes).expect("a short frame");
        self.buffer.extend_from_slice(&bytes.split_to(cut.min(bytes.len())));
        self.deliver();
        self.check.after(&self.connection);
        self.buffer.extend_from_slice(&bytes);
        self.deliver();
    }

    /// Rule 6.
    fn deliver(&mut self) {
        let (was_wanted, before) = (self.connection.wants_input(), self.buffer.len());
        match self.config.framing {
            Framing::LengthPrefixed => {
                self.connection.handle_input(self.now, &mut self.buffer);
            }
            Framing::Messages => {
                while self.connection.wants_input()
                    && let Ok(Some(frame)) = split_frame(&mut self.buffer, MAX_RECEIVED_FRAME)
                {
                    self.connection.handle_frame(self.now, frame);
                }
            }
        }
        assert!(was_wanted || before == self.buffer.len(), "taken, but not wanted");
        if self.connection.wants_input() {
            let left = split_frame(&mut self.buffer.clone(), MAX_RECEIVED_FRAME);
            assert_eq!(left, Ok(None), "wanted, but not taken");
        }
    }

    /// Rule 3.
    fn time_out(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.connection.handle_timeout(self.now);
        let next = self.connection.poll_timeout();
        assert!(next.is_none_or(|next| next > self.now), "the next timeout is not later");
    }

    fn transmit(&mut self, frames: usize) {
        let from = self.log.len();
        let is_all = frames == usize::MAX;
        let was_closed = self.connection.is_closed();
        let mut output = BytesMut::new();
        for _ in 0..frames {
            if !self.connection.poll_transmit(self.now, &mut output) {
                assert!(output.is_empty(), "half a frame");
                break;
            }
            assert!(!was_closed, "rule 8: output of a closed connection");
            let frame = match self.config.framing {
                Framing::LengthPrefixed => {
                    let frame = split_frame(&mut output, MAX_RECEIVED_FRAME);
                    frame.expect("a legal length").expect("a whole frame")
                }
                Framing::Messages => output.split().freeze(),
            };
            assert!(output.is_empty(), "more than one frame at once");
            self.log.push(Output::Sent(frame));
        }
        let sent = self.log[from..].iter().filter_map(|output| match output {
            Output::Sent(frame) => Some(frame),
            Output::Took(_) => None,
        });
        self.check.sent(sent, is_all);
    }

    fn take(&mut self, events: usize) {
        let mut taken = Vec::new();
        while taken.len() < events
            && let Some(event) = self.connection.poll_event()
        {
            if let Event::ResumeReceived { request } = &event {
                self.request = Some(request.clone());
            }
            taken.push(event);
        }
        self.check.took(&taken, events == usize::MAX);
        self.streams.extend(taken.iter().filter_map(opened));
        self.log.extend(taken.into_iter().map(Output::Took));
    }

    fn drain(&mut self) {
        self.transmit(usize::MAX);
        self.take(usize::MAX);
    }

    /// One of the latest few, or any.
    fn stream(&mut self) -> StreamId {
        match self.input.below(8) {
            7 => StreamId::new(self.input.some(10)),
            nth => {
                let id = self.streams.iter().rev().nth(nth);
                id.copied().unwrap_or_else(|| StreamId::new(nth as u32 + 1))
            }
        }
    }
}

fn opened(event: &Event) -> Option<StreamId> {
    match event {
        Event::RequestChannel { stream_id, .. }
        | Event::RequestResponse { stream_id, .. }
        | Event::RequestStream { stream_id, .. } => Some(*stream_id),
        _ => None,
    }
}

/// Both runs begin at the same time.
fn epoch_of_run() -> Instant {
    static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *EPOCH.get_or_init(epoch)
}

const STEPS_MAX: usize = 2_000;
