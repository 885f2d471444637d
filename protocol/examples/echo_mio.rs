//! An echo server in one thread, all connections over mio: `echo_mio 127.0.0.1:7000`.

#![expect(clippy::disallowed_methods, reason = "an IO loop has a clock")]

use bytes::{Buf, BytesMut};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use prometheus_rsocket_protocol::Machine;
use prometheus_rsocket_protocol::rsocket::connection::{Config, Connection};
use prometheus_rsocket_protocol::rsocket::framing;
use prometheus_rsocket_testkit::echo::Echo;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

/// A connection with its socket, and the bytes between them.
struct Peer {
    stream: TcpStream,
    connection: Connection,
    echo: Echo,
    input: BytesMut,
    output: BytesMut,
    readable: bool,
    eof: bool,
    /// When to give up waiting for the peer's end.
    linger: Option<Instant>,
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let address = address.parse().map_err(io::Error::other)?;
    let mut listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(256);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut peers: BTreeMap<Token, Peer> = BTreeMap::new();
    let mut next_token = LISTENER.0 + 1;
    loop {
        let deadline = peers.values().filter_map(Peer::deadline).min();
        let timeout = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match poll.poll(&mut events, timeout) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    let token = Token(next_token);
                    next_token += 1;
                    poll.registry().register(&mut stream, token, BOTH)?;
                    peers.insert(token, Peer::new(stream));
                }
            } else if let Some(peer) = peers.get_mut(&event.token()) {
                peer.readable |= event.is_readable() || event.is_read_closed();
            }
        }
        // All of them, as timeouts may be due where nothing happened.
        peers.retain(|_, peer| peer.run().unwrap_or(false));
    }
}

impl Peer {
    fn new(stream: TcpStream) -> Self {
        let mut config = Config::default();
        config.serve_leases = true;
        Self {
            stream,
            connection: Connection::server(config, Instant::now()),
            echo: Echo::default(),
            input: BytesMut::new(),
            output: BytesMut::new(),
            readable: false,
            eof: false,
            linger: None,
        }
    }

    /// Moves bytes until the socket gives and takes no more; says whether the connection goes on.
    fn run(&mut self) -> io::Result<bool> {
        let now = Instant::now();
        if self.connection.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.connection.handle_timeout(now);
        }
        while self.step(now)? {}
        if !self.connection.is_closed() || !self.output.is_empty() {
            return Ok(true);
        }
        // To drop unread input would reset the connection, and the peer lose our last frames.
        if self.linger.is_none() {
            self.linger = Some(now + Duration::from_secs(2));
            let _ = self.stream.shutdown(std::net::Shutdown::Write);
        }
        Ok(!self.eof && self.linger > Some(now))
    }

    fn deadline(&self) -> Option<Instant> {
        self.connection.poll_timeout().or(self.linger)
    }

    /// One read, what follows from it, and one write; says whether there was any.
    fn step(&mut self, now: Instant) -> io::Result<bool> {
        let mut progress = false;
        if self.readable && (self.connection.wants_input() || self.connection.is_closed()) {
            progress |= self.read(now)?;
        }
        let before = self.input.len();
        self.connection.handle_input(now, &mut self.input);
        progress |= self.input.len() != before;
        while let Some(event) = self.connection.poll_event() {
            self.echo.handle(&mut self.connection, event, now);
        }
        while self.output.len() < MUCH && self.connection.poll_transmit(now, &mut self.output) {
            self.echo.send(&mut self.connection);
        }
        let before_write = self.output.len();
        if !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(len) => self.output.advance(len),
                // mio tells when there is room again.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(progress || self.output.len() < before_write)
    }

    fn read(&mut self, now: Instant) -> io::Result<bool> {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => {
                (self.eof, self.readable) = (true, false);
                self.connection.handle_eof(now);
            }
            Ok(_) if self.connection.is_closed() => {}
            Ok(len) => framing::append(&mut self.input, &chunk[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
            Err(error) => return Err(error),
        }
        Ok(self.readable)
    }
}

const LISTENER: Token = Token(0);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);
/// Bytes taken from a connection before its socket has to take some.
const MUCH: usize = 64 * 1024;
