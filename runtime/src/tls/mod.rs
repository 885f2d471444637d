//! TLS on any stream, by rustls: versions 1.2 and 1.3, with the cryptography of ring or, with the feature `aws-lc-rs`, of AWS-LC.
//!
//! The provider is handed to each configuration: none is installed as the default of the process, and one that is installed does not matter.
//!
//! [`ServerTls`] and [`ClientTls`] are made from PEM files, and can read them again while they are in use: what changed
//! counts for new connections, while each existing one keeps the configuration that it began with. [`watch`](crate::watch) does that
//! periodically. Nothing in here is bound to a runtime; files are read by blocking calls, for
//! [`Runtime::unblock`](crate::Runtime::unblock).
//!
//! ```no_run
//! use prometheus_rsocket_runtime::tls::{ClientAuth, MaybeTls, ServerTls, ServerTlsFiles};
//! use prometheus_rsocket_runtime::watch;
//! use prometheus_rsocket_runtime::{Listener, Runtime, timeout};
//! use std::{io, net::SocketAddr, time::Duration};
//!
//! async fn serve<R: Runtime>(runtime: R, addr: SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut files = ServerTlsFiles::new("server.pem", "server.key");
//!     files.client_auth = ClientAuth::Required { ca: "clients.pem".into() };
//!     let tls = runtime.unblock(|| ServerTls::load(files)).await??;
//!
//!     let watched = tls.clone();
//!     let every = Duration::from_secs(10);
//!     runtime.spawn(watch(runtime.clone(), move || watched.reload(), every, |outcome| {
//!         println!("certificates: {outcome:?}");
//!     }));
//!
//!     let listener = runtime.bind(addr).await?;
//!     loop {
//!         let (stream, peer) = listener.accept().await?;
//!         let (connection, tls) = (runtime.clone(), tls.clone());
//!         runtime.spawn(async move {
//!             let deadline = connection.now() + Duration::from_secs(10);
//!             match timeout(&connection, deadline, tls.accept(stream)).await {
//!                 Ok(Ok(stream)) => drop::<MaybeTls<R::Stream>>(stream),
//!                 Ok(Err(error)) => println!("{peer}: {error}"),
//!                 Err(elapsed) => println!("{peer}: {elapsed}"),
//!             }
//!         });
//!     }
//! }
//! ```
//!
//! # What a connection costs
//!
//! A handshake signs once and verifies at most a few signatures, between messages, on the event loop: about a
//! millisecond with an RSA key of 2048 bits, a tenth of that with ECDSA. That is common practice; who expects thousands
//! of connections at once takes an ECDSA key.
//!
//! An idle connection takes about 8 KiB, half of it to read into. One that is not idle takes at most a record of 16 KiB
//! more for reading, twice, as it came and in plain; and for writing at most 32 KiB, where the peer does not take it.
//! During a handshake, messages of the peer's may have 64 KiB.
//!
//! # Decisions
//!
//! - **No resumption of sessions.** Connections last, so it would save little; and a session that is resumed skips the
//!   checks of certificates, so that a reload would not reach whoever holds one.
//! - **No ALPN.** RSocket over TCP has no name for it, and where a server picks none, HTTP clients fall back to
//!   HTTP/1.1, which is what is spoken here.
//! - **Validity in time** is checked with the machine's clock, as certificates tell the date, and randomness is the provider's.
//! - **An expired certificate of one's own is loaded**: it may be this machine whose clock is wrong, and it is the peer
//!   who judges.

mod client;
mod error;
mod explain;
mod files;
mod live;
mod server;
mod stream;
#[cfg(test)]
mod tests;
mod wire;

use futures_rustls::rustls::crypto::CryptoProvider;
use std::sync::Arc;

/// The cryptography that this crate is built with.
fn provider() -> Result<Arc<CryptoProvider>, TlsError> {
    #[cfg(feature = "aws-lc-rs")]
    return Ok(Arc::new(futures_rustls::rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
    return Ok(Arc::new(futures_rustls::rustls::crypto::ring::default_provider()));
    #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
    Err(TlsError::NoProvider)
}

pub use client::{ClientTls, ClientTlsFiles};
pub use error::TlsError;
pub use server::{ClientAuth, ServerTls, ServerTlsFiles};
pub use stream::{MaybeTls, TlsStream};
