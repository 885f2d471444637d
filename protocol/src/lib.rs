//! RSocket 1.0, and the protocol of prometheus-rsocket-proxy on top of it, as state machines without IO.
//!
//! Nothing in this crate opens a socket, reads a clock, starts a thread, awaits, or draws randomness. Bytes, times and seeds
//! are arguments; bytes, deadlines, events and jobs come out. So it runs on any runtime, or on none, and every run can be
//! repeated.
//!
//! | module | |
//! |---|---|
//! | [`rsocket`] | RSocket 1.0: frames, framing, [`Connection`] in either role, the metadata extensions |
//! | `envelope` | metrics, compressed and encrypted under the proxy's key |
//! | `exposition` | reads a metrics text, limits it, and renders it for a scraper |
//! | `labels`, `hello`, `report` | what an application says of itself when it connects, and what the proxy tells it later |
//! | `agent` | the application's side: answers scrapes, pushes, connects again |
//! | `collector` | the proxy's side: the registry of applications, scrapes, held pushes |
//!
//! All but [`rsocket`] are behind the feature `metrics`, which is on by default. Without it the crate is an RSocket library that
//! pulls in no cryptography.
//!
//! # The loop
//!
//! Every [`Machine`] is driven in the same way. Hand in what arrived, take out all that there is, and come back at the timeout.
//! A server that answers each request with its own payload, on a socket that blocks:
//!
//! ```
//! use bytes::{Buf, BytesMut};
//! use prometheus_rsocket_protocol::rsocket::connection::{Config, Connection, Event};
//! use prometheus_rsocket_protocol::rsocket::framing;
//! use prometheus_rsocket_protocol::Machine;
//! use std::io::{ErrorKind, Read, Write};
//! use std::net::TcpStream;
//! use std::time::{Duration, Instant};
//!
//! fn serve(mut stream: TcpStream, mut on_told: impl FnMut(&[u8])) -> std::io::Result<()> {
//!     let mut connection = Connection::server(Config::default(), Instant::now());
//!     let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
//!     let mut chunk = vec![0; 64 * 1024];
//!     loop {
//!         // Takes frames, as many as it has room for.
//!         let waiting = input.len();
//!         connection.handle_input(Instant::now(), &mut input);
//!         // What happened, and what we do about it. Also once it is closed: what came before that counts.
//!         while let Some(event) = connection.poll_event() {
//!             match event {
//!                 Event::RequestResponse { stream_id, payload } => {
//!                     // It fails if the stream is over by now, or too much waits to be sent.
//!                     let _ = connection.respond(stream_id, payload);
//!                 }
//!                 Event::FireAndForget { payload, .. } => on_told(&payload.data),
//!                 Event::Closed { reason } => println!("{reason}"),
//!                 _ => {}
//!             }
//!         }
//!         // What is to be sent.
//!         while connection.poll_transmit(Instant::now(), &mut output) {}
//!         while !output.is_empty() {
//!             let len = stream.write(&output)?;
//!             output.advance(len);
//!         }
//!         if connection.is_closed() {
//!             return stream.shutdown(std::net::Shutdown::Write);
//!         }
//!         // Frames may be left that it had no room for.
//!         if input.len() < waiting || !connection.wants_input() {
//!             continue;
//!         }
//!         // What arrives, or the time that passes.
//!         let pause = connection.poll_timeout().map(|at| at.saturating_duration_since(Instant::now()));
//!         stream.set_read_timeout(pause.map(|pause| pause.max(Duration::from_millis(1))))?;
//!         match stream.read(&mut chunk) {
//!             Ok(0) => connection.handle_eof(Instant::now()),
//!             Ok(len) => framing::append(&mut input, &chunk[..len]),
//!             Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
//!             Err(error) if error.kind() == ErrorKind::Interrupted => {}
//!             Err(error) => return Err(error),
//!         }
//!         connection.handle_timeout(Instant::now());
//!     }
//! }
//! #
//! # // SETUP, something told and the end, all in one segment; then nothing.
//! # use bytes::Bytes;
//! # use prometheus_rsocket_protocol::rsocket::frame::{Body, ErrorCode, Frame, Setup, StreamId};
//! # use prometheus_rsocket_protocol::Payload;
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let mut client = TcpStream::connect(listener.local_addr()?)?;
//! # let told = Body::RequestFnf { follows: false, payload: Payload::from_data("told") };
//! # let mut wire = BytesMut::new();
//! # for frame in [
//! #     Frame::on_connection(Body::Setup(Box::<Setup>::default())),
//! #     Frame::new(StreamId::new(1), told),
//! #     Frame::error(StreamId::CONNECTION, ErrorCode::CONNECTION_CLOSE, Bytes::new()),
//! # ] {
//! #     framing::encode_prefixed(&frame, &mut wire)?;
//! # }
//! # client.write_all(&wire)?;
//! # let mut heard = Vec::new();
//! # serve(listener.accept()?.0, |data| heard.push(data.to_vec()))?;
//! # assert_eq!(heard, [b"told"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The write may take a part of what it is given, and the rest waits. With sockets that do not block the loop is the same, but
//! that where `read` and `write` say `WouldBlock` it waits for the socket, to be readable only while the machine wants
//! input, and to be writable only while there is output, and no longer than until `poll_timeout`: `examples/echo_mio.rs`.
//!
//! CPU-heavy steps of the metrics half are handed out as jobs (`collector::Job`, `agent::SealJob`), to be run wherever they
//! hold up nothing.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable
    )
)]

#[cfg(feature = "metrics")]
pub mod agent;
#[cfg(feature = "metrics")]
pub mod collector;
#[cfg(feature = "metrics")]
pub mod envelope;
#[cfg(feature = "metrics")]
pub mod exposition;
#[cfg(feature = "metrics")]
pub mod fields;
#[cfg(feature = "metrics")]
pub mod hello;
#[cfg(feature = "metrics")]
pub mod labels;
#[cfg(planted_faults)]
pub mod planted;
#[cfg(feature = "metrics")]
pub mod report;
pub mod rsocket;
#[cfg(feature = "metrics")]
pub mod token;

#[cfg(feature = "metrics")]
pub use labels::Labels;
pub use rsocket::{Connection, Machine, Payload};
