//! Connects the sans-IO machines of `prometheus-rsocket-protocol` to sockets and time: a small seam that any async runtime can
//! implement, and the one driver written against it.
//!
//! - [`Runtime`] is the seam: a clock and timers, `spawn`, `unblock`, `connect`, `bind`. Leaf crates implement it
//!   (`prometheus-rsocket-tokio`, `prometheus-rsocket-smol`, `prometheus-rsocket-sim`); nothing here knows which runtime it
//!   runs on. The behaviour required of every leaf is written once, as tests (feature `conformance`).
//! - [`drive`] runs one [`Machine`](prometheus_rsocket_protocol::Machine) over one stream until the connection is over. An
//!   [`Owner`] passes commands to the machine and takes its events.
//! - [`sleep_until`] and [`timeout`] work on any runtime.
//! - [`read_file`] reads a configuration file within bounds. [`Line`] and [`LogThrottle`] bound what a peer can do to a log.
//!   `logging` (feature `logging`) writes a program's log without ever blocking the program. `settings` (feature `settings`)
//!   reads TOML, and names the line of what is wrong.
//! - `HyperIo` and `HyperTimer` (feature `hyper`) let hyper serve and make requests over the same streams and timers.
//!
//! ```no_run
//! use prometheus_rsocket_protocol::Machine;
//! use prometheus_rsocket_runtime::{DriverConfig, Listener, Runtime, drive};
//! use std::{io, net::SocketAddr, time::Instant};
//!
//! /// Gives every connection on `addr` a machine of its own, made by `accept`.
//! async fn serve<R, M>(runtime: R, addr: SocketAddr, accept: fn(Instant) -> M) -> io::Result<()>
//! where
//!     R: Runtime,
//!     M: Machine + Send + 'static,
//! {
//!     let listener = runtime.bind(addr).await?;
//!     loop {
//!         let (stream, peer) = listener.accept().await?;
//!         let mut machine = accept(runtime.now());
//!         let connection = runtime.clone();
//!         runtime.spawn(async move {
//!             // This owner does nothing; a real one moves commands in and events out.
//!             let mut owner = |_: &mut std::task::Context<'_>, _: Instant, _: &mut M| {};
//!             let config = DriverConfig::default();
//!             match drive(&connection, stream, &mut machine, &mut owner, &config).await {
//!                 Ok(end) => println!("{peer}: {end:?}"),
//!                 Err(error) => println!("{peer}: {error}"),
//!             }
//!         });
//!     }
//! }
//! ```

#[cfg(feature = "conformance")]
pub mod conformance;
mod dial;
mod driver;
mod files;
#[cfg(feature = "hyper")]
mod hyper;
mod line;
#[cfg(feature = "logging")]
pub mod logging;
#[cfg(feature = "manual")]
pub mod manual;
mod scratch;
mod seam;
#[cfg(feature = "settings")]
pub mod settings;
#[cfg(test)]
mod testing;
mod throttle;
mod time;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "websocket")]
pub mod websocket;

pub use dial::dial;
pub use driver::{DriveEnd, DriverConfig, Owner, drive};
pub use files::{FileError, read_file, watch, watch_when, write_private};
#[cfg(feature = "hyper")]
pub use hyper::{HyperIo, HyperTimer};
pub use line::Line;
pub use seam::{JobLost, Listener, Runtime, Timer};
pub use throttle::LogThrottle;
pub use time::{Elapsed, sleep_until, timeout};
