//! Blocking calls for programs without a runtime. The client has a thread of its own.

use crate::builder::{BuildError, ClientBuilder};
use crate::client::{Client, WaitError};
use crate::config::Config;
use crate::source::Source;
use futures_lite::future::block_on;
use prometheus_rsocket_protocol::agent::PushFailure;
use std::io;
use std::thread;
use std::time::Duration;

#[cfg(all(feature = "smol", not(feature = "tokio")))]
use prometheus_rsocket_smol::Smol as Leaf;
#[cfg(feature = "tokio")]
use prometheus_rsocket_tokio::Tokio as Leaf;

#[cfg(not(any(feature = "smol", feature = "tokio")))]
compile_error!("the feature `blocking` needs a runtime: enable `tokio` or `smol` as well");

impl ClientBuilder {
    /// Starts the client on a thread of its own, and waits at most `within` until the proxy can scrape it. The client goes on in any case: see
    /// [`Client::is_ready`]. The thread ends with the client, and does not delay the exit of the process.
    ///
    /// # Errors
    ///
    /// A setting or a file is invalid, or the system cannot start a thread.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use prometheus_rsocket_client::Client;
    /// use std::time::Duration;
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let client = Client::builder("tcp://localhost:7001")?
    ///         .connect_blocking(|| "rows_total 42\n".to_owned(), Duration::from_secs(1))?;
    ///     // … the program's work …
    ///     client.push_and_close_blocking()?;
    ///     Ok(())
    /// }
    /// ```
    pub fn connect_blocking(
        self,
        source: impl Source,
        within: Duration,
    ) -> Result<Client, BuildError> {
        let client = start(self.into_config()?, source).map_err(BuildError::Thread)?;
        // A client that is not connected yet is not an error.
        let _ = client.wait_ready_blocking(within);
        Ok(client)
    }
}

fn start(config: Config, source: impl Source) -> io::Result<Client> {
    let (started, client) = async_channel::bounded(1);
    let run = move || {
        let failed = started.clone();
        let ended = Leaf::block_on(Some(1), |runtime| async move {
            let (client, running) = Client::new(runtime, config, source);
            // The receiver is waiting.
            let _ = started.send(Ok(client)).await;
            running.await;
        });
        if let Err(error) = ended {
            let _ = failed.send_blocking(Err(error));
        }
    };
    thread::Builder::new().name("prometheus-rsocket".to_owned()).spawn(run)?;
    client.recv_blocking().unwrap_or_else(|_| Err(io::Error::other("its thread ended at once")))
}

/// Blocking variants of the client's methods, for any runtime that the client runs on. Do not call them on a thread that runs the client.
impl Client {
    /// Like [`wait_ready`](Self::wait_ready), but blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Those of [`wait_ready`](Self::wait_ready).
    pub fn wait_ready_blocking(&self, within: Duration) -> Result<(), WaitError> {
        block_on(self.wait_ready(within))
    }

    /// Like [`push`](Self::push), but blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Those of [`push`](Self::push).
    pub fn push_blocking(&self) -> Result<(), PushFailure> {
        block_on(self.push())
    }

    /// Like [`push_and_close`](Self::push_and_close), but blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Those of [`push_and_close`](Self::push_and_close).
    pub fn push_and_close_blocking(&self) -> Result<(), PushFailure> {
        block_on(self.push_and_close())
    }

    /// Like [`close`](Self::close), but blocks the calling thread.
    pub fn close_blocking(&self) {
        block_on(self.close());
    }
}
