//! A runtime whose clock and network are simulated from a seed: a leaf like any other, on one thread, without sockets.
//!
//! A [`Sim`] is a small world. Its [hosts](Sim::host) are [`Runtime`](prometheus_rsocket_runtime::Runtime)s. Spawned futures
//! run until none is woken, and then the clock jumps to the next event. Nothing else moves the clock, so a simulated hour takes
//! only as long as its events.
//!
//! Everything that varies comes from the seed: which of several woken tasks runs first, how long bytes travel, in what pieces
//! they are read and written, how long a job takes, and the randomness that is handed out. The same program with the same seed
//! repeats the same steps; [`Sim::digest`] distinguishes runs, and [`Sim::log_to`] shows one.
//!
//! Network faults are injected from outside: [`Sim::strike`] resets, stalls, or silently cuts the connections of a host,
//! [`Sim::pause`] suspends a host like a stopped process, and [`Sim::crash`] ends it.
//!
//! ```
//! use futures_lite::{AsyncReadExt, AsyncWriteExt};
//! use prometheus_rsocket_runtime::{Listener, Runtime};
//! use prometheus_rsocket_sim::Sim;
//!
//! let sim = Sim::new(7);
//! let (server, client) = (sim.host("server"), sim.host("client"));
//! let answer = sim.block_on(async move {
//!     let listener = server.bind(([0, 0, 0, 0], 80).into()).await?;
//!     server.spawn(async move {
//!         let (mut stream, _) = listener.accept().await.unwrap();
//!         stream.write_all(b"hello").await.unwrap();
//!         stream.close().await.unwrap();
//!     });
//!     let mut answer = String::new();
//!     client.connect("server", 80).await?.read_to_string(&mut answer).await?;
//!     std::io::Result::Ok(answer)
//! });
//! assert_eq!(answer?, "hello");
//! # std::io::Result::Ok(())
//! ```

mod agenda;
mod balancer;
#[cfg(test)]
mod conformance;
mod connection;
mod executor;
mod host;
mod log;
mod net;
mod state;
#[cfg(test)]
mod tests;
mod world;

pub use balancer::Balance;
pub use connection::LinkConfig;
pub use host::{SimHost, SimTimer};
pub use net::{SimListener, SimStream};
pub use world::{Sim, Strike};
