//! TLS on any stream, by rustls: versions 1.2 and 1.3, with the cryptography of ring or, with the feature `aws-lc-rs`, of AWS-LC.
//!
//! Each configuration gets its own provider: none is installed as the process default, and an installed one is ignored.
//!
//! [`ServerTls`] and [`ClientTls`] are made from PEM files, and can read them again while in use: new connections use the new
//! contents, and existing ones keep the configuration that they began with. [`watch`](crate::watch) does that periodically.
//! Nothing here depends on a runtime; files are read by blocking calls, for [`Runtime::unblock`](crate::Runtime::unblock).
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
//! A handshake signs once and verifies at most a few signatures, between messages, on the event loop: about a millisecond with an RSA key of 2048
//! bits, a tenth of that with ECDSA. That is common practice; for thousands of connections at once, use an ECDSA key.
//!
//! An idle connection takes about 8 KiB, half of it for reading. A busy one takes up to two records of 16 KiB more for reading,
//! one encrypted and one decrypted, and up to 32 KiB for writing while the peer does not read. During a handshake, the peer's
//! messages may take 64 KiB.
//!
//! # Decisions
//!
//! - **No session resumption.** Connections last, so it would save little. A resumed session also skips the checks of
//!   certificates, so a reload would not reach a peer that holds one.
//! - **No ALPN.** RSocket over TCP has no name for it. If a server picks none, HTTP clients fall back to HTTP/1.1, which is
//!   what is spoken here.
//! - **Validity periods** are checked against the machine's clock, because certificates contain dates. Randomness is the provider's.
//! - **An expired certificate of our own is loaded**: this machine's clock may be wrong, and it is up to the peer to judge.

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

/// The cryptography that this crate was built with.
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
