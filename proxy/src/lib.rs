//! The proxy between Prometheus and applications that may only open outgoing connections, as a program and as a library.
//!
//! [`Proxy`] is generic over the [`Runtime`](prometheus_rsocket_runtime::Runtime) that it runs on:
//!
//! ```
//! # #[cfg(feature = "tokio")] fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use prometheus_rsocket_proxy::{Proxy, config::Config, shutdown};
//! use prometheus_rsocket_tokio::Tokio;
//!
//! let args = ["proxy", "--listen-tcp=127.0.0.1:0", "--listen-websocket=off", "--listen-http=127.0.0.1:0"];
//! let config = Config::from_args(args, [])?;
//! Tokio::block_on(None, |runtime| async move {
//!     let proxy = Proxy::bind(runtime, config).await?;
//!     println!("applications connect to {:?}", proxy.tcp_address());
//!     let (trigger, shutdown) = shutdown::channel();
//!     trigger.trigger(); // Elsewhere: when the proxy is to stop.
//!     proxy.run(shutdown).await;
//!     Ok(())
//! })?
//! # }
//! # #[cfg(not(feature = "tokio"))] fn main() {}
//! ```
//!
//! ARCHITECTURE.md describes what happens inside: the sans-IO [`collector`](prometheus_rsocket_protocol::collector) behind the lock of a hub, one
//! task for each connection, as many workers as there are cores, and HTTP on hyper.

mod auth;
pub mod config;
mod current;
mod demo;
pub mod descriptors;
pub mod gzip;
pub mod http;
mod ingress;
mod observe;
mod proxy;
mod reload;
mod service;
pub mod shutdown;
pub mod status;
mod store;

pub use auth::AuthFileError;
pub use current::Current;
pub use ingress::StartError;
pub use observe::telemetry;
pub use proxy::{Proxy, Watch};
pub use reload::{ReloadPhase, Reloading};
pub use service::{Collisions, Tables};
pub use store::disk::{Disk, SharedDisk};
#[cfg(feature = "openssl")]
pub use store::openssl_key::OpenSslKeyPair;

// The examples of this document are compiled by the tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
mod embedding {}
