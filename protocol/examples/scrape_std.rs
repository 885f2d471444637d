//! The proxy's side of one scrape over blocking sockets: `scrape_std 127.0.0.1:7001` waits for an application, sends it the
//! proxy's key, asks for its metrics, and prints them.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an IO loop has a clock and sockets"
)]

use bytes::BytesMut;
use prometheus_rsocket_protocol::envelope::{KeyUnwrap, OpenLimits, RsaKeyPair, open};
use prometheus_rsocket_protocol::rsocket::connection::{Config, Connection, Event};
use prometheus_rsocket_protocol::rsocket::frame::ErrorCode;
use prometheus_rsocket_protocol::rsocket::framing;
use prometheus_rsocket_protocol::{Machine, Payload};
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    let keys = RsaKeyPair::generate(2048, random()?)?;
    let (stream, _) = listener.accept()?;
    let sealed = scrape(stream, &keys)?;
    let opened = open(&keys, sealed, &OpenLimits::default(), random()?)?;
    print!("{}", String::from_utf8_lossy(&opened.text));
    Ok(())
}

/// Talks to one application until it has answered.
fn scrape(mut stream: TcpStream, keys: &RsaKeyPair) -> Result<Payload, Box<dyn Error>> {
    let mut connection = Connection::server(Config::default(), Instant::now());
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    let mut answer = None;
    loop {
        connection.handle_input(Instant::now(), &mut input);
        while let Some(event) = connection.poll_event() {
            match event {
                Event::SetupReceived { .. } => {
                    // Applications want the key first, and again with each question.
                    let key = Payload::from_data(keys.public_key());
                    connection.fire_and_forget(key.clone())?;
                    connection.request_response(key)?;
                }
                Event::Response { payload, .. } => {
                    answer = payload;
                    connection.close(Instant::now(), ErrorCode::CONNECTION_ERROR, "done");
                }
                Event::RequestFailed { error, .. } => return Err(error.to_string().into()),
                Event::Closed { reason } => {
                    stream.write_all(&output)?;
                    return answer.ok_or_else(|| reason.to_string().into());
                }
                other => eprintln!("not of interest here: {other:?}"),
            }
        }
        while connection.poll_transmit(Instant::now(), &mut output) {}
        stream.write_all(&output)?;
        output.clear();
        if !connection.is_closed() {
            wait(&mut stream, &mut connection, &mut input)?;
        }
    }
}

/// Reads what there is, or lets time pass until the connection's next timeout.
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
        Err(error)
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
        {
            connection.handle_timeout(Instant::now());
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Secret and fresh.
fn random() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}
