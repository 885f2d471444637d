//! Transcripts: the frames that one side receives and sends, and the events for its owner.

mod bad_frames;
mod channels;
mod closing;
mod extensions;
mod fragments;
mod keepalive;
mod leases;
mod limits;
mod requests;
mod resumption;
mod setup;
mod stream_requests;
mod texts;

use super::{CloseReason, Config, Connection, Credit, Event, Refusal, StreamFailure, Violation};
use crate::rsocket::frame::{Body, ErrorCode, Frame, FrameType, Setup, StreamId};
use crate::rsocket::framing::{self, Foreign, MAX_RECEIVED_FRAME, split_frame};
use crate::rsocket::{Machine, Payload};
use bytes::{Bytes, BytesMut};
use std::time::{Duration, Instant};

/// One connection, its clock, and the input that it has not taken yet.
struct Talk {
    connection: Connection,
    now: Instant,
    input: BytesMut,
}

impl Talk {
    /// A server that has accepted the SETUP of a client like rsocket-java's.
    fn server() -> Self {
        Self::server_with(Config::default())
    }

    fn server_with(config: Config) -> Self {
        Self::server_after(config, Setup::default())
    }

    fn server_after(config: Config, setup: Setup) -> Self {
        let mut talk = Self::listening(config);
        talk.hears([Frame::on_connection(Body::Setup(Box::new(setup.clone())))]);
        talk.tells([Event::SetupReceived { setup: Box::new(setup) }]);
        talk
    }

    /// A server that waits for SETUP.
    fn listening(config: Config) -> Self {
        let now = epoch();
        Self { connection: Connection::server(config, now), now, input: BytesMut::new() }
    }

    /// A client that has sent SETUP.
    fn client() -> Self {
        Self::client_with(Config::default(), Setup::default())
    }

    fn client_with(config: Config, setup: Setup) -> Self {
        let now = epoch();
        let connection = Connection::client(config, setup.clone(), now).unwrap();
        let mut talk = Self { connection, now, input: BytesMut::new() };
        talk.says([Frame::on_connection(Body::Setup(Box::new(setup)))]);
        talk
    }

    fn hears<const N: usize>(&mut self, frames: [Frame; N]) {
        for frame in frames {
            framing::encode_prefixed(&frame, &mut self.input).unwrap();
        }
        self.reads();
    }

    /// Receives frames in hexadecimal, without prefix.
    fn hears_hex<const N: usize>(&mut self, frames: [&str; N]) {
        for frame in frames {
            let bytes = unhex(frame);
            self.input.extend_from_slice(&(bytes.len() as u32).to_be_bytes()[1..]);
            self.input.extend_from_slice(&bytes);
        }
        self.reads();
    }

    fn hears_bytes(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.reads();
    }

    fn reads(&mut self) {
        self.connection.handle_input(self.now, &mut self.input);
    }

    /// Asserts that exactly these frames are sent.
    #[track_caller]
    fn says<const N: usize>(&mut self, expected: [Frame; N]) {
        assert_eq!(self.output(), expected);
    }

    /// The same, in hexadecimal without prefix.
    #[track_caller]
    fn says_hex<const N: usize>(&mut self, expected: [&str; N]) {
        let mut output = self.output_bytes();
        let mut said = Vec::new();
        while let Some(frame) = split_frame(&mut output, MAX_RECEIVED_FRAME).unwrap() {
            said.push(frame);
        }
        assert_eq!(said, expected.map(unhex));
    }

    fn output(&mut self) -> Vec<Frame> {
        let mut output = self.output_bytes();
        let mut frames = Vec::new();
        while let Some(frame) = split_frame(&mut output, MAX_RECEIVED_FRAME).unwrap() {
            frames.push(Frame::decode(frame).unwrap());
        }
        assert!(output.is_empty(), "half a frame was sent");
        frames
    }

    fn output_bytes(&mut self) -> BytesMut {
        let mut output = BytesMut::new();
        while self.connection.poll_transmit(self.now, &mut output) {}
        output
    }

    /// Asserts that exactly these events are queued.
    #[track_caller]
    fn tells<const N: usize>(&mut self, expected: [Event; N]) {
        assert_eq!(self.events(), expected);
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.connection.poll_event()).collect()
    }

    /// Asserts that no frame is sent, no event is queued, and the connection lives.
    #[track_caller]
    fn is_calm(&mut self) {
        self.says([]);
        self.tells([]);
        assert!(!self.connection.is_closed());
    }

    /// Asserts that this ERROR on stream 0 is the only frame, and that the last event is the end of the connection. Returns the
    /// events before it.
    #[track_caller]
    fn ends_by(&mut self, violation: Violation, code: ErrorCode) -> Vec<Event> {
        let text = violation.to_string();
        self.says([error(0, code, &text)]);
        let mut events = self.events();
        assert_eq!(events.pop(), Some(Event::Closed { reason: CloseReason::Violation(violation) }));
        assert!(self.connection.is_closed());
        assert_eq!(self.connection.open_streams(), 0);
        events
    }

    fn passes(&mut self, time: Duration) {
        self.now += time;
        self.connection.handle_timeout(self.now);
        let next = self.connection.poll_timeout();
        assert!(next.is_none_or(|next| next > self.now), "a timeout in the past");
    }

    fn requests(&mut self, data: &'static str) -> StreamId {
        self.connection.request_response(Payload::from_data(data)).unwrap()
    }
}

/// An arbitrary instant: only differences matter.
#[expect(clippy::disallowed_methods, reason = "there is no other way to make an Instant")]
fn epoch() -> Instant {
    Instant::now()
}

fn unhex(hex: &str) -> Bytes {
    let digits: Vec<u8> =
        hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn id(id: u32) -> StreamId {
    StreamId::new(id)
}

fn request(stream_id: u32, data: &'static str) -> Frame {
    let payload = Payload::from_data(data);
    Frame::new(id(stream_id), Body::RequestResponse { follows: false, payload })
}

fn fnf(stream_id: u32, data: &'static str) -> Frame {
    let payload = Payload::from_data(data);
    Frame::new(id(stream_id), Body::RequestFnf { follows: false, payload })
}

/// An answer with flags N and C.
fn answer(stream_id: u32, data: &'static str) -> Frame {
    let payload = Payload::from_data(data);
    let body = Body::Payload { follows: false, complete: true, next: true, payload };
    Frame::new(id(stream_id), body)
}

/// PAYLOAD with flag N.
fn next(stream_id: u32, data: &'static str) -> Frame {
    let payload = Payload::from_data(data);
    let body = Body::Payload { follows: false, complete: false, next: true, payload };
    Frame::new(id(stream_id), body)
}

/// PAYLOAD with flag C.
fn complete(stream_id: u32) -> Frame {
    let payload = Payload::default();
    let body = Body::Payload { follows: false, complete: true, next: false, payload };
    Frame::new(id(stream_id), body)
}

fn stream(stream_id: u32, initial_n: u32, data: &'static str) -> Frame {
    let payload = Payload::from_data(data);
    Frame::new(id(stream_id), Body::RequestStream { follows: false, initial_n, payload })
}

fn channel(stream_id: u32, initial_n: u32, complete: bool, data: &'static str) -> Frame {
    let payload = Payload::from_data(data);
    let body = Body::RequestChannel { follows: false, complete, initial_n, payload };
    Frame::new(id(stream_id), body)
}

fn request_n(stream_id: u32, n: u32) -> Frame {
    Frame::new(id(stream_id), Body::RequestN { n })
}

fn credit(payloads: u32) -> Credit {
    Credit::new(payloads).unwrap()
}

fn cancel(stream_id: u32) -> Frame {
    Frame::new(id(stream_id), Body::Cancel)
}

fn error(stream_id: u32, code: ErrorCode, text: &str) -> Frame {
    Frame::error(id(stream_id), code, text.to_owned())
}

fn keepalive(respond: bool, data: &'static str) -> Frame {
    Frame::on_connection(Body::KeepAlive { respond, position: 0, data: data.into() })
}

fn asked(stream_id: u32, data: &'static str) -> Event {
    Event::RequestResponse { stream_id: id(stream_id), payload: Payload::from_data(data) }
}

fn told(stream_id: u32, data: &'static str) -> Event {
    Event::FireAndForget { stream_id: id(stream_id), payload: Payload::from_data(data) }
}

fn answered(stream_id: u32, data: &'static str) -> Event {
    Event::Response { stream_id: id(stream_id), payload: Some(Payload::from_data(data)) }
}

fn got(stream_id: u32, data: &'static str) -> Event {
    Event::Payload { stream_id: id(stream_id), payload: Payload::from_data(data) }
}

fn completed(stream_id: u32) -> Event {
    Event::Completed { stream_id: id(stream_id) }
}

fn allowed(stream_id: u32, payloads: u32) -> Event {
    Event::CreditReceived { stream_id: id(stream_id), credit: credit(payloads) }
}

fn violated(stream_id: u32, violation: Violation) -> Event {
    Event::StreamViolation { stream_id: id(stream_id), violation }
}

fn refused(stream_id: u32, refusal: Refusal) -> Event {
    Event::RequestRefused { stream_id: id(stream_id), refusal }
}

fn failed(stream_id: u32, error: StreamFailure) -> Event {
    Event::RequestFailed { stream_id: id(stream_id), error }
}

fn canceled(stream_id: u32) -> Event {
    Event::Canceled { stream_id: id(stream_id) }
}

fn closed(reason: CloseReason) -> Event {
    Event::Closed { reason }
}
