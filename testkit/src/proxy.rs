//! A proxy on plain blocking sockets that follows a test's instructions. It panics if a client does something else.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it is no part of the core, and has real sockets"
)]

use bytes::BytesMut;
use prometheus_rsocket_protocol::envelope::{self, KeyUnwrap, OpenLimits, RsaKeyPair};
use prometheus_rsocket_protocol::hello::Hello;
use prometheus_rsocket_protocol::rsocket::connection::{Config, Connection, Event};
use prometheus_rsocket_protocol::rsocket::frame::StreamId;
use prometheus_rsocket_protocol::{Machine, Payload};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

static KEYS: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(2048, [4; 32]).unwrap());

/// A proxy that listens on a free port of the loopback address.
#[derive(Debug)]
pub struct FakeProxy {
    listener: TcpListener,
}

impl FakeProxy {
    /// Opens the listener.
    #[expect(clippy::new_without_default, reason = "it opens a socket")]
    pub fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    /// Returns the address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Returns the URL for a client.
    pub fn url(&self) -> String {
        format!("tcp://{}", self.address())
    }

    /// Accepts a client, and receives its SETUP.
    pub fn accept(&self) -> Peer {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let connection = Connection::server(Config::default(), Instant::now());
        let hello = Hello::default();
        let mut peer = Peer { stream, connection, hello, input: BytesMut::new() };
        let Event::SetupReceived { setup } = peer.next() else { panic!("SETUP comes first") };
        peer.hello = Hello::of_setup(&setup).unwrap();
        peer
    }

    /// Accepts a connection, and closes it once the client has closed it without a byte.
    pub fn accept_probe(&self) {
        let (mut stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "a probe says nothing");
    }

    /// Accepts a client, receives its SETUP, and pushes the key.
    pub fn accept_with_key(&self) -> Peer {
        let mut peer = self.accept();
        peer.connection.fire_and_forget(Payload::from_data(KEYS.public_key())).unwrap();
        peer.flush();
        peer
    }
}

/// One client, as the proxy sees it.
#[derive(Debug)]
pub struct Peer {
    stream: TcpStream,
    /// The proxy's side of the connection.
    pub connection: Connection,
    hello: Hello,
    input: BytesMut,
}

impl Peer {
    /// Returns what the client declared about itself.
    pub fn hello(&self) -> Hello {
        self.hello.clone()
    }

    /// Waits for the next event.
    #[expect(clippy::should_implement_trait, reason = "a connection is no iterator")]
    pub fn next(&mut self) -> Event {
        loop {
            self.flush();
            if let Some(event) = self.connection.poll_event() {
                return event;
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk).unwrap() {
                0 => self.connection.handle_eof(Instant::now()),
                len => {
                    self.input.extend_from_slice(&chunk[..len]);
                    self.connection.handle_input(Instant::now(), &mut self.input);
                }
            }
        }
    }

    /// Sends all queued output.
    pub fn flush(&mut self) {
        let mut output = BytesMut::new();
        while self.connection.poll_transmit(Instant::now(), &mut output) {}
        self.stream.write_all(&output).unwrap();
    }

    /// Requests the metrics, without waiting.
    pub fn ask(&mut self) -> StreamId {
        let key = Payload::from_data(KEYS.public_key());
        let stream_id = self.connection.request_response(key).unwrap();
        self.flush();
        stream_id
    }

    /// Requests the metrics, and returns the answer.
    pub fn scrape(&mut self) -> Event {
        self.ask();
        self.next()
    }

    /// Requests the metrics, and opens them.
    pub fn scraped(&mut self) -> String {
        match self.scrape() {
            Event::Response { payload: Some(payload), .. } => opened(&payload),
            other => panic!("metrics were expected, not {other:?}"),
        }
    }

    /// Waits for a push that demands an acknowledgement.
    pub fn pushed(&mut self) -> (StreamId, String) {
        match self.next() {
            Event::RequestResponse { stream_id, payload } => (stream_id, opened(&payload)),
            other => panic!("a push was expected, not {other:?}"),
        }
    }
}

/// Opens metrics that were sealed under this proxy's key.
pub fn opened(payload: &Payload) -> String {
    let text =
        envelope::open(&*KEYS, payload.clone(), &OpenLimits::default(), [5; 32]).unwrap().text;
    String::from_utf8(text.to_vec()).unwrap()
}
