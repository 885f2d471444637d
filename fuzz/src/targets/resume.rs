//! Resumption: what is stored, what is sent again, and from where.

use super::peers;
use crate::input::Input;
use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::rsocket::connection::{
    Config, Event, Framing, ResumeConfig, ResumeError, ResumeRequest,
};
use prometheus_rsocket_protocol::rsocket::frame::{Body, Frame, Setup, StreamId, Version};
use prometheus_rsocket_protocol::{Connection, Machine, Payload};
use prometheus_rsocket_testkit::world::epoch;
use std::time::Instant;

/// Two of ours that are cut and resumed again and again; or a server whose client says any positions, against a store of our own.
pub fn resume(data: &[u8]) {
    let mut input = Input::new(data);
    if input.flag() {
        peers::cuts(&mut input);
    } else {
        Server::new(&mut input).run(&mut input);
    }
}

/// A server's connection, and what it should have stored.
struct Server {
    connection: Connection,
    config: Config,
    now: Instant,
    max_stored: usize,
    /// Frames that were sent and are kept, and where the first begins.
    stored: Vec<Bytes>,
    first: u64,
    /// Up to where the client's have come.
    received: u64,
    /// What is to be sent again.
    again: Vec<Bytes>,
    /// How much the client has begun to send, as ids.
    requests: u32,
}

impl Server {
    fn new(input: &mut Input<'_>) -> Self {
        let mut resume = ResumeConfig::default();
        resume.max_stored = 32 * input.below(32);
        let max_stored = resume.max_stored;
        let mut config = Config::default();
        config.framing = Framing::Messages;
        config.mtu = input.flag().then_some(64);
        config.resume = Some(resume);
        config.max_events = 1_000;
        let now = epoch();
        let mut connection = Connection::server(config.clone(), now);
        let setup = Setup { resume_token: Some("token".into()), ..Setup::default() };
        connection.handle_frame(now, encode(&Frame::on_connection(Body::Setup(Box::new(setup)))));
        Self {
            connection,
            config,
            now,
            max_stored,
            stored: Vec::new(),
            first: 0,
            received: 0,
            again: Vec::new(),
            requests: 0,
        }
    }

    fn run(mut self, input: &mut Input<'_>) {
        while !input.is_empty() && !self.connection.is_closed() {
            match input.below(8) {
                0 | 1 => {
                    let data = vec![b'd'; input.byte().into()];
                    _ = self.connection.fire_and_forget(Payload::from_data(data));
                }
                2 => self.transmit(input.below(8)),
                3 => self.transmit(usize::MAX),
                4 => {
                    let position = self.position(input);
                    let data = Bytes::new();
                    self.hear(Body::KeepAlive { respond: false, position, data });
                    self.on_position(position);
                }
                5 => {
                    self.requests += 1;
                    let id = StreamId::new(2 * self.requests - 1);
                    let payload = Payload::from_data(input.owned());
                    let frame = Frame::new(id, Body::RequestFnf { follows: false, payload });
                    let bytes = encode(&frame);
                    if self.connection.wants_input() {
                        self.received += bytes.len() as u64;
                        self.connection.handle_frame(self.now, bytes);
                    }
                }
                6 => self.connection.handle_eof(self.now),
                _ => self.resume(input),
            }
            while self.connection.poll_event().is_some() {}
            let cost: usize = self.stored.iter().map(|frame| frame.len().max(64)).sum();
            assert!(cost <= self.max_stored || self.stored.len() == 1);
        }
    }

    fn hear(&mut self, body: Body) {
        if self.connection.wants_input() {
            self.connection.handle_frame(self.now, encode(&Frame::on_connection(body)));
        }
    }

    /// One of those that mean something, or any.
    fn position(&self, input: &mut Input<'_>) -> u64 {
        match input.byte() {
            255 => input.long(),
            nth @ 128.. => self.last().saturating_add(u64::from(nth)).saturating_sub(160),
            nth => self.ends().nth(nth.into()).unwrap_or(self.first),
        }
    }

    fn ends(&self) -> impl Iterator<Item = u64> {
        self.stored.iter().scan(self.first, |at, frame| {
            *at += frame.len() as u64;
            Some(*at)
        })
    }

    fn last(&self) -> u64 {
        self.ends().last().unwrap_or(self.first)
    }

    fn on_position(&mut self, position: u64) {
        if !self.connection.is_suspended() {
            self.forget_to(position & (u64::MAX >> 1));
        }
    }

    fn forget_to(&mut self, position: u64) {
        let gone = self.ends().take_while(|end| *end <= position).count();
        self.forget(gone);
    }

    /// What is forgotten is not sent again either.
    fn forget(&mut self, count: usize) {
        let gone: Vec<_> = self.stored.drain(..count).collect();
        self.first += gone.iter().map(|frame| frame.len() as u64).sum::<u64>();
        let left = self.again.len().min(self.stored.len());
        self.again.drain(..self.again.len() - left);
    }

    fn transmit(&mut self, frames: usize) {
        let mut output = BytesMut::new();
        for _ in 0..frames {
            if !self.connection.poll_transmit(self.now, &mut output) {
                assert!(self.again.is_empty() || self.connection.is_suspended());
                return;
            }
            let bytes = output.split().freeze();
            let frame = Frame::decode(bytes.clone()).expect("one of ours can be read");
            match frame.body {
                Body::ResumeOk { last_received_client_position: position }
                | Body::KeepAlive { position, .. } => {
                    assert_eq!(position, self.received, "up to where the client's have come");
                }
                _ if self.again.is_empty() => self.store(bytes),
                _ => assert_eq!(bytes, self.again.remove(0), "not what was lost"),
            }
        }
    }

    fn store(&mut self, bytes: Bytes) {
        self.stored.push(bytes);
        let mut cost: usize = self.stored.iter().map(|frame| frame.len().max(64)).sum();
        let mut count = 0;
        while cost > self.max_stored && count + 1 < self.stored.len() {
            cost -= self.stored[count].len().max(64);
            count += 1;
        }
        self.forget(count);
    }

    /// A new transport, and a RESUME with any positions.
    fn resume(&mut self, input: &mut Input<'_>) {
        let position = self.position(input) & (u64::MAX >> 1);
        let theirs = match input.byte() {
            255 => input.long() & (u64::MAX >> 1),
            // Mostly they have it all.
            byte => self.received.saturating_add(byte.into()).saturating_sub(200),
        };
        let Some(request) = self.request(position, theirs) else { return };
        let is_there = position == self.first || self.ends().any(|end| end == position);
        let expected = match is_there {
            false => {
                let (first, last) = (self.first, self.last());
                Err(ResumeError::OurPosition { position, first, last })
            }
            true if theirs > self.received => {
                Err(ResumeError::PeerPosition { first: theirs, received: self.received })
            }
            true => Ok(()),
        };
        assert_eq!(self.connection.accept_resume(self.now, &request), expected);
        if expected.is_err() {
            return;
        }
        self.again.clear();
        self.forget_to(position);
        self.again = self.stored.clone();
        let mut output = BytesMut::new();
        assert!(self.connection.poll_transmit(self.now, &mut output), "no RESUME_OK");
        let answer = Body::ResumeOk { last_received_client_position: self.received };
        assert_eq!(Frame::decode(output.freeze()), Ok(Frame::on_connection(answer)));
    }

    /// As a server gets it: from a connection of its own.
    fn request(&self, ours: u64, theirs: u64) -> Option<ResumeRequest> {
        let mut lobby = Connection::server(self.config.clone(), self.now);
        let body = Body::Resume {
            version: Version::V1_0,
            token: "token".into(),
            last_received_server_position: ours,
            first_available_client_position: theirs,
        };
        lobby.handle_frame(self.now, encode(&Frame::on_connection(body)));
        match lobby.poll_event() {
            Some(Event::ResumeReceived { request }) => Some(request),
            _ => None,
        }
    }
}

fn encode(frame: &Frame) -> Bytes {
    let mut out = BytesMut::new();
    frame.encode(&mut out).expect("a short frame");
    out.freeze()
}
