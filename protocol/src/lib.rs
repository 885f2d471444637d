//! RSocket 1.0, and the protocol of prometheus-rsocket-proxy on top of it, as state machines without IO.
//!
//! Nothing in this crate opens a socket, reads a clock, starts a thread, awaits, or draws randomness. The caller passes in
//! bytes, times and seeds, and takes out bytes, deadlines, events and jobs. So the crate runs on any runtime, or on none, and
//! every run can be repeated.
//!
//! | module | |
//! |---|---|
//! | [`rsocket`] | RSocket 1.0: frames, framing, [`Connection`] in either role, the metadata extensions |
//! | `envelope` | metrics, compressed and encrypted under the proxy's key |
//! | `exposition` | reads a metrics text, applies limits to it, and renders it for a scraper |
//! | `labels`, `hello`, `fields`, `token` | what an application declares in SETUP: identity, capabilities, credentials |
//! | `report` | what the proxy reports to a connected application about its metrics |
//! | `agent` | the application's side: answers scrapes, pushes, reconnects |
//! | `collector` | the proxy's side: the registry of applications, scrapes, held pushes |
//!
//! All modules but [`rsocket`] require the feature `metrics`, which is on by default. Without it the crate is an RSocket
//! library without any cryptography.
//!
//! # The loop
//!
//! Every [`Machine`] is driven by the same loop: pass in the bytes that arrived, take out all events and output, and wait until
//! the next timeout at most. The following server echoes the payload of each request, over a blocking socket:
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
//!         // Takes as many whole frames as it has room for.
//!         let waiting = input.len();
//!         connection.handle_input(Instant::now(), &mut input);
//!         // Events from before the close are still delivered once the connection is closed.
//!         while let Some(event) = connection.poll_event() {
//!             match event {
//!                 Event::RequestResponse { stream_id, payload } => {
//!                     // Fails if the stream is over by now, or if too much output is queued.
//!                     let _ = connection.respond(stream_id, payload);
//!                 }
//!                 Event::FireAndForget { payload, .. } => on_told(&payload.data),
//!                 Event::Closed { reason } => println!("{reason}"),
//!                 _ => {}
//!             }
//!         }
//!         // Sends everything that is queued.
//!         while connection.poll_transmit(Instant::now(), &mut output) {}
//!         while !output.is_empty() {
//!             let len = stream.write(&output)?;
//!             output.advance(len);
//!         }
//!         if connection.is_closed() {
//!             return stream.shutdown(std::net::Shutdown::Write);
//!         }
//!         // Frames may be left over that the connection had no room for.
//!         if input.len() < waiting || !connection.wants_input() {
//!             continue;
//!         }
//!         // Waits for input until the next timeout.
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
//! # // SETUP, REQUEST_FNF and ERROR in one segment, then nothing.
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
//! A write may be partial; the rest stays in `output`. The loop for non-blocking sockets is the same, except that it waits for
//! readiness when `read` or `write` returns `WouldBlock`: for readability only while the machine wants input, for writability
//! only while there is output, and never beyond `poll_timeout`. See `examples/echo_mio.rs`.
//!
//! The metrics half hands out CPU-heavy work as jobs (`collector::Job`, `agent::SealJob`). The caller runs them where they
//! block nothing else.
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
