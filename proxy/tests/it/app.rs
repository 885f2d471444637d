use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::envelope::v2::Offer;
use prometheus_rsocket_protocol::envelope::{self, AesKeySize, PeerKey};
use prometheus_rsocket_protocol::hello::Hello;
use prometheus_rsocket_protocol::rsocket::connection::{CloseReason, Config, Connection, Event};
use prometheus_rsocket_protocol::rsocket::frame::{ErrorCode, Setup, StreamId};
use prometheus_rsocket_protocol::rsocket::metadata::MimeId;
use prometheus_rsocket_protocol::token::Token;
use prometheus_rsocket_protocol::{Labels, Machine, Payload};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// An application on a blocking socket: the client's half of a connection, and the key that the proxy sent.
pub(crate) struct App {
    stream: TcpStream,
    connection: Connection,
    input: BytesMut,
    pub(crate) key: Bytes,
    /// What came with the key.
    pub(crate) offer: Option<Offer>,
}

impl App {
    /// Connects, and waits for the key.
    pub(crate) fn connect(proxy: SocketAddr) -> Self {
        Self::connect_with(proxy, Setup::default())
    }

    /// Connects as an application that says its identity, and reads reports.
    pub(crate) fn connect_as(proxy: SocketAddr, labels: &[(&str, &str)]) -> Self {
        Self::connect_with(proxy, Self::setup(labels, None))
    }

    pub(crate) fn connect_with(proxy: SocketAddr, setup: Setup) -> Self {
        Self::connect_on(TcpStream::connect(proxy).unwrap(), setup)
    }

    /// The SETUP of an application that says labels and shows a token.
    pub(crate) fn setup(labels: &[(&str, &str)], token: Option<&str>) -> Setup {
        let hello = Hello::new(Labels::new(labels.iter().copied()).unwrap(), "test/1").encode();
        Self::setup_of(match token {
            Some(token) => Token::new(token).unwrap().append_to(&hello),
            None => hello,
        })
    }

    /// The SETUP of an application that seals in version 2 of the envelope.
    pub(crate) fn setup_v2() -> Setup {
        let mut hello = Hello::default();
        hello.seals_v2 = true;
        Self::setup_of(hello.encode())
    }

    fn setup_of(metadata: Bytes) -> Setup {
        let mime = MimeId::COMPOSITE_METADATA.name().unwrap();
        Setup {
            metadata_mime: Bytes::from_static(mime.as_bytes()),
            payload: Payload::new(metadata, Bytes::new()),
            ..Setup::default()
        }
    }

    /// Connects an application that is turned away, and returns what it is told.
    pub(crate) fn refused(proxy: SocketAddr, setup: Setup) -> (ErrorCode, String) {
        match Self::begin(TcpStream::connect(proxy).unwrap(), setup).next() {
            Event::Closed { reason: CloseReason::PeerError { code, message } } => (code, message),
            other => panic!("it was not turned away, but {other:?}"),
        }
    }

    /// Sends SETUP, and waits for nothing.
    pub(crate) fn begin(stream: TcpStream, setup: Setup) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let connection = Connection::client(Config::default(), setup, Instant::now()).unwrap();
        let mut app =
            Self { stream, connection, input: BytesMut::new(), key: Bytes::new(), offer: None };
        app.flush();
        app
    }

    /// Sets up a connection that is open.
    pub(crate) fn connect_on(stream: TcpStream, setup: Setup) -> Self {
        let mut app = Self::begin(stream, setup);
        match app.next() {
            Event::FireAndForget { payload, .. } => {
                app.key = payload.data;
                app.offer = payload.metadata.and_then(|metadata| Offer::decode(metadata).unwrap());
            }
            other => panic!("the key comes first, not {other:?}"),
        }
        app
    }

    /// Sends what waits, and reads until something happens.
    pub(crate) fn next(&mut self) -> Event {
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

    /// Waits until it is asked for its metrics.
    pub(crate) fn asked(&mut self) -> StreamId {
        match self.next() {
            Event::RequestResponse { stream_id, payload } => {
                assert_eq!(
                    payload,
                    Payload::from_data(self.key.clone()),
                    "each scrape brings the key"
                );
                stream_id
            }
            other => panic!("a scrape was expected, not {other:?}"),
        }
    }

    /// Waits until it is asked for its metrics, and answers.
    pub(crate) fn answer(&mut self, payload: Payload) {
        let stream_id = self.asked();
        self.connection.respond(stream_id, payload).unwrap();
        self.flush();
    }

    /// Answers the next request, past reports that come first.
    pub(crate) fn answer_text_between_reports(&mut self, text: &str) {
        let stream_id = loop {
            match self.next() {
                Event::RequestResponse { stream_id, .. } => break stream_id,
                Event::MetadataPush { .. } => {}
                other => panic!("a scrape was expected, not {other:?}"),
            }
        };
        let payload = self.sealed(text.as_bytes());
        self.connection.respond(stream_id, payload).unwrap();
        self.flush();
    }

    pub(crate) fn answer_text(&mut self, text: &str) {
        self.answer(self.sealed(text.as_bytes()));
    }

    /// Answers every request with the same text, until the connection ends.
    pub(crate) fn serve(mut self, text: &str) {
        loop {
            match self.next() {
                Event::RequestResponse { stream_id, .. } => {
                    let payload = self.sealed(text.as_bytes());
                    // The scrape may have been given up meanwhile.
                    let _ = self.connection.respond(stream_id, payload);
                    self.flush();
                }
                Event::Closed { .. } => return,
                _ => {}
            }
        }
    }

    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    pub(crate) fn sealed(&self, text: &[u8]) -> Payload {
        let key = PeerKey::parse(&self.key).unwrap();
        // As with a real one, no two are the same.
        static SEALED: AtomicU64 = AtomicU64::new(0);
        let mut seed = [9; 32];
        seed[..8].copy_from_slice(&SEALED.fetch_add(1, Ordering::Relaxed).to_ne_bytes());
        envelope::seal(&key, text, AesKeySize::Aes128, seed).unwrap()
    }

    pub(crate) fn flush(&mut self) {
        let output = self.take_output();
        self.stream.write_all(&output).unwrap();
    }

    /// What waits to be sent.
    pub(crate) fn take_output(&mut self) -> BytesMut {
        let mut output = BytesMut::new();
        while self.connection.poll_transmit(Instant::now(), &mut output) {}
        output
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }
}
