//! The client of prometheus-rsocket-proxy. It connects an application that may only open outgoing connections to a proxy, answers the proxy's
//! scrapes, and pushes the application's metrics at its end or on request.
//!
//! ```no_run
//! # #[cfg(feature = "tokio")]
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = prometheus_rsocket_client::Client::builder("tcp://localhost:7001")?
//!         .label("application", "orders")
//!         .spawn(|| "orders_total 42\n".to_owned())?;
//!     // … the application's work; meanwhile the proxy can scrape it …
//!     // At its end, the last metrics are delivered.
//!     client.push_and_close().await?;
//!     Ok(())
//! }
//! # #[cfg(not(feature = "tokio"))] fn main() {}
//! ```
//!
//! The client keeps trying if the proxy cannot be reached, and never stops the application. [`Client::wait_ready`] waits for a connection.
//! [`Client::status`] and [`Client::status_changes`] return the state of the connection, and the proxy's reports about the metrics. [`ClientBuilder`]
//! has all settings, with the names that the Java client has for them.
//!
//! # Sources
//!
//! The metrics come from a [`Source`]: a closure that returns text, or one of the types that features add:
//!
//! | source | feature |
//! |---|---|
//! | a closure that returns `String` or `Result<String, E>`; in [`from_async`], one that returns a future | |
//! | a `Registry` of the crate `prometheus` 0.14, or its `default_registry()` | `prometheus` |
//! | a `Registry` of the crate `prometheus-client` 0.26, in an `Arc`, an `Arc<Mutex<_>>` or an `Arc<RwLock<_>>` | `prometheus-client` |
//! | what the macros of the crate `metrics` 0.24 record: `install_metrics_recorder()`, or a `PrometheusHandle` of `metrics-exporter-prometheus` 0.18 | `metrics` |
//! | [`Joined`], several of these in one, each with labels of its own | |
//!
//! Metrics of OpenTelemetry go through a registry of `prometheus`, into which `opentelemetry-prometheus` 0.33 writes them:
//!
//! ```
//! # #[cfg(feature = "prometheus")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use opentelemetry::metrics::MeterProvider;
//! use opentelemetry_sdk::metrics::SdkMeterProvider;
//!
//! let registry = prometheus::Registry::new();
//! let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build()?;
//! let provider = SdkMeterProvider::builder().with_reader(exporter).build();
//! provider.meter("shop").u64_counter("orders").build().add(1, &[]);
//!
//! fn a_source(_: impl prometheus_rsocket_client::Source) {}
//! a_source(registry);
//! # Ok(()) }
//! # #[cfg(not(feature = "prometheus"))] fn main() {}
//! ```
//!
//! A source is asked on a thread of the runtime that may block, because encoding takes time: for 10,000 series, some 2 ms with `prometheus-client`, 9
//! ms with `prometheus` and 10 ms with `metrics`, and [`Joined`] adds 6 to 9 ms (measured once, on one core of a virtual machine).
//!
//! # Examples
//!
//! Each example is a program that runs against a proxy at `tcp://localhost:7001`, or at the address in its first argument or in the variable `PROXY`.
//!
//! | example | what it shows |
//! |---|---|
//! | [`examples/axum_service.rs`](https://docs.rs/crate/prometheus-rsocket-client/latest/source/examples/axum_service.rs) | a web service on axum that counts its requests |
//! | [`examples/prometheus_registry.rs`](https://docs.rs/crate/prometheus-rsocket-client/latest/source/examples/prometheus_registry.rs) | a registry of `prometheus` |
//! | [`examples/prometheus_client_registry.rs`](https://docs.rs/crate/prometheus-rsocket-client/latest/source/examples/prometheus_client_registry.rs) | a registry of `prometheus-client`: OpenMetrics with units and exemplars |
//! | [`examples/metrics_facade.rs`](https://docs.rs/crate/prometheus-rsocket-client/latest/source/examples/metrics_facade.rs) | the macros of `metrics` |
//! | [`examples/opentelemetry.rs`](https://docs.rs/crate/prometheus-rsocket-client/latest/source/examples/opentelemetry.rs) | instruments of OpenTelemetry |
//! | [`examples/several_registries.rs`](https://docs.rs/crate/prometheus-rsocket-client/latest/source/examples/several_registries.rs) | registries of two crates and a closure, joined |
//! | [`examples/batch_job.rs`](https://docs.rs/crate/prometheus-rsocket-client/latest/source/examples/batch_job.rs) | a job that pushes at its end, also if it fails |
//! | [`examples/lambda_handler.rs`](https://docs.rs/crate/prometheus-rsocket-client/latest/source/examples/lambda_handler.rs) | a function that is frozen between its invocations |
//! | [`examples/cli_tool.rs`](https://docs.rs/crate/prometheus-rsocket-client/latest/source/examples/cli_tool.rs) | a tool for the command line that pushes what it did |
//! | [`examples/blocking.rs`](https://docs.rs/crate/prometheus-rsocket-client/latest/source/examples/blocking.rs) | a program without a runtime |
//! | [`examples/embedded_in_smol.rs`](https://docs.rs/crate/prometheus-rsocket-client/latest/source/examples/embedded_in_smol.rs) | a program on smol, which watches the state of its connection |
//!
//! # Features
//!
//! `tokio` (default) and `smol` are the runtimes that [`ClientBuilder::spawn`] knows; on any other, pass a [`Runtime`] of your own to
//! [`Client::new`]. `tls` and `websocket` (both default) are the transports besides TCP; `aws-lc-rs` in place of `tls` chooses other cryptography.
//! `blocking` adds calls for programs without a runtime. The client neither uses nor installs the default crypto provider of the process, so the
//! application may use rustls as it likes.
//!
//! # Batch jobs
//!
//! [`run_job`] runs a job and pushes its metrics however it ends, so that a failed job is visible, too:
//!
//! ```no_run
//! use prometheus_rsocket_client::{Client, run_job};
//!
//! # #[cfg(feature = "tokio")]
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = Client::builder("tcp://localhost:7001")?.spawn(|| "rows_total 42\n".to_owned())?;
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
//! A cloud function is frozen between its invocations, and ended without notice. It calls [`Client::push`] at the end of each invocation, and keeps
//! the client for the next one. If the connection has not survived the pause, the push goes over a new one:
//!
//! ```
//! use prometheus_rsocket_client::{Client, PushFailure};
//!
//! async fn handle(request: String, client: &Client) -> Result<String, PushFailure> {
//!     let answer = format!("Hello, {request}!");
//!     // Before the answer: nothing runs after it.
//!     client.push().await?;
//!     Ok(answer)
//! }
//! ```
//!
//! The proxy stores a push until it is scraped or has expired. The next push of the same application replaces it if it has all of its series.
//! Counters should therefore continue from the previous invocation, as they do if they live in the process.
//!
//! # Several proxies
//!
//! [`ClientBuilder::proxy`] adds proxies. The client is connected to the first one that can be reached; when that proxy refuses the client or goes
//! away, the next one takes over at once. After [`ClientBuilder::return_after`], 5 minutes by default, the client checks whether an earlier one can
//! be reached again, by opening a connection and closing it, and goes back between two scrapes. It pauses only after the whole list has failed.
//!
//! To be connected to all of them at once, start a client for each, with the same metrics. Then every proxy has the application, and asks it for its
//! metrics. A Prometheus that scrapes all of the proxies has every series once for each, told apart by the `instance` or `job` of its target; sums
//! and alerts count each of them. Each client must make the last push.
//!
//! A name with several addresses is one proxy. The client draws an address at random, so that many clients spread over them.
//!
//! # Telling applications apart
//!
//! [`ClientBuilder::label`] identifies the application. By default there is `instance` with the name of the machine. If several applications run on
//! one machine, or one moves between machines, add a label such as `application`.
//!
//! # Other programs
//!
//! The program `prometheus-rsocket-client` (package `prometheus-rsocket-relay`) does the same for any other program with a `/metrics` endpoint.

#[cfg(feature = "blocking")]
mod blocking;
mod builder;
mod client;
mod config;
mod duties;
mod filtered;
mod job;
mod lines;
mod own;
mod pins;
mod proxies;
mod run;
mod source;
mod status;
mod transport;
mod tunnel;
mod url;

pub use builder::{BuildError, ClientBuilder};
pub use client::{Client, WaitError};
pub use config::{Config, OnKey, hostname};
pub use filtered::Filtered;
pub use job::run_job;
#[cfg(feature = "metrics")]
pub use metrics_exporter_prometheus;
pub use pins::{PinFile, PinFileError};
pub use prometheus_rsocket_protocol::agent::{self, BackoffConfig, Pins, PushFailure, PushMode};
pub use prometheus_rsocket_protocol::envelope::{AesKeySize, Fingerprint, FingerprintError};
pub use prometheus_rsocket_protocol::exposition::filter::{
    Filter, FilterError, Pattern, PatternError,
};
pub use prometheus_rsocket_protocol::labels::{LabelError, Labels};
pub use prometheus_rsocket_protocol::report::{Report, ReportKind};
pub use prometheus_rsocket_protocol::token::{Token, TokenError};
pub use prometheus_rsocket_runtime::Runtime;
#[cfg(feature = "_tls")]
pub use prometheus_rsocket_runtime::tls::{ClientTls, ClientTlsFiles, TlsError};
#[cfg(feature = "smol")]
pub use prometheus_rsocket_smol::Smol;
#[cfg(feature = "tokio")]
pub use prometheus_rsocket_tokio::Tokio;
pub use proxies::Proxies;
pub use source::{FromAsync, IntoMetrics, JoinError, Joined, MetricsError, Source, from_async};
#[cfg(feature = "metrics")]
pub use source::{InstallRecorderError, install_metrics_recorder, install_metrics_recorder_from};
pub use status::{Status, StatusChanges};
pub use tunnel::{Environment, Route, Via, ViaError};
pub use url::{ProxyUrl, Scheme, UrlError};

// The examples of these documents are compiled by the tests.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../../README.md")]
mod readme {}
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../../docs/applications.md")]
mod applications {}

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
