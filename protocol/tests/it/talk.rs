//! One connection, its clock, and what it hears, says and tells.

use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::rsocket::connection::{Config, Credit, Event};
use prometheus_rsocket_protocol::rsocket::frame::{Body, ErrorCode, Frame, StreamId};
use prometheus_rsocket_protocol::rsocket::framing::{
    MAX_RECEIVED_FRAME, encode_prefixed, split_frame,
};
use prometheus_rsocket_protocol::{Connection, Machine, Payload};
use prometheus_rsocket_testkit::world::{epoch, setup};
use std::time::{Duration, Instant};

pub(crate) struct Talk {
    pub(crate) connection: Connection,
    pub(crate) now: Instant,
    /// What it has not taken yet.
    pub(crate) input: BytesMut,
}

impl Talk {
    /// A server that has accepted a client.
    pub(crate) fn server(config: &Config) -> Self {
        let mut talk = Self::listening(config);
        talk.hears([Frame::on_connection(Body::Setup(Box::new(setup(config))))]);
        talk.told();
        talk
    }

    /// A server that waits for SETUP.
    pub(crate) fn listening(config: &Config) -> Self {
        Self::new(Connection::server(config.clone(), epoch()))
    }

    /// A client whose SETUP is sent.
    pub(crate) fn client(config: &Config) -> Self {
        let mut talk =
            Self::new(Connection::client(config.clone(), setup(config), epoch()).unwrap());
        talk.says();
        talk
    }

    fn new(connection: Connection) -> Self {
        Self { connection, now: epoch(), input: BytesMut::new() }
    }

    pub(crate) fn hears(&mut self, frames: impl IntoIterator<Item = Frame>) {
        for frame in frames {
            encode_prefixed(&frame, &mut self.input).unwrap();
        }
        self.reads();
    }

    pub(crate) fn hears_bytes(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.reads();
    }

    pub(crate) fn reads(&mut self) {
        self.connection.handle_input(self.now, &mut self.input);
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
    }

    /// The next frame that waits to be sent.
    pub(crate) fn says_one(&mut self) -> Option<Frame> {
        let mut output = BytesMut::new();
        self.connection.poll_transmit(self.now, &mut output).then_some(())?;
        let frame = split_frame(&mut output, MAX_RECEIVED_FRAME).unwrap().unwrap();
        assert!(output.is_empty());
        Some(Frame::decode(frame).unwrap())
    }

    /// All that waits to be sent.
    pub(crate) fn says(&mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.says_one()).collect()
    }

    /// All that waits for the owner.
    pub(crate) fn told(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.connection.poll_event()).collect()
    }

    /// Whatever waits is let go.
    pub(crate) fn drains(&mut self) {
        self.says();
        self.told();
    }

    pub(crate) fn passes(&mut self, time: Duration) {
        self.now += time;
        self.connection.handle_timeout(self.now);
    }
}

/// Lets two of ours say all that they have to say to each other.
pub(crate) fn chat(one: &mut Talk, other: &mut Talk) {
    loop {
        let (said, answered) = (one.says(), other.says());
        if said.is_empty() && answered.is_empty() {
            return;
        }
        other.hears(said);
        one.hears(answered);
    }
}

pub(crate) fn id(id: u32) -> StreamId {
    StreamId::new(id)
}

pub(crate) fn credit(payloads: u32) -> Credit {
    Credit::new(payloads).unwrap()
}

pub(crate) fn request(stream_id: u32, data: impl Into<Bytes>) -> Frame {
    let payload = Payload::from_data(data);
    Frame::new(id(stream_id), Body::RequestResponse { follows: false, payload })
}

pub(crate) fn stream(stream_id: u32, initial_n: u32) -> Frame {
    let payload = Payload::default();
    Frame::new(id(stream_id), Body::RequestStream { follows: false, initial_n, payload })
}

pub(crate) fn channel(stream_id: u32, initial_n: u32) -> Frame {
    let payload = Payload::default();
    let body = Body::RequestChannel { follows: false, complete: false, initial_n, payload };
    Frame::new(id(stream_id), body)
}

/// The first fragment of a REQUEST_RESPONSE.
pub(crate) fn opening(stream_id: u32, data: impl Into<Bytes>) -> Frame {
    let payload = Payload::from_data(data);
    Frame::new(id(stream_id), Body::RequestResponse { follows: true, payload })
}

/// A fragment that is neither the first nor the last.
pub(crate) fn fragment(stream_id: u32, data: impl Into<Bytes>) -> Frame {
    payload(stream_id, true, false, data)
}

/// PAYLOAD with flag N.
pub(crate) fn next(stream_id: u32, data: impl Into<Bytes>) -> Frame {
    payload(stream_id, false, false, data)
}

/// PAYLOAD with flags N and C.
pub(crate) fn answer(stream_id: u32, data: impl Into<Bytes>) -> Frame {
    payload(stream_id, false, true, data)
}

fn payload(stream_id: u32, follows: bool, complete: bool, data: impl Into<Bytes>) -> Frame {
    let payload = Payload::from_data(data);
    Frame::new(id(stream_id), Body::Payload { follows, complete, next: true, payload })
}

pub(crate) fn request_n(stream_id: u32, n: u32) -> Frame {
    Frame::new(id(stream_id), Body::RequestN { n })
}

pub(crate) fn cancel(stream_id: u32) -> Frame {
    Frame::new(id(stream_id), Body::Cancel)
}

pub(crate) fn error(stream_id: u32, code: ErrorCode, text: &'static str) -> Frame {
    Frame::error(id(stream_id), code, text)
}

/// KEEPALIVE with or without flag R.
pub(crate) fn keepalive(respond: bool, data: impl Into<Bytes>) -> Frame {
    Frame::on_connection(Body::KeepAlive { respond, position: 0, data: data.into() })
}

/// The stream and the code of an ERROR.
pub(crate) fn code_of(frame: &Frame) -> Option<(u32, ErrorCode)> {
    match frame.body {
        Body::Error { code, .. } => Some((frame.stream_id.get(), code)),
        _ => None,
    }
}
