//! An echo server over blocking sockets, one thread a connection: `echo_std 127.0.0.1:7000`.
//!
//! A connection whose client asked for resumption outlives its transport: it waits in a table until the client comes back.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an IO loop has a clock and sockets"
)]

use bytes::BytesMut;
use prometheus_rsocket_protocol::Machine;
use prometheus_rsocket_protocol::rsocket::connection::{Config, Connection, Event, ResumeConfig};
use prometheus_rsocket_protocol::rsocket::framing;
use prometheus_rsocket_testkit::echo::Echo;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Connections that wait for their clients, by token; and who wants one waits for it.
type Suspended = Arc<(Mutex<BTreeMap<Vec<u8>, (Connection, Echo)>>, Condvar)>;

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    let suspended = Suspended::default();
    for stream in listener.incoming() {
        let (stream, suspended) = (stream?, Arc::clone(&suspended));
        thread::spawn(move || match serve(stream, &suspended) {
            Ok(()) => {}
            Err(error) => eprintln!("transport failed: {error}"),
        });
    }
    Ok(())
}

/// Runs one transport to its end: what comes goes in, what comes out is sent, and the clock is told.
fn serve(mut stream: TcpStream, suspended: &Suspended) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut config = Config::default();
    config.serve_leases = true;
    config.resume = Some(ResumeConfig::default());
    let mut connection = Connection::server(config, Instant::now());
    let mut echo = Echo::default();
    let mut token = Vec::new();
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    loop {
        // Also what was not wanted before, as too much waited.
        let before = input.len();
        connection.handle_input(Instant::now(), &mut input);
        while let Some(event) = connection.poll_event() {
            match &event {
                Event::SetupReceived { setup } => {
                    token = setup.resume_token.clone().unwrap_or_default().to_vec();
                }
                Event::ResumeReceived { request } => {
                    let known = claim(suspended, request.token());
                    token = request.token().to_vec();
                    match known {
                        Some((mut resumed, its_echo)) => {
                            match resumed.accept_resume(Instant::now(), request) {
                                Ok(()) => (connection, echo) = (resumed, its_echo),
                                Err(error) => {
                                    connection.reject_resume(Instant::now(), &error.to_string());
                                }
                            }
                        }
                        None => connection.reject_resume(Instant::now(), "unknown token"),
                    }
                }
                _ => {}
            }
            echo.handle(&mut connection, event, Instant::now());
        }
        while connection.poll_transmit(Instant::now(), &mut output) {
            if let Err(error) = stream.write_all(&output) {
                connection.handle_eof(Instant::now());
                if connection.is_suspended() {
                    break;
                }
                return Err(error);
            }
            output.clear();
            echo.send(&mut connection);
        }
        if connection.is_suspended() {
            suspended.0.lock().unwrap().insert(token, (connection, echo));
            suspended.1.notify_all();
            return Ok(());
        }
        if connection.is_closed() {
            return finish(stream);
        }
        if input.len() == before {
            wait(&mut stream, &mut connection, &mut input)?;
        }
    }
}

/// Takes the connection of a token. Its client may be here before its former thread has seen the end of the former transport.
fn claim(suspended: &Suspended, token: &[u8]) -> Option<(Connection, Echo)> {
    let (connections, came) = &**suspended;
    let is_missing = |connections: &mut BTreeMap<Vec<u8>, _>| !connections.contains_key(token);
    let second = Duration::from_secs(1);
    let waited = came.wait_timeout_while(connections.lock().unwrap(), second, is_missing);
    waited.unwrap().0.remove(token)
}

/// Waits for bytes, or until the connection's next timeout.
fn wait(
    stream: &mut TcpStream,
    connection: &mut Connection,
    input: &mut BytesMut,
) -> io::Result<()> {
    let timeout = connection.poll_timeout().map(|deadline| {
        deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
    });
    stream.set_read_timeout(timeout)?;
    let mut chunk = [0; 16 * 1024];
    match stream.read(&mut chunk) {
        Ok(0) => connection.handle_eof(Instant::now()),
        Ok(len) => framing::append(input, &chunk[..len]),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
        Err(error) if error.kind() == ErrorKind::Interrupted => {}
        Err(error) if connection.poll_timeout().is_none() => return Err(error),
        Err(_) => connection.handle_eof(Instant::now()),
    }
    let now = Instant::now();
    if connection.poll_timeout().is_some_and(|deadline| deadline <= now) {
        connection.handle_timeout(now);
    }
    Ok(())
}

/// Ends our direction and waits for the peer's end: to drop unread input would reset the connection, and the peer lose our
/// last frames.
fn finish(stream: TcpStream) -> io::Result<()> {
    stream.shutdown(std::net::Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    // The timeout is an end, too.
    let _ = io::copy(&mut stream.take(16 * 1024 * 1024), &mut io::sink());
    Ok(())
}
