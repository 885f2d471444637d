//! RSocket 1.0, and the protocol of prometheus-rsocket-proxy on top of it, as state machines without IO.
//!
//! Nothing in this crate opens a socket, reads a clock, starts a thread, awaits, or draws randomness. Bytes, times and seeds
//! are arguments; bytes, deadlines, events and jobs come out. So it runs on any runtime, or on none, and every run can be
//! repeated.
//!
//! | module | |
//! |---|---|
//! | [`rsocket`] | RSocket 1.0: frames, framing, [`Connection`] in either role, the metadata extensions |
//! | [`envelope`] | metrics, compressed and encrypted under the proxy's key |
//! | [`exposition`] | reads a metrics text, limits it, and renders it for a scraper |
//! | [`labels`], [`hello`], [`report`] | what an application says of itself when it connects, and what the proxy tells it later |
//! | [`agent`] | the application's side: answers scrapes, pushes, connects again |
//! | [`collector`] | the proxy's side: the registry of applications, scrapes, held pushes |
//!
//! All but [`rsocket`] are behind the feature `metrics`, which is on by default. Without it the crate is an RSocket library that
//! pulls in no cryptography.
//!
//! # The loop
//!
//! Every [`Machine`] is driven in the same way. Hand in what arrived, take out what there is, in any order, and come back at
//! the timeout. A server that answers each request with its own payload, on a socket that blocks:
//!
//! ```no_run
//! use bytes::BytesMut;
//! use prometheus_rsocket_protocol::rsocket::connection::{Config, Connection, Event};
//! use prometheus_rsocket_protocol::Machine;
//! use std::io::{ErrorKind, Read, Write};
//! use std::net::TcpListener;
//! use std::time::{Duration, Instant};
//!
//! # fn main() -> std::io::Result<()> {
//! let (mut stream, _) = TcpListener::bind("127.0.0.1:7878")?.accept()?;
//! let mut connection = Connection::server(Config::default(), Instant::now());
//! let (mut input, mut output, mut chunk) = (BytesMut::new(), BytesMut::new(), [0; 4096]);
//! while !connection.is_closed() {
//!     // What happened, and what we do about it.
//!     while let Some(event) = connection.poll_event() {
//!         if let Event::RequestResponse { stream_id, payload } = event {
//!             connection.respond(stream_id, payload).ok();
//!         }
//!     }
//!     // What is to be sent.
//!     while connection.poll_transmit(Instant::now(), &mut output) {}
//!     stream.write_all(&output)?;
//!     output.clear();
//!     // What arrives, or the time that passes.
//!     let pause = connection.poll_timeout().map(|at| at.saturating_duration_since(Instant::now()));
//!     stream.set_read_timeout(pause.map(|pause| pause.max(Duration::from_millis(1))))?;
//!     match stream.read(&mut chunk) {
//!         Ok(0) => connection.handle_eof(Instant::now()),
//!         Ok(len) => input.extend_from_slice(&chunk[..len]),
//!         Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
//!         Err(error) => return Err(error),
//!     }
//!     connection.handle_input(Instant::now(), &mut input);
//!     connection.handle_timeout(Instant::now());
//! }
//! # Ok(()) }
//! ```
//!
//! CPU-heavy steps are handed out as jobs ([`collector::Job`], [`agent::SealJob`]), to be run wherever they hold up nothing.
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
pub mod hello;
#[cfg(feature = "metrics")]
pub mod labels;
#[cfg(planted_faults)]
pub mod planted;
#[cfg(feature = "metrics")]
pub mod report;
pub mod rsocket;

#[cfg(feature = "metrics")]
pub use labels::Labels;
pub use rsocket::{Connection, Machine, Payload};
