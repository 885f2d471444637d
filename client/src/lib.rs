//! The client of prometheus-rsocket-proxy: connects an application that may only open outgoing connections to a proxy,
//! answers its scrapes, and pushes the last metrics before the application ends.
//!
//! The metrics come from a closure, as text in the Prometheus format 0.0.4; which library makes that text does not matter.
//!
//! ```
//! # #[cfg(feature = "tokio")] fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use prometheus_rsocket_client::{Client, Config};
//! use prometheus_rsocket_tokio::Tokio;
//! use std::time::Duration;
//!
//! let config = Config::new("tcp://localhost:7001".parse()?);
//! Tokio::block_on(None, |runtime| async move {
//!     let metrics = || async { Ok("jobs_done_total 42\n".to_owned()) };
//!     let (client, running) = Client::new(runtime.clone(), config, metrics);
//!     // The client runs as one future; spawn it wherever futures run.
//!     prometheus_rsocket_runtime::Runtime::spawn(&runtime, running);
//!
//!     // Wait until the proxy can scrape us, but do not depend on it.
//!     if client.connect(Duration::from_millis(10)).await.is_err() {
//!         eprintln!("no proxy yet; the client goes on trying");
//!     }
//!     // … the application's work …
//!     // At its end, `client.push_and_close().await` delivers the last metrics. Without a proxy:
//!     client.close().await;
//! })?;
//! # Ok(()) }
//! # #[cfg(not(feature = "tokio"))] fn main() {}
//! ```
//!
//! A closure that has its metrics at hand becomes one that gives a future by [`from_fn`]; on tokio, `Client::spawn` makes and runs a
//! client in one step. [`Client::status`] tells how it stands.
//!
//! The program `prometheus-rsocket-client` does the same for any other program with a `/metrics` endpoint.

mod client;
mod run;
mod transport;
mod url;

pub use client::{Client, Closed, Config, ConnectError, MetricsError, Status, from_fn};
pub use prometheus_rsocket_protocol::agent::{BackoffConfig, PushFailure, PushMode};
pub use prometheus_rsocket_protocol::envelope::AesKeySize;
pub use prometheus_rsocket_runtime::tls::{ClientTls, ClientTlsFiles, TlsError};
pub use url::{ProxyUrl, Scheme, UrlError};

#[cfg(test)]
#[path = "."]
mod on_smol {
    use prometheus_rsocket_smol::Smol as Leaf;

    mod tests;
}

#[cfg(test)]
#[path = "."]
mod on_tokio {
    use prometheus_rsocket_tokio::Tokio as Leaf;

    #[expect(clippy::duplicate_mod, reason = "each case is compiled for each runtime")]
    mod tests;
}
