//! The client of prometheus-rsocket-proxy: connects an application that may only open outgoing connections to a proxy,
//! answers its scrapes, and pushes its metrics when it ends, or when it asks for that.
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
//! # Batch jobs
//!
//! [`run_job`] runs a job and pushes its metrics at the end, whatever way it ends, so that a failed job is seen as well:
//!
//! ```no_run
//! use prometheus_rsocket_client::{Client, Config, MetricsError, from_fn, run_job};
//!
//! # #[cfg(feature = "tokio")]
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let config = Config::new("tcp://localhost:7001".parse()?);
//!     let client = Client::spawn(config, from_fn(|| Ok::<_, MetricsError>("rows_total 42\n".to_owned())));
//!     let job = async {
//!         // … the application's work …
//!         Ok::<_, std::io::Error>(42)
//!     };
//!     let (rows, pushed) = run_job(client, job).await;
//!     if let Err(error) = pushed {
//!         eprintln!("the last metrics are lost: {error}");
//!     }
//!     println!("{} rows", rows?);
//!     Ok(())
//! }
//! # #[cfg(not(feature = "tokio"))] fn main() {}
//! ```
//!
//! # Functions that are frozen
//!
//! A function in the cloud is frozen between its invocations, and ended without notice. It pushes at the end of each invocation, by
//! [`Client::push`], and keeps the client for the next. If the connection has not outlived the pause, the push goes over a new one:
//!
//! ```no_run
//! # #[cfg(feature = "tokio")]
//! # mod function {
//! use prometheus_rsocket_client::{Client, PushFailure, Tokio};
//!
//! async fn handle(request: String, client: &Client<Tokio>) -> Result<String, PushFailure> {
//!     let answer = format!("Hello, {request}!");
//!     // Before the answer: nothing runs after it.
//!     client.push().await?;
//!     Ok(answer)
//! }
//! # }
//! # fn main() {}
//! ```
//!
//! A push is stored by the proxy until it is scraped. The next push of the same application replaces it, so its metrics should count on from
//! those before, as they do where they live in the process.
//!
//! # Several proxies
//!
//! [`Config::proxies`] is a list. The client is connected to the first that can be reached; when that proxy refuses the client or goes away, the
//! next takes over at once. [`agent::Config::return_after`] later, 5 minutes by default, the client looks whether an earlier one can be
//! reached again, by opening a connection and closing it, and goes back between two scrapes. There is a pause only after the whole list has
//! failed.
//!
//! ```
//! # fn main() -> Result<(), prometheus_rsocket_client::UrlError> {
//! use prometheus_rsocket_client::Config;
//!
//! let mut config = Config::new("tls://proxy-1.example.org".parse()?);
//! config.proxies.push("tls://proxy-2.example.org".parse()?);
//! # Ok(()) }
//! ```
//!
//! To be connected to all of them at once, start a client for each, with the same metrics:
//!
//! ```no_run
//! # #[cfg(feature = "tokio")]
//! # fn start(proxies: Vec<prometheus_rsocket_client::ProxyUrl>) {
//! use prometheus_rsocket_client::{Client, Config, MetricsError, Tokio, from_fn};
//!
//! fn metrics() -> Result<String, MetricsError> {
//!     Ok("jobs_done_total 42\n".to_owned())
//! }
//!
//! let clients: Vec<Client<Tokio>> =
//!     proxies.into_iter().map(|proxy| Client::spawn(Config::new(proxy), from_fn(metrics))).collect();
//! # }
//! # fn main() {}
//! ```
//!
//! Then each proxy has the application, and asks it for its metrics. A Prometheus that scrapes all of the proxies has every series once for
//! each, told apart by the `instance` or `job` of its target; sums and alerts count each of them. The last push has to be made by each client.
//!
//! A name that has several addresses is one proxy. The client draws the address to connect to, so that many clients spread over them.
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
mod lines;
mod pins;
mod proxies;
mod run;
mod shared;
mod transport;
mod url;

pub use client::{Client, Closed, Config, ConnectError, MetricsError, Status, from_fn, hostname};
pub use job::run_job;
pub use pins::{PinFile, PinFileError};
pub use prometheus_rsocket_protocol::agent::{self, BackoffConfig, Pins, PushFailure, PushMode};
pub use prometheus_rsocket_protocol::envelope::{AesKeySize, Fingerprint, FingerprintError};
pub use prometheus_rsocket_protocol::labels::{LabelError, Labels};
pub use prometheus_rsocket_protocol::report::{Report, ReportKind};
pub use prometheus_rsocket_protocol::token::{Token, TokenError};
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
