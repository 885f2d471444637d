//! The client of prometheus-rsocket-proxy: connects an application that may only open outgoing connections to a proxy,
//! answers its scrapes, and pushes the last metrics before the application ends.
//!
//! The metrics come from a closure, as text in the Prometheus format 0.0.4; which library makes that text does not matter.
//!
//! ```no_run
//! use prometheus_rsocket_client::{Client, Config, from_fn};
//! use std::time::Duration;
//!
//! # #[cfg(feature = "tokio")]
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let config = Config::new("tcp://localhost:7001".parse()?);
//!     let metrics = from_fn(|| Ok::<_, std::fmt::Error>("jobs_done_total 42\n".to_owned()));
//!     let client = Client::spawn(config, metrics);
//!
//!     // Wait until the proxy can scrape us, but do not depend on it.
//!     if client.connect(Duration::from_secs(1)).await.is_err() {
//!         eprintln!("no proxy yet; the client goes on trying");
//!     }
//!     // … the application's work …
//!     // At its end, the last metrics are delivered.
//!     client.push_and_close().await?;
//!     Ok(())
//! }
//! # #[cfg(not(feature = "tokio"))] fn main() {}
//! ```
//!
//! On other runtimes, [`Client::new`] returns the client and the one future that it runs as, to be spawned wherever futures run:
//!
//! ```
//! # #[cfg(feature = "tokio")] fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use prometheus_rsocket_client::{Client, Config, Runtime, Tokio};
//!
//! let config = Config::new("tcp://localhost:7001".parse()?);
//! Tokio::block_on(None, |runtime| async move {
//!     let metrics = || async { Ok("jobs_done_total 42\n".to_owned()) };
//!     let (client, running) = Client::new(runtime.clone(), config, metrics);
//!     runtime.spawn(running);
//!     client.close().await;
//! })?;
//! # Ok(()) }
//! # #[cfg(not(feature = "tokio"))] fn main() {}
//! ```
//!
//! # Telling applications apart
//!
//! [`Config::labels`] say which application this is. By default that is `instance` with the name of the machine. Where several run on one
//! machine, or one at a time on several, say more: an `application`, say.
//!
//! # TLS
//!
//! The feature `ring`, which is on by default, or `aws-lc-rs` chooses the cryptography. A default provider of the process is neither used
//! nor installed, so the application may use rustls as it likes.
//!
//! A closure that has its metrics at hand becomes one that returns a future by [`from_fn`]. [`Client::status`] tells how it stands, and
//! what the proxy has to say about the metrics.
//!
//! The program `prometheus-rsocket-client` (package `prometheus-rsocket-relay`) does the same for any other program with a `/metrics` endpoint.

mod client;
mod job;
mod proxies;
mod run;
mod transport;
mod url;

pub use client::{Client, Closed, Config, ConnectError, MetricsError, Status, from_fn, hostname};
pub use job::run_job;
pub use prometheus_rsocket_protocol::agent::{self, BackoffConfig, PushFailure, PushMode};
pub use prometheus_rsocket_protocol::envelope::AesKeySize;
pub use prometheus_rsocket_protocol::labels::{LabelError, Labels};
pub use prometheus_rsocket_protocol::report::{Report, ReportKind};
pub use prometheus_rsocket_runtime::Runtime;
pub use prometheus_rsocket_runtime::tls::{ClientTls, ClientTlsFiles, TlsError};
#[cfg(feature = "smol")]
pub use prometheus_rsocket_smol::Smol;
#[cfg(feature = "tokio")]
pub use prometheus_rsocket_tokio::Tokio;
pub use proxies::Proxies;
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
